/** Walk-ups made of stills, played to the real recognizer: what tracks and votes make of them. */
import { loadRecognizer } from '../adapters/recognizer-native.js'
import { UserError } from '../app/errors.js'
import type { Config } from '../config.js'
import { first, nearest } from '../domain/classifiers.js'
import { type Dataset, dealt } from '../evaluation/dataset.js'
import { type DecisionSummary, type Decisions, decisions, summarize, upperBound } from '../evaluation/decisions.js'
import { type Rate, rate } from '../evaluation/operating-points.js'
import { companyOf, type Plan, planSequences, planStrangers } from '../evaluation/sequences/cast.js'
import { addCounts, type Demands, idf1, mota, type TrackingCounts, trackingCounts } from '../evaluation/tracking.js'
import { chooseModels } from '../models.js'
import type { Template } from '../ports.js'
import type { Context } from './evaluate.js'
import type { Embeddings } from './evaluate-embeddings.js'
import { Theatre } from './evaluate-tracking-play.js'

export interface TrackingSettings {
  readonly enrol: number
  readonly seed: number
  /** Sequences, of all kinds in turn. */
  readonly count: number
  /** Short sequences of a stranger alone, besides. */
  readonly strangers: number
  /** Of these, only those are played whose still is as similar as this to somebody enrolled. */
  readonly likely?: number
  readonly classifier: Config['recognizer']['classifier']
}

export interface Figures {
  readonly sequences: number
  readonly tracking: TrackingCounts & { readonly idf1: number; readonly mota: number }
  readonly decisions: DecisionSummary
}

/** A sequence in which the door was opened for somebody else: its seed makes it again. */
export interface Mishap {
  readonly kind: string
  readonly seed: number
  readonly cast: readonly { readonly person: string; readonly picture: string }[]
}

export interface TrackingResult extends Context {
  readonly kind: 'tracking'
  readonly settings: TrackingSettings
  readonly votes: Config['votes']
  readonly people: number
  readonly templates: number
  /** Pictures in which no face was found, so that nobody can play with them. */
  readonly withoutFace: number
  readonly all: Figures
  readonly byKind: Readonly<Record<string, Figures>>
  /** The short sequences that were played; absent when none were asked for. */
  readonly strangers?: Figures
  /**
   * With `likely`: as if those not played had been refused. An estimate: they are strangers whose still resembles nobody, and
   * who would have to be let in by what motion, blur and noise make of it.
   */
  readonly estimate?: { readonly planned: number; readonly wrongGrants: Rate; readonly below: number }
  readonly mishaps: readonly Mishap[]
  readonly sequences: readonly { readonly kind: string; readonly seed: number; readonly cast: Mishap['cast'] }[]
}

/** Half a face tells nobody who it is, and no detector finds it reliably. */
const leastVisible = 0.5

interface Played {
  readonly plan: Plan
  readonly counts: TrackingCounts
  readonly decisions: Decisions
}

/** @param embeddings those of the pictures that people are enrolled with, and with `likely` those of the strangers. */
export async function runTracking(
  data: Dataset,
  embeddings: Embeddings,
  context: Context,
  given: Config,
  settings: TrackingSettings,
  progress: (done: number, of: number) => void,
): Promise<TrackingResult> {
  const config: Config = {
    ...given,
    recognizer: {
      ...given.recognizer,
      embedder: context.embedder,
      // At 1 nobody has measured one yet, and nobody would be let in: that is refused.
      threshold: context.threshold < 1 ? context.threshold : null,
      classifier: settings.classifier,
      // A still on a made background is no living face, and is not asked to be one here.
      liveness: 'off',
    },
  }
  const company = companyOf(data, settings.enrol)
  const gallery: Template[] = data.people.flatMap((person) =>
    dealt(data, person, settings.enrol).templates.flatMap((picture) => {
      const embedding = embeddings.get(picture)?.embedding
      return embedding ? [{ person, embedding }] : []
    }),
  )
  if (gallery.length === 0)
    throw new UserError(
      `nobody in ${data.name} is enrolled with a face; give pictures of residents, two of each or more`,
    )
  const long = planned(() => planSequences(company, settings.seed, settings.count))
  // Another seed, so that as many strangers as one likes leave the other sequences as they are.
  const strangers = planned(() => planStrangers(company, settings.seed + 1, settings.strangers))
  const plans = [...long, ...likely(strangers, gallery, embeddings, settings.likely)]
  const recognizer = await loadRecognizer(await chooseModels(config))
  const played: Played[] = []
  try {
    recognizer.setGallery(gallery)
    const theatre = new Theatre(recognizer, config)
    const residents = new Set(data.people)
    const demands: Demands = { visible: leastVisible, side: config.recognizer.minFace }
    for (const [i, plan] of plans.entries()) {
      const frames = await theatre.play(plan)
      if (frames !== undefined)
        played.push({
          plan,
          counts: trackingCounts(frames, demands),
          decisions: decisions(frames, residents, recognizer.threshold, demands),
        })
      progress(i + 1, plans.length)
    }
  } finally {
    await recognizer.close()
  }
  // With `likely` none is an answer, too: no stranger was like anybody.
  if (plans.length > 0 && played.length === 0)
    throw new UserError(`no picture of ${data.name} that is played with shows a face; check --data`)
  const made = new Set(long)
  const main = played.filter(({ plan }) => made.has(plan))
  const short = figures(played.slice(main.length))
  const kinds = [...new Set(main.map(({ plan }) => plan.script.kind))]
  return {
    kind: 'tracking',
    ...context,
    settings,
    votes: config.votes,
    people: new Set(gallery.map(({ person }) => person)).size,
    templates: gallery.length,
    withoutFace: plans.length - played.length,
    all: figures(main),
    byKind: Object.fromEntries(
      kinds.map((kind) => [kind, figures(main.filter(({ plan }) => plan.script.kind === kind))]),
    ),
    ...(strangers.length === 0 ? {} : { strangers: short }),
    ...(settings.likely === undefined ? {} : { estimate: estimated(short, strangers.length) }),
    mishaps: played.filter(wentWrong).map(({ plan }) => named(plan)),
    sequences: main.map(({ plan }) => named(plan)),
  }
}

function likely(
  plans: readonly Plan[],
  gallery: readonly Template[],
  embeddings: Embeddings,
  least: number | undefined,
): Plan[] {
  if (least === undefined) return [...plans]
  const classify = nearest([gallery.map(({ embedding }) => embedding)])
  return plans.filter(({ cast }) => {
    const embedding = embeddings.get(cast[0]!.picture)?.embedding
    return !embedding || first(classify(embedding)).score >= least
  })
}

function estimated({ decisions: { strangers } }: Figures, planned: number): NonNullable<TrackingResult['estimate']> {
  const wrongGrants = rate(strangers.wrongGrants.count, planned)
  return { planned, wrongGrants, below: upperBound(wrongGrants) }
}

function planned(make: () => Plan[]): Plan[] {
  try {
    return make()
  } catch (error) {
    if (error instanceof RangeError)
      throw new UserError(`${error.message}; give more pictures of residents, more strangers, or a smaller --enrol`)
    throw error
  }
}

function figures(played: readonly Played[]): Figures {
  const counts = addCounts(played.map((one) => one.counts))
  return {
    sequences: played.length,
    tracking: { ...counts, idf1: idf1(counts), mota: mota(counts) },
    decisions: summarize(played.map((one) => one.decisions)),
  }
}

const wentWrong = ({ decisions: { visits, wrongGrantsOfNobody } }: Played) =>
  wrongGrantsOfNobody > 0 || visits.some(({ wrongGrants }) => wrongGrants > 0)

const named = ({ script: { kind, seed }, cast }: Plan): Mishap => ({
  kind,
  seed,
  cast: cast.map(({ person, picture }) => ({ person, picture })),
})

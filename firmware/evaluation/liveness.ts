/**
 * How often a picture of somebody is taken for him, and he for a picture: presentation attack detection in the words of
 * ISO/IEC 30107-3. What the nets say of frames in, error rates out; the frames are fused by the function that the door uses.
 */
import { framesTogether, fuse, type LivenessFrame } from '../domain/liveness.js'
import { atFalseRate, curve, type Rate, rate, type Scores } from './operating-points.js'
import { seeded } from './random.js'

/** Frames of one subject, in the order in which they were taken. */
export interface Presentation {
  readonly subject: string
  /** `live`, or the kind of attack. */
  readonly kind: string
  readonly frames: readonly LivenessFrame[]
}

/** At one threshold. Who reaches it counts as living. */
export interface LivenessErrors {
  readonly threshold: number
  /** Attack presentation classification error rate by kind of attack: pictures taken for a living face. */
  readonly apcer: Readonly<Record<string, Rate>>
  /** Bona fide presentation classification error rate: living faces taken for a picture. */
  readonly bpcer: Rate
  /**
   * The same with what is known of subjects: frames of one subject are not independent, so the limits of `rate` are too
   * narrow. 95 % of draws of so many subjects, with replacement, lie within these.
   */
  readonly bySubject: { readonly apcer: Limits; readonly bpcer: Limits }
}

export type Limits = readonly [low: number, high: number]

export interface LivenessResult {
  /** At the threshold in use. */
  readonly inUse: LivenessErrors
  /** At the operating point of all subjects together: the one to ship. */
  readonly best: LivenessErrors
  /** Each subject at the operating point of the others; `threshold` is the mean of these. */
  readonly crossValidated: LivenessErrors
  /** [APCER, share of living faces accepted], all attacks together. */
  readonly curve: readonly (readonly [number, number])[]
}

interface Judged {
  readonly subject: string
  readonly kind: string
  readonly score: number
}

const live = 'live'

/** One score for each `together` frames in a row; what is left at the end is not judged. */
export function judged(presentations: readonly Presentation[], together = framesTogether): Judged[] {
  return presentations.flatMap(({ subject, kind, frames }) =>
    Array.from({ length: Math.floor(frames.length / together) }, (_, i) => ({
      subject,
      kind,
      score: fuse(frames.slice(i * together, (i + 1) * together)),
    })),
  )
}

export interface LivenessFigures {
  readonly single: LivenessResult
  readonly fused: LivenessResult
}

/** Of single frames of pictures, so many may be taken for living faces. */
export const pictureShare = 0.01

/**
 * The operating point: the lowest at which pictures pass no more often than wanted, one frame at a time. Living faces get
 * all the rest. Not chosen from fused frames: the frames of an evaluation are taken seconds apart, those of a door follow
 * each other closely, so that in the worst case ten of them are worth one.
 */
export const operatingPoint = (frames: readonly Judged[]): number =>
  atFalseRate(scoresOf(frames), pictureShare).threshold

export function liveness(presentations: readonly Presentation[], inUse: number): LivenessFigures {
  const frames = judged(presentations, 1)
  const best = operatingPoint(frames)
  const subjects = [...new Set(presentations.map(({ subject }) => subject))]
  const others = new Map(subjects.map((one) => [one, operatingPoint(frames.filter(({ subject }) => subject !== one))]))
  const mean = [...others.values()].reduce((sum, one) => sum + one, 0) / others.size
  const result = (all: readonly Judged[]): LivenessResult => ({
    inUse: errors(all, () => inUse, inUse),
    best: errors(all, () => best, best),
    crossValidated: errors(all, ({ subject }) => others.get(subject)!, mean),
    curve: curve(scoresOf(all)),
  })
  return { single: result(frames), fused: result(judged(presentations)) }
}

function scoresOf(all: readonly Judged[]): Scores {
  return {
    genuine: all.filter(({ kind }) => kind === live).map(({ score }) => score),
    impostor: all.filter(({ kind }) => kind !== live).map(({ score }) => score),
  }
}

function errors(all: readonly Judged[], thresholdFor: (one: Judged) => number, threshold: number): LivenessErrors {
  const outcomes = all.map((one) => ({ ...one, wrong: one.score >= thresholdFor(one) !== (one.kind === live) }))
  const of = (kind: string) => outcomes.filter((one) => one.kind === kind)
  const wrong = (list: typeof outcomes) => list.filter((one) => one.wrong).length
  const kinds = [...new Set(all.map(({ kind }) => kind))].filter((kind) => kind !== live)
  return {
    threshold,
    apcer: Object.fromEntries(kinds.map((kind) => [kind, rate(wrong(of(kind)), of(kind).length)])),
    bpcer: rate(wrong(of(live)), of(live).length),
    bySubject: {
      apcer: drawn(outcomes.filter(({ kind }) => kind !== live)),
      bpcer: drawn(of(live)),
    },
  }
}

const draws = 2000

/** Bootstrap over subjects (Efron 1979), percentile limits, the same draws every time. */
function drawn(outcomes: readonly { readonly subject: string; readonly wrong: boolean }[]): Limits {
  const tallies = new Map<string, { wrong: number; of: number }>()
  for (const { subject, wrong } of outcomes) {
    const tally = tallies.get(subject) ?? { wrong: 0, of: 0 }
    tallies.set(subject, { wrong: tally.wrong + Number(wrong), of: tally.of + 1 })
  }
  const subjects = [...tallies.values()]
  if (subjects.length === 0) return [0, 1]
  const random = seeded(1)
  const rates = Array.from({ length: draws }, () => {
    const sum = { wrong: 0, of: 0 }
    for (let i = 0; i < subjects.length; i++) {
      const one = subjects[Math.floor(random() * subjects.length)]!
      sum.wrong += one.wrong
      sum.of += one.of
    }
    return sum.wrong / sum.of
  }).sort((a, b) => a - b)
  return [rates[Math.floor(0.025 * draws)]!, rates[Math.ceil(0.975 * draws) - 1]!]
}

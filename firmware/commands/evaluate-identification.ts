import type { ModelEntry } from '../adapters/models-manifest.js'
import { UserError } from '../app/errors.js'
import { type ClassifierName, classifiers, type Gallery } from '../domain/classifiers.js'
import { type Comparison, first, fused, identification, leftOut, type Result } from '../evaluation/identification.js'
import type { Context } from './evaluate.js'
import type { Dataset } from './evaluate-data.js'
import type { Embeddings } from './evaluate-embeddings.js'

export interface IdentificationResult extends Context {
  readonly kind: 'identification'
  readonly classifier: ClassifierName
  readonly people: number
  readonly templates: number
  readonly enrol: number
  readonly withoutFace: number
  /** One picture at a time, against people who are never enrolled. */
  readonly single: Result
  /**
   * Strangers with several pictures are those enrolled, each taken out of the gallery for his own. `single` and `fused` differ
   * in nothing but the number of pictures: at equal thresholds they show what fusing does.
   */
  readonly leftOut: { readonly single: Result; readonly fused: Result }
  /** Of those left out, who is most like whom: a picture under the wrong name stands first here. */
  readonly mostAlike: readonly { readonly subject: string; readonly takenFor: string; readonly score: number }[]
}

/** Pictures that are fused: about what a track votes with before it is known. */
const together = 5

/**
 * The first `enrol` pictures of each person are templates, the others probes. In a person's own folder without lists, who has no
 * more than that keeps his last picture as a probe.
 */
export function runIdentification(
  data: Dataset,
  embeddings: Embeddings,
  context: Context,
  { enrol, classifier }: { enrol: number; classifier: ClassifierName },
): IdentificationResult {
  const enrolled = (name: string) => {
    const pictures = data.pictures.get(name)!
    return data.listed ? enrol : Math.min(enrol, Math.max(1, pictures.length - 1))
  }
  const gallery: Gallery = data.people.map((name) =>
    data.pictures
      .get(name)!
      .slice(0, enrolled(name))
      .flatMap((picture) => embeddings.get(picture) ?? []),
  )
  const classify = classifiers[classifier](gallery)
  const compare = (subject: string, person: number | undefined, picture: string): Comparison => {
    const embedding = embeddings.get(picture)
    return { subject, person, scores: embedding ? classify(embedding) : null }
  }
  const probes = data.people.flatMap((name, person) =>
    data.pictures
      .get(name)!
      .slice(enrolled(name))
      .map((picture) => compare(name, person, picture)),
  )
  const strangers = data.strangers.flatMap((name) =>
    data.pictures.get(name)!.map((picture) => compare(name, undefined, picture)),
  )
  const removed = data.people.flatMap((name, person) =>
    data.pictures.get(name)!.map((picture) => leftOut(compare(name, person, picture))),
  )
  if (probes.length === 0)
    throw new UserError(
      `nobody in ${data.name} has a picture left to be asked for with; give more, or a smaller --enrol`,
    )
  const { threshold } = context
  const unseen = strangers.length > 0 ? strangers : removed
  return {
    kind: 'identification',
    ...context,
    classifier,
    people: gallery.length,
    templates: gallery.reduce((sum, templates) => sum + templates.length, 0),
    enrol,
    withoutFace: [...embeddings.values()].filter((embedding) => embedding === null).length,
    single: identification(probes, unseen, threshold),
    leftOut: {
      single: identification(probes, removed, threshold),
      fused: identification(fused(probes, together), fused(removed, together), threshold),
    },
    mostAlike: mostAlike(removed, data.people),
  }
}

function mostAlike(removed: readonly Comparison[], people: readonly string[]): IdentificationResult['mostAlike'] {
  const pairs = new Map<string, IdentificationResult['mostAlike'][number]>()
  for (const { subject, scores } of removed) {
    const { best, score } = first(scores)
    if (best === undefined) continue
    const takenFor = people[best]!
    const key = [subject, takenFor].join('\n')
    if (score > (pairs.get(key)?.score ?? -1)) pairs.set(key, { subject, takenFor, score })
  }
  return [...pairs.values()].sort((a, b) => b.score - a.score).slice(0, 5)
}

/** The false-positive identification rate that the shipped thresholds are for. */
const shippedRate = 1e-3

/** The threshold for the manifest, with its basis. */
export function thresholdFrom(result: IdentificationResult): NonNullable<ModelEntry['threshold']> {
  const { single, data, detector, minFace, people, templates } = result
  const point = single.points.find(({ wanted }) => wanted === shippedRate)!
  // Rounded up: never laxer than what was measured.
  const similarity = Math.ceil(point.threshold * 1000) / 1000
  const { accepted, falselyAccepted } = point
  const percent = (value: number) => `${(100 * value).toFixed(2)} %`
  const basis =
    `facelatch evaluate identification on ${data}: ${detector} (min face ${minFace}), ${people} people enrolled with ` +
    `${templates} templates, nearest template, one picture at a time. At ${point.threshold.toFixed(4)}, ` +
    `${falselyAccepted.count} of ${falselyAccepted.of} strangers' pictures accepted (${percent(falselyAccepted.value)}, ` +
    `19 times in 20 below ${percent(falselyAccepted.high)}), ${accepted.count} of ${accepted.of} probes identified (${percent(accepted.value)}).`
  return { similarity, basis }
}

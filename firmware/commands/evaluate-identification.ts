import { basename, join } from 'node:path'
import { UserError } from '../app/errors.js'
import { agreed, type Classifier, first, type Gallery, imprinting, nearest, svm } from '../domain/classifiers.js'
import { chooseTemplates } from '../domain/enrolment.js'
import { type Dataset, dealt } from '../evaluation/dataset.js'
import { type Comparison, fused, identification, type Result } from '../evaluation/identification.js'
import { type Rejection, rejections } from '../evaluation/rejection.js'
import { amount, differentFaces } from '../evaluation/support.js'
import type { Context } from './evaluate.js'
import type { Embeddings } from './evaluate-embeddings.js'
import type { Measured } from './evaluate-threshold.js'

/** `svm-alone`: the probabilities that `svm` asks for its veto, by themselves. */
export const evaluatedClassifiers = ['nearest', 'imprinting', 'svm', 'svm-alone'] as const
export type EvaluatedClassifier = (typeof evaluatedClassifiers)[number]

export interface IdentificationResult extends Context {
  readonly kind: 'identification'
  readonly classifier: EvaluatedClassifier
  /** `svm`: the probability that its machine must reach. */
  readonly gate?: number
  readonly people: number
  readonly templates: number
  readonly enrol: number
  /** Templates that `people add` would not have taken: they do not resemble the person's others. */
  readonly refused: number
  readonly withoutFace: number
  /** Strangers of `single` with a face, as named, and how many of them are different people for all that the net can tell. */
  readonly named: number
  readonly seen: number
  /** One picture at a time, against people who are never enrolled; where there are none, against those left out. */
  readonly single: Result
  /**
   * Strangers with several pictures are those enrolled, each taken out of the gallery for his own. `single` and `fused` differ
   * in nothing but the number of pictures: at equal thresholds they show what fusing does.
   */
  readonly leftOut: { readonly single: Result; readonly fused: Result }
  /** Probes that were not identified at the threshold in use, the worst pictures taken out. */
  readonly rejections: readonly Rejection[]
  /** Probes not identified at the threshold in use, the least like their own first: wrong names and hidden faces stand first. */
  readonly missed: readonly Missed[]
  /** Of those left out, who is most like whom: a picture under the wrong name stands first here. */
  readonly mostAlike: readonly { readonly subject: string; readonly takenFor: string; readonly score: number }[]
}

export interface Missed {
  /** Relative to the data's folder of pictures: NAME/FILE. */
  readonly picture: string
  /** Score of the person whose picture it is; -1 where no face was found. */
  readonly own: number
  readonly best: string
  readonly score: number
  readonly quality: number
}

export interface EvaluationOptions {
  /** Pictures of each person that are enrolled. */
  readonly enrol: number
  readonly classifier: EvaluatedClassifier
  /** Refuse of them what `people add` refuses. */
  readonly asEnrolled: boolean
}

/** Pictures that are fused: about what a track votes with before it is known. */
const together = 5

export function runIdentification(
  data: Dataset,
  embeddings: Embeddings,
  context: Context,
  { enrol, classifier, asEnrolled }: EvaluationOptions,
): IdentificationResult {
  const given = data.people.map((name) =>
    dealt(data, name, enrol).templates.flatMap((source) => {
      const seen = embeddings.get(source)
      return seen ? { ...seen, source } : []
    }),
  )
  const taken = asEnrolled
    ? given.map((samples) => chooseTemplates(samples, { count: enrol, threshold: context.threshold }).templates)
    : given
  const gallery: Gallery = taken.map((samples) => samples.map(({ embedding }) => embedding))
  const classify = classifierOf(classifier, gallery, context.gate)
  const compare = (subject: string, person: number | undefined, picture: string, without?: number): Comparison => {
    const seen = embeddings.get(picture)
    return { subject, person, scores: seen ? classify(seen.embedding, without) : null }
  }
  const probePictures = data.people.flatMap((name, person) =>
    dealt(data, name, enrol).probes.map((picture) => ({ name, person, picture })),
  )
  const probes = probePictures.map(({ name, person, picture }) => compare(name, person, picture))
  const strangers = data.strangers.flatMap((name) =>
    data.pictures.get(name)!.map((picture) => compare(name, undefined, picture)),
  )
  const removed = data.people.flatMap((name, person) =>
    data.pictures.get(name)!.map((picture) => compare(name, undefined, picture, person)),
  )
  if (probes.length === 0)
    throw new UserError(
      `nobody in ${data.name} has a picture left to be asked for with; give more, or a smaller --enrol`,
    )
  const { threshold } = context
  const answers = probePictures.map(({ name, person, picture }, i) => {
    const { scores } = probes[i]!
    const { best, score } = first(scores)
    const right = best === person && score >= threshold
    const quality = embeddings.get(picture)?.quality ?? 0
    const own = scores?.[person] ?? -1
    return { right, quality, picture: join(name, basename(picture)), own, best: data.people[best ?? person]!, score }
  })
  const listed = strangers.length > 0
  const single = identification(probes, listed ? strangers : removed, threshold)
  const faces = firstFaces(listed ? data.strangers : data.people, data, embeddings)
  if (gallery.flat().length === 0 || (!listed && gallery.length < 2))
    throw new UserError(
      `nobody in ${data.name} is a stranger to anybody with a face; give pictures of two people or more, and of strangers`,
    )
  return {
    kind: 'identification',
    ...context,
    classifier,
    people: gallery.filter((templates) => templates.length > 0).length,
    templates: gallery.reduce((sum, templates) => sum + templates.length, 0),
    enrol,
    refused: given.flat().length - taken.flat().length,
    withoutFace: [...embeddings.values()].filter((seen) => seen === null).length,
    named: faces.length,
    seen: differentFaces(faces, apartFrom(single, classifier, threshold)),
    single,
    leftOut: {
      single: identification(probes, removed, threshold),
      fused: identification(fused(probes, together), fused(removed, together), threshold),
    },
    rejections: rejections(answers),
    missed: answers
      .filter(({ right }) => !right)
      .map(({ right: _, ...missed }) => missed)
      .sort((a, b) => a.own - b.own),
    mostAlike: mostAlike(removed, data.people),
  }
}

/**
 * Scores of everybody enrolled, as if `without` were not: his own pictures then are a stranger's, of whom there are several, in
 * a gallery of one person fewer. (The machines were trained with him; that he is none of the others they have learnt.)
 */
function classifierOf(
  name: EvaluatedClassifier,
  gallery: Gallery,
  gate = 0,
): (embedding: Float32Array, without?: number) => Float32Array {
  const hiding = (classify: Classifier) => (embedding: Float32Array, without?: number) => {
    const scores = classify(embedding)
    if (without !== undefined) scores[without] = -1
    return scores
  }
  if (name === 'svm-alone') return hiding(svm(gallery))
  const similarities = hiding((name === 'imprinting' ? imprinting : nearest)(gallery))
  if (name !== 'svm') return similarities
  const likely = hiding(svm(gallery))
  return (embedding, without) => agreed(similarities(embedding, without), likely(embedding, without), gate)
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

/**
 * The false-positive identification rates that thresholds are for. The machines only veto what the nearest template accepts at
 * its own.
 */
const rateFor = { nearest: 1e-3, imprinting: 1e-3, 'svm-alone': 1e-2 } as const
export type ThresholdClassifier = keyof typeof rateFor

const pointFor = ({ points }: Result, classifier: ThresholdClassifier) =>
  points.find(({ wanted }) => wanted === rateFor[classifier])!

/** Never laxer than what was measured. */
const roundedUp = (threshold: number) => Math.ceil(threshold * 1000) / 1000

/**
 * From which similarity on two strangers may be one: the threshold that would be written, or the one in use where that is less, for
 * a resident among the strangers drives the new one up. The machines' own is a probability and says nothing of two faces.
 */
const apartFrom = (single: Result, classifier: EvaluatedClassifier, inUse: number): number =>
  classifier === 'svm' || classifier === 'svm-alone'
    ? inUse
    : Math.min(inUse, roundedUp(pointFor(single, classifier).threshold))

/** The threshold, with its basis. */
export function thresholdFrom(result: IdentificationResult, classifier: ThresholdClassifier): Measured {
  const { single, data, detector, minFace, people, templates, seen } = result
  const point = pointFor(single, classifier)
  const similarity = roundedUp(point.threshold)
  const { accepted, falselyAccepted } = point
  if (seen === 0 || accepted.count === 0 || !(similarity > 0 && similarity <= 1))
    throw new UserError(
      `no threshold is written from ${data}: ${seen} strangers were seen, and ${accepted.count} of ${accepted.of} residents' pictures would be known`,
    )
  const percent = (value: number) => `${(100 * value).toFixed(2)} %`
  const how = { nearest: 'nearest template', imprinting: 'imprinting', 'svm-alone': 'SVM, probability' }[classifier]
  const basis =
    `facelatch evaluate identification on ${data}: ${detector} (min face ${minFace}), ${people} people enrolled with ` +
    `${amount(templates, 'template')}, and ${amount(seen, 'different stranger')}, ${how}, one picture at a time. At ${point.threshold.toFixed(4)}, ` +
    `${falselyAccepted.count} of ${falselyAccepted.of} strangers' pictures accepted (${percent(falselyAccepted.value)}, ` +
    `19 times in 20 below ${percent(falselyAccepted.high)}), ${accepted.count} of ${accepted.of} probes identified (${percent(accepted.value)}).`
  return { similarity, basis, measured: { strangers: seen, people, templates } }
}

/** One of each: a picture without a face tells nothing. */
const firstFaces = (names: readonly string[], data: Dataset, embeddings: Embeddings): Float32Array[] =>
  names.flatMap((name) => {
    const seen = data.pictures.get(name)!.flatMap((picture) => embeddings.get(picture) ?? [])
    return seen.slice(0, 1).map(({ embedding }) => embedding)
  })

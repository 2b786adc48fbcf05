/**
 * From an embedding to a score for each person enrolled, all of which leave the refusal of strangers to a threshold on
 * the score. Embeddings are L2-normalised.
 */
import { probabilities, train } from './svm.js'

/** The people enrolled, rows of templates each. */
export type Gallery = readonly (readonly Float32Array[])[]

/** A score for each person, in the gallery's order, higher for more alike; -1 for one without templates. */
export type Classifier = (embedding: Float32Array) => Float32Array

export const classifierNames = ['nearest', 'imprinting', 'svm'] as const
/** `svm`: the nearest template, where the support vector machines agree with it. */
export type ClassifierName = (typeof classifierNames)[number]

/** A person's score is the cosine to his nearest template. */
export function nearest(gallery: Gallery): Classifier {
  return (embedding) =>
    Float32Array.from(gallery, (templates) =>
      templates.reduce((best, template) => Math.max(best, dot(template, embedding)), -1),
    )
}

/**
 * Weight imprinting (Qi, Brown and Lowe, "Low-Shot Learning with Imprinted Weights", CVPR 2018): a person is the normalised mean
 * of his templates, the row that a cosine layer would have for him; his score is the cosine to it. No training.
 */
export function imprinting(gallery: Gallery): Classifier {
  return nearest(gallery.map((templates) => [imprint(templates)].filter((row) => row !== undefined)))
}

/** What each person has, in the order in which they come first. */
export function templatesByPerson(
  templates: readonly { readonly person: string; readonly embedding: Float32Array }[],
): Map<string, Float32Array[]> {
  const people = new Map<string, Float32Array[]>()
  for (const { person, embedding } of templates) {
    const own = people.get(person)
    if (own) own.push(embedding)
    else people.set(person, [embedding])
  }
  return people
}

/** The normalised mean; undefined where there are no templates, or they cancel each other out. */
export function imprint(templates: readonly Float32Array[]): Float32Array | undefined {
  const sum = new Float64Array(templates[0]?.length ?? 0)
  for (const template of templates) for (const [i, value] of template.entries()) sum[i]! += value
  const length = Math.hypot(...sum)
  return length > 1e-6 ? Float32Array.from(sum, (value) => value / length) : undefined
}

/** A person's score is the probability that his support vector machine gives; -1 for one without templates. */
export function svm(gallery: Gallery): Classifier {
  const machine = train(gallery)
  return (embedding) =>
    probabilities(machine, embedding).map((value, person) => (gallery[person]!.length === 0 ? -1 : value))
}

/** Who has the highest score, and which; nobody with -1 when nobody is enrolled. */
export function first(scores: Float32Array | null): { best: number | undefined; score: number } {
  let best: number | undefined
  let score = -1
  scores?.forEach((value, person) => {
    if (value > score) [best, score] = [person, value]
  })
  return { best, score }
}

/**
 * The machines' veto: they know who differs from whom, and little of people they never saw, whom the nearest template's
 * threshold refuses better (models/README.md). So both must name the same person, the machine with a probability of
 * `gate` or more; else nobody is like anybody. It can refuse what `nearest` accepts, and never the other way round.
 */
export function agreed(similarities: Float32Array, likely: Float32Array, gate: number): Float32Array {
  const { best } = first(similarities)
  const { best: named, score } = first(likely)
  if (best !== undefined && best === named && score >= gate) return similarities
  return similarities.map((value) => Math.min(value, 0))
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

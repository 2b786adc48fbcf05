/**
 * From an embedding to a score for each person enrolled: three ways, all of which leave the refusal of strangers to a
 * threshold on the score. Embeddings are L2-normalised.
 */

/** The people enrolled, rows of templates each. */
export type Gallery = readonly (readonly Float32Array[])[]

/** A score for each person, in the gallery's order, higher for more alike; -1 for one without templates. */
export type Classifier = (embedding: Float32Array) => Float32Array

export const classifierNames = ['nearest', 'imprinting', 'svm'] as const
export type ClassifierName = (typeof classifierNames)[number]

export const classifiers: Readonly<Record<ClassifierName, (gallery: Gallery) => Classifier>> = {
  nearest,
  imprinting,
  svm,
}

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

/** The normalised mean; undefined where there are no templates, or they cancel each other out. */
export function imprint(templates: readonly Float32Array[]): Float32Array | undefined {
  const sum = new Float64Array(templates[0]?.length ?? 0)
  for (const template of templates) for (const [i, value] of template.entries()) sum[i]! += value
  const length = Math.hypot(...sum)
  return length > 1e-6 ? Float32Array.from(sum, (value) => value / length) : undefined
}

/** Costs of a wrong template that cross-validation chooses from. */
const costs = [0.1, 1, 10]
const folds = 5

/**
 * One linear support vector machine a person, against all others. Each side's templates cost together the same, or whoever has
 * many pictures would attract whoever resembles nobody. The cost is the one under which most templates, held out in turn, are
 * given to their own person; the same held-out scores give the sigmoid that makes a score a probability (Platt 1999).
 */
export function svm(gallery: Gallery): Classifier {
  const held = Array.from({ length: folds }, (_, fold) => ({
    kept: gallery.map((templates) => templates.filter((_, i) => templates.length < 2 || i % folds !== fold)),
    asked: gallery.flatMap((templates, person) =>
      templates.flatMap((row, i) => (templates.length >= 2 && i % folds === fold ? [{ person, row }] : [])),
    ),
  })).filter(({ asked }) => asked.length > 0)
  const tried = costs.map((cost) => {
    const answers = held.flatMap(({ kept, asked }) => {
      const decide = machines(kept, cost)
      return asked.map(({ person, row }) => ({ person, values: decide(row) }))
    })
    const right = answers.filter(({ person, values }) => values.indexOf(Math.max(...values)) === person).length
    return { cost, answers, right }
  })
  const best = tried.reduce((a, b) => (b.right > a.right ? b : a))
  const decide = machines(gallery, best.cost)
  const { slope, offset } = sigmoid(
    best.answers.flatMap(({ person, values }) => values.map((value, i) => ({ value, own: i === person }))),
  )
  return (embedding) =>
    Float32Array.from(decide(embedding), (value, person) =>
      gallery[person]!.length === 0 ? -1 : 1 / (1 + Math.exp(-(slope * value + offset))),
    )
}

/** Distances to each person's hyperplane, in margins. */
function machines(gallery: Gallery, cost: number): (embedding: Float32Array) => number[] {
  const rows = gallery.flatMap((templates, person) => templates.map((row) => ({ row, person })))
  const planes = gallery.map((templates, person) => {
    const others = rows.length - templates.length
    return plane(
      rows.map(({ row, person: of }) => ({
        row,
        sign: of === person ? 1 : -1,
        cost: (cost * rows.length) / (2 * Math.max(1, of === person ? templates.length : others)),
      })),
    )
  })
  return (embedding) =>
    planes.map((weights) => {
      let sum = weights.at(-1)!
      for (let i = 0; i < embedding.length; i++) sum += weights[i]! * embedding[i]!
      return sum
    })
}

interface Example {
  readonly row: Float32Array
  readonly sign: 1 | -1
  readonly cost: number
}

const mostPasses = 60
const enough = 1e-3

/**
 * Dual coordinate descent for the linear machine with squared hinge loss (Hsieh et al., ICML 2008, algorithm 1). Weights, the
 * bias last: it is the weight of a feature that is always 1. Goes through the examples in one fixed mixed order, so that
 * the same gallery always gives the same machine.
 */
function plane(examples: readonly Example[]): Float64Array {
  const dimensions = examples[0]?.row.length ?? 0
  const weights = new Float64Array(dimensions + 1)
  const alpha = new Float64Array(examples.length)
  // A step that shares no factor with the count visits every example, neighbours far apart.
  let step = Math.max(1, Math.round(examples.length * 0.618))
  while (gcd(step, examples.length) > 1) step++
  for (let pass = 0; pass < mostPasses; pass++) {
    let largest = 0
    for (
      let n = 0, i = pass % Math.max(1, examples.length);
      n < examples.length;
      n++, i = (i + step) % examples.length
    ) {
      const { row, sign, cost } = examples[i]!
      const slack = 1 / (2 * cost)
      let value = weights[dimensions]!
      for (let d = 0; d < dimensions; d++) value += weights[d]! * row[d]!
      const gradient = sign * value - 1 + slack * alpha[i]!
      const projected = alpha[i] === 0 ? Math.min(gradient, 0) : gradient
      largest = Math.max(largest, Math.abs(projected))
      if (projected === 0) continue
      // The row has length 1, and the bias adds 1.
      const next = Math.max(alpha[i]! - gradient / (2 + slack), 0)
      const change = (next - alpha[i]!) * sign
      alpha[i] = next
      for (let d = 0; d < dimensions; d++) weights[d]! += change * row[d]!
      weights[dimensions]! += change
    }
    if (largest < enough) break
  }
  return weights
}

/** Platt's sigmoid by Newton's method, with his smoothed targets: few examples must not make it certain. */
function sigmoid(scores: readonly { value: number; own: boolean }[]): { slope: number; offset: number } {
  const own = scores.filter((score) => score.own).length
  const targets = { own: (own + 1) / (own + 2), other: 1 / (scores.length - own + 2) }
  let [slope, offset] = [1, 0]
  for (let round = 0; round < 100; round++) {
    let [gSlope, gOffset, hSlope, hBoth, hOffset] = [0, 0, 1e-9, 0, 1e-9]
    for (const { value, own } of scores) {
      const p = 1 / (1 + Math.exp(-(slope * value + offset)))
      const error = p - (own ? targets.own : targets.other)
      const spread = p * (1 - p)
      gSlope += error * value
      gOffset += error
      hSlope += spread * value * value
      hBoth += spread * value
      hOffset += spread
    }
    const determinant = hSlope * hOffset - hBoth * hBoth
    if (!(determinant > 1e-12)) break
    // Steps of one unit at most keep Newton from leaping over the flat ends of the sigmoid.
    const bound = (change: number) => Math.max(-1, Math.min(1, change))
    const [dSlope, dOffset] = [
      bound((hOffset * gSlope - hBoth * gOffset) / determinant),
      bound((hSlope * gOffset - hBoth * gSlope) / determinant),
    ]
    slope = Math.max(1e-3, slope - dSlope)
    offset -= dOffset
    if (Math.abs(dSlope) + Math.abs(dOffset) < 1e-9) break
  }
  return { slope, offset }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/**
 * Linear support vector machines, one a person against all others. Pure; the same gallery always gives the same machine.
 */
import type { Gallery } from './classifiers.js'

export interface Machine {
  readonly people: number
  /** A row a person: weights, the bias last, which is -Infinity for one without templates. */
  readonly planes: Float32Array
  /** Platt's sigmoid, from distances in margins to probabilities. */
  readonly slope: number
  readonly offset: number
  /** Of a wrong template. */
  readonly cost: number
}

type Sigmoid = Pick<Machine, 'slope' | 'offset'>

export interface TrainingOptions {
  /** Costs of a wrong template that cross-validation chooses from. */
  readonly costs?: readonly number[]
  /** False only to show what happens then: whoever has many pictures attracts whoever resembles nobody. */
  readonly balanced?: boolean
  /** False leaves cross-validation out: scores then are no probabilities, and the first cost is taken. */
  readonly calibrated?: boolean
}

const folds = 5

/**
 * Each side's templates cost together the same, or whoever has many pictures would attract whoever resembles nobody. The
 * cost is the one under which most templates, held out in turn, are given to their own person; the same held-out scores
 * give the sigmoid that makes a score a probability (Platt 1999).
 */
export function train(
  gallery: Gallery,
  { costs = [0.1, 1, 10], balanced = true, calibrated = true }: TrainingOptions = {},
): Machine {
  const machine = (cost: number, sigmoid: Sigmoid): Machine => ({
    people: gallery.length,
    planes: planesOf(gallery, cost, balanced),
    cost,
    ...sigmoid,
  })
  if (!calibrated) return machine(costs[0] ?? 1, { slope: 1, offset: 0 })
  const held = Array.from({ length: folds }, (_, fold) => ({
    kept: gallery.map((templates) => templates.filter((_, i) => templates.length < 2 || i % folds !== fold)),
    asked: gallery.flatMap((templates, person) =>
      templates.flatMap((row, i) => (templates.length >= 2 && i % folds === fold ? [{ person, row }] : [])),
    ),
  })).filter(({ asked }) => asked.length > 0)
  const tried = costs.map((cost) => {
    const answers = held.flatMap(({ kept, asked }) => {
      const planes = planesOf(kept, cost, balanced)
      return asked.map(({ person, row }) => ({ person, values: distances(planes, kept.length, row) }))
    })
    const right = answers.filter(({ person, values }) => values.indexOf(Math.max(...values)) === person).length
    return { cost, answers, right }
  })
  const { cost, answers } = tried.reduce((a, b) => (b.right > a.right ? b : a))
  const scores = answers.flatMap(({ person, values }) => [...values].map((value, i) => ({ value, own: i === person })))
  return machine(cost, sigmoid(scores))
}

/** In the gallery's order; 0 for one without templates. */
export function probabilities({ planes, people, slope, offset }: Machine, embedding: Float32Array): Float32Array {
  return distances(planes, people, embedding).map((value) => 1 / (1 + Math.exp(-(slope * value + offset))))
}

/** Distances to each person's hyperplane, in margins. */
function distances(planes: Float32Array, people: number, embedding: Float32Array): Float32Array {
  const width = planes.length / people
  return Float32Array.from({ length: people }, (_, person) => {
    const begin = person * width
    let sum = planes[begin + width - 1]!
    for (let i = 0; i < width - 1; i++) sum += planes[begin + i]! * embedding[i]!
    return sum
  })
}

function planesOf(gallery: Gallery, cost: number, balanced: boolean): Float32Array {
  const rows = gallery.flatMap((templates, person) => templates.map((row) => ({ row, person })))
  const width = (rows[0]?.row.length ?? 0) + 1
  const planes = new Float32Array(gallery.length * width)
  for (const [person, templates] of gallery.entries()) {
    const others = rows.length - templates.length
    const share = (own: boolean) => (balanced ? rows.length / (2 * Math.max(1, own ? templates.length : others)) : 1)
    const weights = plane(
      rows.map(({ row, person: of }) => ({ row, sign: of === person ? 1 : -1, cost: cost * share(of === person) })),
    )
    planes.set(weights, person * width)
    if (templates.length === 0) planes[(person + 1) * width - 1] = Number.NEGATIVE_INFINITY
  }
  return planes
}

interface Example {
  readonly row: Float32Array
  readonly sign: 1 | -1
  readonly cost: number
}

const mostPasses = 60
const enough = 0.05

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
function sigmoid(scores: readonly { value: number; own: boolean }[]): Sigmoid {
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

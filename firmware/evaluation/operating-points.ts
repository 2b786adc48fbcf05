/**
 * Scores of the right and of the wrong in, error rates and thresholds out. The same arithmetic serves pairs of pictures
 * (ISO/IEC 19795-1: false match and false non-match) and open-set identification (false positive and false negative
 * identification): in both something is accepted when its score reaches the threshold.
 */

/** A share that was counted, with the limits within which the true one lies 19 times in 20. */
export interface Rate {
  readonly count: number
  readonly of: number
  /** count / of; 0 of 0 is 0. */
  readonly value: number
  readonly low: number
  readonly high: number
}

export interface OperatingPoint {
  readonly threshold: number
  /** Of those that should be accepted: true accept rate, or true-positive identification rate. */
  readonly accepted: Rate
  /** Of those that should not: false accept rate, or false-positive identification rate. */
  readonly falselyAccepted: Rate
}

/** Scores of one evaluation. What is never accepted (another person was nearer, there was no face) has a score of -1. */
export interface Scores {
  readonly genuine: readonly number[]
  readonly impostor: readonly number[]
}

const never = -1

/** Embeddings are float32: similarities closer together than this are not told apart. */
const resolution = 1e-6

/** Standard normal deviate of a two-sided interval of 95 %. */
const z = 1.959964

/** Wilson's score interval (J. Am. Stat. Assoc. 22, 1927): it is sound for few trials and for rates of 0 and 1. */
export function rate(count: number, of: number): Rate {
  if (of === 0) return { count, of, value: 0, low: 0, high: 1 }
  const value = count / of
  const centre = (value + z ** 2 / (2 * of)) / (1 + z ** 2 / of)
  const reach = (z / (1 + z ** 2 / of)) * Math.sqrt((value * (1 - value)) / of + z ** 2 / (4 * of ** 2))
  // Rounding takes 0 of n and n of n a hair beyond what was counted.
  return { count, of, value, low: count === 0 ? 0 : centre - reach, high: count === of ? 1 : centre + reach }
}

/** What happens at a threshold: scores that reach it are accepted. */
export function atThreshold({ genuine, impostor }: Scores, threshold: number): OperatingPoint {
  const reaching = (scores: readonly number[]) => scores.reduce((n, score) => n + Number(score >= threshold), 0)
  return {
    threshold,
    accepted: rate(reaching(genuine), genuine.length),
    falselyAccepted: rate(reaching(impostor), impostor.length),
  }
}

/**
 * The lowest threshold at which at most a share `wanted` of the impostors is accepted. Of fewer than 1 / `wanted` impostors
 * none is: the point then says how these impostors fared, not that the rate is reached; `falselyAccepted.high` says so.
 */
export function atFalseRate(scores: Scores, wanted: number): OperatingPoint {
  const worst = [...scores.impostor].sort((a, b) => b - a)
  const allowed = Math.floor(wanted * worst.length + 1e-9)
  const first = worst[allowed]
  return atThreshold(scores, (first ?? never) + resolution)
}

/** [false rate, true rate] at every threshold that changes either, strictest first; at most `most` points. */
export function curve({ genuine, impostor }: Scores, most = 300): [number, number][] {
  const right = [...genuine].sort((a, b) => b - a)
  const wrong = [...impostor].sort((a, b) => b - a)
  const points: [number, number][] = []
  let accepted = 0
  for (let n = 0; n <= wrong.length; n++) {
    // Just above the n-th impostor, n of them pass.
    const above = wrong[n] ?? never
    while (accepted < right.length && right[accepted]! > above) accepted++
    points.push([share(n, wrong.length), share(accepted, right.length)])
  }
  return thinned(points, most)
}

/** Keeps the beginning, where few impostors pass, point for point, and of the rest every so manieth. */
function thinned<T>(points: readonly T[], most: number): T[] {
  const step = Math.max(1, points.length / most)
  return points.filter(
    (_, i) => i < 20 || i === points.length - 1 || Math.floor(i / step) !== Math.floor((i - 1) / step),
  )
}

function share(count: number, of: number): number {
  return of === 0 ? 0 : count / of
}

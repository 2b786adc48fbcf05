/** Are these two pictures of one person? The protocol of Labeled Faces in the Wild (Huang et al. 2007), its pairs in folds. */
import { atFalseRate, curve, type OperatingPoint, type Scores } from './operating-points.js'

export interface ScoredPair {
  /** Cosine; -1 where a picture has no face: it is then taken for two people. */
  readonly similarity: number
  readonly same: boolean
}

export interface Verification {
  readonly pairs: { readonly same: number; readonly different: number }
  readonly accuracy: {
    /** Over the folds; each fold is judged at the threshold that is best for all others. */
    readonly mean: number
    readonly standardError: number
    readonly folds: readonly number[]
    /** Mean of the folds' thresholds. What tells pairs apart best is far too lax for a door. */
    readonly threshold: number
  }
  readonly points: readonly (OperatingPoint & { readonly wanted: number })[]
  /** [false accept rate, true accept rate]. */
  readonly roc: readonly (readonly [number, number])[]
}

/** False accept rates that are reported. */
const wantedRates = [1e-2, 1e-3]

/** @param folds pairs are dealt out in turn, same and different ones apart: every fold has its share of both. */
export function verification(pairs: readonly ScoredPair[], folds = 10): Verification {
  const scores: Scores = { genuine: of(pairs, true), impostor: of(pairs, false) }
  const fold = dealt(pairs, folds)
  const results = Array.from({ length: folds }, (_, held) => {
    const threshold = bestThreshold(pairs.filter((_, i) => fold[i] !== held))
    const judged = pairs.filter((_, i) => fold[i] === held)
    const right = judged.filter(({ similarity, same }) => similarity >= threshold === same).length
    return { threshold, accuracy: judged.length === 0 ? Number.NaN : right / judged.length }
  }).filter(({ accuracy }) => !Number.isNaN(accuracy))
  const accuracies = results.map(({ accuracy }) => accuracy)
  return {
    pairs: { same: scores.genuine.length, different: scores.impostor.length },
    accuracy: {
      mean: mean(accuracies),
      standardError: deviation(accuracies) / Math.sqrt(accuracies.length),
      folds: accuracies,
      threshold: mean(results.map(({ threshold }) => threshold)),
    },
    points: wantedRates.map((wanted) => ({ wanted, ...atFalseRate(scores, wanted) })),
    roc: curve(scores),
  }
}

/** The threshold that judges most pairs rightly, midway between two scores; of several as good, the middle one. */
export function bestThreshold(pairs: readonly ScoredPair[]): number {
  const sorted = [...pairs].sort((a, b) => b.similarity - a.similarity)
  let right = of(pairs, false).length
  let best = { right, from: 1, to: 1 }
  for (const [i, { similarity, same }] of sorted.entries()) {
    right += same ? 1 : -1
    const next = sorted[i + 1]?.similarity ?? -1
    // Equal scores are accepted together.
    if (next === similarity) continue
    const middle = (similarity + next) / 2
    if (right > best.right) best = { right, from: middle, to: middle }
    else if (right === best.right) best = { ...best, to: middle }
  }
  return (best.from + best.to) / 2
}

function of(pairs: readonly ScoredPair[], wanted: boolean): number[] {
  return pairs.filter(({ same }) => same === wanted).map(({ similarity }) => similarity)
}

function dealt(pairs: readonly ScoredPair[], folds: number): number[] {
  const next = [0, 0]
  return pairs.map(({ same }) => next[Number(same)]!++ % folds)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0
  const centre = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1))
}

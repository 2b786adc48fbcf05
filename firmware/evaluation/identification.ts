/** Who of the people enrolled is this, if any? Open set: most faces at a door belong to nobody who is enrolled. */
import { first } from '../domain/classifiers.js'
import { atFalseRate, atThreshold, curve, type OperatingPoint, type Scores } from './operating-points.js'

/** One picture compared with everybody enrolled. */
export interface Comparison {
  /** Whose picture: pictures of one subject are fused. */
  readonly subject: string
  /** Position of the subject among the people enrolled; undefined for a stranger. */
  readonly person: number | undefined
  /** A score per person enrolled, e.g. the cosine to his nearest template; null where no face was found. */
  readonly scores: Float32Array | null
}

export interface Result {
  readonly known: number
  readonly strangers: number
  /** At the threshold in use. */
  readonly shipped: OperatingPoint
  readonly points: readonly (OperatingPoint & { readonly wanted: number })[]
  /** People enrolled taken for another one at the threshold in use. */
  readonly mistaken: number
  /** [false-positive rate, true-positive rate]. */
  readonly curve: readonly (readonly [number, number])[]
}

/** False-positive identification rates that are reported. */
const wantedRates = [1e-2, 1e-3]

/**
 * True-positive identification: the right person comes first and reaches the threshold. False-positive: a stranger's best
 * reaches it, whoever that is. A picture without a face identifies nobody.
 */
export function identification(
  known: readonly Comparison[],
  strangers: readonly Comparison[],
  threshold: number,
): Result {
  const ranked = known.map(({ person, scores }) => ({ person, ...first(scores) }))
  const scores: Scores = {
    genuine: ranked.map(({ person, best, score }) => (best === person ? score : -1)),
    impostor: strangers.map((stranger) => first(stranger.scores).score),
  }
  return {
    known: known.length,
    strangers: strangers.length,
    shipped: atThreshold(scores, threshold),
    points: wantedRates.map((wanted) => ({ wanted, ...atFalseRate(scores, wanted) })),
    mistaken: ranked.filter(({ person, best, score }) => best !== person && score >= threshold).length,
    curve: curve(scores),
  }
}

/**
 * Each run of `size` pictures of one subject becomes one comparison: the mean of its scores, person by person. That is how
 * a track sums up its votes: a lucky picture of a stranger resembles one person, the next one another. Pictures without a
 * face are left out of the mean; subjects with fewer pictures are left out altogether.
 */
export function fused(comparisons: readonly Comparison[], size: number): Comparison[] {
  const subjects = new Map<string, Comparison[]>()
  for (const comparison of comparisons) {
    const list = subjects.get(comparison.subject)
    if (list) list.push(comparison)
    else subjects.set(comparison.subject, [comparison])
  }
  return [...subjects.values()].flatMap((pictures) =>
    Array.from({ length: Math.floor(pictures.length / size) }, (_, i) => {
      const { subject, person } = pictures[0]!
      return { subject, person, scores: meanScores(pictures.slice(i * size, (i + 1) * size)) }
    }),
  )
}

function meanScores(pictures: readonly Comparison[]): Float32Array | null {
  const seen = pictures.flatMap(({ scores }) => (scores === null ? [] : [scores]))
  const [some] = seen
  if (some === undefined) return null
  return some.map((_, person) => seen.reduce((sum, scores) => sum + scores[person]!, 0) / seen.length)
}

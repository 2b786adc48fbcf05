/**
 * Who goes with whom: the cheapest assignment of rows to columns, with it of detections to predicted faces, and of
 * embeddings to remembered ones.
 */
import { cosine, iou, separation } from './geometry.js'
import type { Motion, MotionOptions } from './kalman.js'
import { boxOf, strangeness, strangenessLimit } from './kalman.js'
import type { Face } from './types.js'

/**
 * `cost[row][column]`, rectangular; Infinity (or NaN) forbids the pair. Returns each row's column, -1 for none.
 *
 * `skip` is what leaving a row alone costs. The default, Infinity, assigns as many rows as can be and only then minds the
 * cost. With a finite `skip` a row would rather go alone than pay more, or make others pay more, than `skip`: so a good
 * pair is not broken up to give two bad ones. Among equally cheap answers the choice depends on the input alone.
 *
 * Shortest augmenting paths over reduced costs, O(rows² · (rows + columns)). Source: R. Jonker, A. Volgenant, "A shortest
 * augmenting path algorithm for dense and sparse linear assignment problems", Computing 38, 1987.
 */
export function assign(cost: readonly (readonly number[])[], skip = Number.POSITIVE_INFINITY): number[] {
  const rows = cost.length
  const columns = cost[0]?.length ?? 0
  if (cost.some((row) => row.length !== columns)) throw new RangeError('assign: the cost matrix has ragged rows')
  if (rows === 0) return []

  const alone = Math.min(skip, costlierThanAnyPairing(cost))
  // Column `columns + row` is the row's private way out; no other row may take it.
  const width = columns + rows
  const price = (row: number, column: number): number => {
    if (column >= columns) return column - columns === row ? alone : Number.POSITIVE_INFINITY
    const value = cost[row]![column]!
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value
  }

  const rowPotential = new Float64Array(rows)
  const columnPotential = new Float64Array(width)
  const owner = new Int32Array(width).fill(-1)
  for (let start = 0; start < rows; start++) {
    const distance = new Float64Array(width).fill(Number.POSITIVE_INFINITY)
    const before = new Int32Array(width).fill(-1)
    const done = new Uint8Array(width)
    let row = start
    let from = -1
    let reached = 0
    for (;;) {
      let next = -1
      for (let column = 0; column < width; column++) {
        if (done[column] === 1) continue
        const through = reached + price(row, column) - rowPotential[row]! - columnPotential[column]!
        if (through < distance[column]!) {
          distance[column] = through
          before[column] = from
        }
        if (next < 0 || distance[column]! < distance[next]!) next = column
      }
      reached = distance[next]!
      done[next] = 1
      from = next
      if (owner[next]! < 0) break
      row = owner[next]!
    }
    // The potentials move by how much earlier than the end each column was reached (Jonker and Volgenant's update).
    rowPotential[start]! += reached
    for (let column = 0; column < width; column++) {
      if (done[column] !== 1 || column === from) continue
      const slack = reached - distance[column]!
      columnPotential[column]! -= slack
      rowPotential[owner[column]!]! += slack
    }
    for (let column = from; column >= 0; ) {
      const previous = before[column]!
      owner[column] = previous < 0 ? start : owner[previous]!
      column = previous
    }
  }

  const result = new Array<number>(rows).fill(-1)
  for (let column = 0; column < columns; column++) if (owner[column]! >= 0) result[owner[column]!] = column
  return result
}

/** So much that no saving elsewhere pays for one row more left alone. */
function costlierThanAnyPairing(cost: readonly (readonly number[])[]): number {
  let largest = 0
  for (const row of cost)
    for (const value of row) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value))
  return 2 * largest * (cost.length + 1) + 1
}

/** How sure a pairing is: no rival near, a rival near enough to be mistaken for it, or no overlap with the prediction. */
export type Tie = 'clear' | 'contested' | 'jumped'

export interface Pairing {
  readonly face: Face
  readonly tie: Tie
}

export interface PairingOptions extends MotionOptions {
  /** Overlap with the predicted box from which a detection may continue it. */
  readonly minIou: number
  /** Distance in face sizes over which a detection without overlap may still continue a prediction. */
  readonly maxJump: number
}

/** Overlap with a rival, as a part of `minIou`, from which a pairing counts as contested. */
const contestedPart = 0.5

/**
 * Which detection continues which predicted motion: index of the motion to its detection. Overlap decides; what it leaves
 * over on both sides is paired across a jump only where the motion allows it and nothing else fits.
 */
export function pair(
  motions: readonly Motion[],
  faces: readonly Face[],
  options: PairingOptions,
): Map<number, Pairing> {
  const { minIou, maxJump } = options
  const boxes = motions.map(boxOf)
  const overlap = boxes.map((box) => faces.map((face) => iou(box, face.box)))
  const chosen = assign(
    overlap.map((row) => row.map((value) => (value >= minIou && value > 0 ? 1 - value : Number.POSITIVE_INFINITY))),
    1 - minIou,
  )
  const result = new Map<number, Pairing>()
  const near = minIou * contestedPart
  for (const [i, j] of chosen.entries()) {
    if (j < 0) continue
    const rival = overlap.some((row, k) => k !== i && row[j]! > near) || overlap[i]!.some((v, k) => k !== j && v > near)
    result.set(i, { face: faces[j]!, tie: rival ? 'contested' : 'clear' })
  }

  const taken = new Set(chosen)
  const free = faces.filter((_, j) => !taken.has(j))
  const reach = motions.map((motion, i) =>
    result.has(i)
      ? []
      : free.filter(
          (face) =>
            separation(boxes[i]!, face.box) <= maxJump && strangeness(motion, face.box, options) <= strangenessLimit,
        ),
  )
  for (const [i, candidates] of reach.entries()) {
    const face = candidates[0]
    if (face === undefined || candidates.length > 1) continue
    if (reach.some((others, k) => k !== i && others.includes(face))) continue
    result.set(i, { face, tie: 'jumped' })
  }
  return result
}

/** Sum of the embeddings that a track was verified with; newer ones outweigh older ones once `weight` is full. */
export interface Memory {
  readonly sum: Float32Array
  readonly weight: number
  readonly samples: number
}

/** Cosines that decide whose an embedding is. */
export interface Likeness {
  /** Below it the embedding is another face's than the memory. */
  readonly different: number
  /** From it on it is the same face's, */
  readonly same: number
  /** if it leads the next similar memory by this. */
  readonly lead: number
}

/** Samples' worth of weight that a memory holds. */
const memoryWeight = 10

/** The memory with one more L2-normalised embedding in it. */
export function learn(memory: Memory | undefined, embedding: Float32Array, { different }: Likeness): Memory {
  if (memory === undefined) return { sum: embedding.slice(), weight: 1, samples: 1 }
  // A picture just short of a contradiction teaches next to nothing, or a look-alike would soon own the memory.
  const share = Math.max(0, (cosine(memory.sum, embedding) - different) / (1 - different))
  const keep = Math.min(1, (memoryWeight - share) / memory.weight)
  const sum = embedding.map((value, i) => value * share + memory.sum[i]! * keep)
  return { sum, weight: memory.weight * keep + share, samples: memory.samples + 1 }
}

/** The one whose memory the embedding fits, clearly better than anybody else's. */
export function lookAlike<T extends { readonly memory: Memory | undefined }>(
  embedding: Float32Array,
  candidates: readonly T[],
  { same, lead }: Likeness,
): T | undefined {
  let best: T | undefined
  let first = -1
  let second = -1
  for (const candidate of candidates) {
    if (candidate.memory === undefined) continue
    const similarity = cosine(candidate.memory.sum, embedding)
    if (similarity > first) {
      second = first
      first = similarity
      best = candidate
    } else second = Math.max(second, similarity)
  }
  return first >= same && first - second >= lead ? best : undefined
}

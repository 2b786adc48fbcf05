/** Boxes, landmarks and embeddings as plain geometry. Lengths are pixels of the frame. */
import type { Box, Face, Landmarks } from './types.js'

export interface Point {
  readonly x: number
  readonly y: number
}

/** Square pixels; 0 for a box turned inside out. */
export function area(box: Box): number {
  return Math.max(0, box.width) * Math.max(0, box.height)
}

export function centre(box: Box): Point {
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
}

/** Side of the square with the box's area, pixels: the face size that motion and distances are measured in. */
export function size(box: Box): number {
  return Math.sqrt(area(box))
}

/** Square pixels that both boxes cover. */
export function intersection(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  return width > 0 && height > 0 ? width * height : 0
}

/** Intersection over union, in [0, 1]. */
export function iou(a: Box, b: Box): number {
  const shared = intersection(a, b)
  return shared === 0 ? 0 : shared / (area(a) + area(b) - shared)
}

/** Distance of the centres in units of the larger face's size. */
export function separation(a: Box, b: Box): number {
  const from = centre(a)
  const to = centre(b)
  return Math.hypot(to.x - from.x, to.y - from.y) / Math.max(size(a), size(b))
}

/** How many times larger the larger box's side is, at least 1. */
export function sizeRatio(a: Box, b: Box): number {
  const ratio = size(a) / size(b)
  return ratio < 1 ? 1 / ratio : ratio
}

/** A box that arithmetic can trust: finite, with an area. */
export function isSound(box: Box): boolean {
  return Number.isFinite(box.x + box.y + box.width + box.height) && box.width > 0 && box.height > 0
}

/** The five points in the order of `Landmarks`, or undefined when they are not ten finite numbers. */
export function points(landmarks: Landmarks): readonly [Point, Point, Point, Point, Point] | undefined {
  if (landmarks.length !== 10 || !landmarks.every(Number.isFinite)) return undefined
  const point = (i: number): Point => ({ x: landmarks[2 * i]!, y: landmarks[2 * i + 1]! })
  return [point(0), point(1), point(2), point(3), point(4)]
}

export function midpoint(a: Point, b: Point): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }
}

/** Mean distance of corresponding landmarks, pixels; Infinity when either face has none. */
export function landmarkDistance(a: Landmarks, b: Landmarks): number {
  const from = points(a)
  const to = points(b)
  if (from === undefined || to === undefined) return Number.POSITIVE_INFINITY
  let sum = 0
  for (let i = 0; i < from.length; i++) sum += Math.hypot(from[i]!.x - to[i]!.x, from[i]!.y - to[i]!.y)
  return sum / from.length
}

/** Landmarks closer than this, in sizes of the larger box, belong to one face however different its boxes are. */
const sameLandmarks = 0.1

/**
 * One detection per face: the best-scored of each group whose boxes overlap by `duplicateIou` or whose landmarks
 * coincide. Unsound boxes are left out. The order of the input is kept.
 */
export function distinct(faces: readonly Face[], duplicateIou: number): Face[] {
  const byScore = faces.filter((face) => isSound(face.box)).sort((a, b) => b.score - a.score)
  const kept: Face[] = []
  for (const face of byScore) {
    const double = kept.some(
      (other) =>
        iou(face.box, other.box) >= duplicateIou ||
        // Only boxes that touch can be one face; the cheap test spares crowds the landmark arithmetic.
        (intersection(face.box, other.box) > 0 &&
          landmarkDistance(face.landmarks, other.landmarks) <
            sameLandmarks * Math.max(size(face.box), size(other.box))),
    )
    if (!double) kept.push(face)
  }
  const chosen = new Set(kept)
  return faces.filter((face) => chosen.has(face))
}

/** Cosine of the angle between two embeddings, in [-1, 1]; 0 when either has no length. They need not be normalised. */
export function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length)
    throw new RangeError(`cosine: embeddings of ${a.length} and ${b.length} numbers cannot be compared`)
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    aa += a[i]! * a[i]!
    bb += b[i]! * b[i]!
  }
  return aa > 0 && bb > 0 ? Math.max(-1, Math.min(1, dot / Math.sqrt(aa * bb))) : 0
}

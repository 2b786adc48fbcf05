/** Boxes of a cascade: what regression, squaring and non-maximum suppression make of them. */

export interface Candidate {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly score: number
  /** Where its four sides belong, in shares of the box. */
  readonly shift: readonly number[]
  /** x and y of five points, pixels; empty before O-Net. */
  readonly landmarks: readonly number[]
}

export function regress(box: Candidate): Candidate {
  const [left, top, right, bottom] = box.shift as [number, number, number, number]
  const x = box.x + left * box.width
  const y = box.y + top * box.height
  return { ...box, x, y, width: box.x + (1 + right) * box.width - x, height: box.y + (1 + bottom) * box.height - y }
}

export function square(box: Candidate): Candidate {
  const side = Math.max(box.width, box.height)
  return {
    ...box,
    x: box.x + (box.width - side) / 2,
    y: box.y + (box.height - side) / 2,
    width: side,
    height: side,
  }
}

/** Non-maximum suppression, best first: shared area over the union, or over the smaller box. */
export function boxesLeft(boxes: readonly Candidate[], limit: number, over: 'union' | 'smaller'): Candidate[] {
  const kept: Candidate[] = []
  for (const box of [...boxes].sort((a, b) => b.score - a.score))
    if (kept.every((other) => overlap(box, other, over) <= limit)) kept.push(box)
  return kept
}

function overlap(a: Candidate, b: Candidate, over: 'union' | 'smaller'): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  if (width <= 0 || height <= 0) return 0
  const [areaA, areaB] = [a.width * a.height, b.width * b.height]
  const shared = width * height
  return shared / (over === 'union' ? areaA + areaB - shared : Math.min(areaA, areaB))
}

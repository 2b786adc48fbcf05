/**
 * Does a face move as a plane? A picture that is tilted narrows or flattens as a whole, and the nose keeps its place between
 * eyes and mouth; on a head that turns the nose, which stands out of it, leaves that place long before anything narrows.
 * Five points with a detector's noise show that for wide tilts only: what is not flat here is not thereby alive.
 */
import { midpoint, points } from './geometry.js'
import type { Landmarks } from './types.js'

/** Least standard deviation of the proportions (log of eye distance over eyes to mouth) that is a tilt and not noise. */
const tilted = 0.05
/** On a plane the nose moves by less than this part of it; on a head by several times as much. */
const parallaxPart = 0.5

/** `window`: one face's landmarks in some frames. */
export function movesAsPlane(window: readonly Landmarks[]): boolean {
  const shapes = window.flatMap((landmarks) => shapeOf(landmarks) ?? [])
  if (shapes.length < 5) return false
  const spread = (of: keyof (typeof shapes)[number]) => deviation(shapes.map((shape) => shape[of]))
  const change = spread('proportions')
  return change >= tilted && Math.max(spread('across'), spread('down')) < parallaxPart * change
}

/**
 * Proportions, and the nose's place in the oblique coordinates of eyes and mouth, which no tilt of a distant plane changes
 * (affine invariants: Koenderink and van Doorn, J. Opt. Soc. Am. A 8, 1991).
 */
function shapeOf(landmarks: Landmarks) {
  const marks = points(landmarks)
  if (marks === undefined) return undefined
  const [left, right, nose, mouthLeft, mouthRight] = marks
  const eyes = midpoint(left, right)
  const mouth = midpoint(mouthLeft, mouthRight)
  const [ax, ay] = [right.x - left.x, right.y - left.y]
  const [dx, dy] = [mouth.x - eyes.x, mouth.y - eyes.y]
  const [nx, ny] = [nose.x - eyes.x, nose.y - eyes.y]
  const area = ax * dy - ay * dx
  if (!(area > 0)) return undefined
  return {
    proportions: Math.log(Math.hypot(ax, ay) / Math.hypot(dx, dy)),
    across: (nx * dy - ny * dx) / area,
    down: (ax * ny - ay * nx) / area,
  }
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}

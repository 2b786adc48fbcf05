/**
 * How good a probe a detected face is, from what its box and landmarks tell, and once it was aligned, from its pixels.
 *
 * Quality is a product of named factors in [0, 1], so that one bad property cannot be bought off by the others.
 */
import { area, intersection, midpoint, points } from './geometry.js'
import type { Face } from './types.js'

/** Pixels. */
export interface FrameSize {
  readonly width: number
  readonly height: number
}

/** Each in [0, 1], 1 meaning nothing to complain about. */
export interface QualityFactors {
  /** Enough pixels between the eyes. */
  readonly size: number
  /** Looking into the camera; roll does not count, alignment takes it away. */
  readonly pose: number
  /** Wholly inside the frame. */
  readonly truncation: number
  /** The detector's own confidence. */
  readonly score: number
}

/** What the pixels of an aligned face measure, between brows and mouth; the recognizer takes it with each embedding. */
export interface Clarity {
  /** Variance of the Laplacian over the variance of the brightness. */
  readonly sharpness: number
  /** Standard deviation of the brightness, in [0, 0.5]. */
  readonly contrast: number
  /** Mean brightness, in [0, 1]. */
  readonly brightness: number
  /** Share of pixels as good as black or white, in [0, 1]. */
  readonly clipped: number
}

/** Each in [0, 1], 1 meaning nothing to complain about. */
export interface ClarityFactors {
  /** Neither out of focus nor moved. */
  readonly sharpness: number
  /** Neither in the dark nor washed out. */
  readonly exposure: number
}

/** Eye distance, pixels: from here on, a 112 pixel embedder input gains nothing from more; below `least` it is guesswork. */
const enough = 30
const least = 6

/**
 * Proportions of a frontal face, from the five-point template that the embedders are trained on (ArcFace, Deng et al.,
 * CVPR 2019, its published alignment points): eyes to mouth is 1.155 eye distances, the nose tip lies halfway down.
 */
const eyesToMouth = 1.155
const noseDown = 0.495

/**
 * The nose tip stands about 0.55 eye distances out of the face, so turning by an angle shifts it by 0.55·tan of it: these
 * widths make 20 degrees cost about a fifth, 30 degrees about two fifths, 45 degrees nearly everything.
 */
const yawWidth = 0.45
const pitchWidth = 0.35

/** Of the box's area: with less inside the frame there is no telling who it is. */
const leastVisible = 0.5

/** Sharpness: under the first there is nothing to recognise, from the second on more gains nothing. */
const blurred = 0.01
const sharp = 0.08
/** Contrast: a face in fog or in full shade; a face lit well enough to be modelled by the light. */
const flat = 0.02
const modelled = 0.08
/** Brightness and clipped pixels. */
const darkest = 0.05
const brightest = 0.97
const enoughLight = 0.12
const fewClipped = 0.1
const mostClipped = 0.7

/** The factors, in the order in which they are worth showing. */
export function qualityFactors(face: Face, frame: FrameSize): QualityFactors {
  return {
    size: sizeFactor(face),
    pose: poseFactor(face),
    truncation: truncationFactor(face, frame),
    score: unit(face.score),
  }
}

export function clarityFactors({ sharpness, contrast, brightness, clipped }: Clarity): ClarityFactors {
  return {
    sharpness: ramp(sharpness, blurred, sharp),
    exposure:
      ramp(contrast, flat, modelled) *
      ramp(Math.min(brightness - darkest, brightest - brightness), 0, enoughLight) *
      ramp(mostClipped - clipped, 0, mostClipped - fewClipped),
  }
}

/** Product of any set of factors, in [0, 1]; a factor that is not a number counts as 0. */
export function combine(factors: Readonly<Record<string, number>>): number {
  return Object.values(factors).reduce((product, factor) => product * unit(factor), 1)
}

/**
 * How good a probe this face is, in [0, 1]: the product of its factors. 0 without sound landmarks. Without `clarity`, as
 * before a face is embedded, its pixels are taken to be all right.
 */
export function quality(face: Face, frame: FrameSize, clarity?: Clarity): number {
  return combine({ ...qualityFactors(face, frame), ...(clarity && clarityFactors(clarity)) })
}

function sizeFactor(face: Face): number {
  const marks = points(face.landmarks)
  if (marks === undefined) return 0
  const [left, right, , mouthLeft, mouthRight] = marks
  const eyes = midpoint(left, right)
  const mouth = midpoint(mouthLeft, mouthRight)
  // Turning narrows the eyes' distance, nodding the eyes' to the mouth: the larger tells the size, pose the rest.
  const distance = Math.max(
    Math.hypot(right.x - left.x, right.y - left.y),
    Math.hypot(mouth.x - eyes.x, mouth.y - eyes.y) / eyesToMouth,
  )
  return unit((distance - least) / (enough - least))
}

function poseFactor(face: Face): number {
  const marks = points(face.landmarks)
  if (marks === undefined) return 0
  const [left, right, nose, mouthLeft, mouthRight] = marks
  const eyes = midpoint(left, right)
  const mouth = midpoint(mouthLeft, mouthRight)
  const down = { x: mouth.x - eyes.x, y: mouth.y - eyes.y }
  const across = { x: right.x - left.x, y: right.y - left.y }
  const height = Math.hypot(down.x, down.y)
  const width = Math.hypot(across.x, across.y)
  // A mouth that is not below the eyes as the face itself counts left and right is no face.
  if (height === 0 || width === 0 || across.x * down.y - across.y * down.x <= 0) return 0

  const tip = { x: nose.x - eyes.x, y: nose.y - eyes.y }
  const yaw = (tip.x * down.y - tip.y * down.x) / (height * width)
  const pitch = (tip.x * down.x + tip.y * down.y) / (height * height) - noseDown
  return bell(yaw / yawWidth) * bell(pitch / pitchWidth)
}

function truncationFactor(face: Face, frame: FrameSize): number {
  const marks = points(face.landmarks)
  const inside = marks?.every(({ x, y }) => x >= 0 && y >= 0 && x < frame.width && y < frame.height)
  const whole = area(face.box)
  if (inside !== true || whole === 0) return 0
  const visible = intersection(face.box, { x: 0, y: 0, width: frame.width, height: frame.height }) / whole
  return unit((visible - leastVisible) / (1 - leastVisible))
}

function ramp(value: number, none: number, all: number): number {
  return unit((value - none) / (all - none))
}

function bell(x: number): number {
  return Math.exp(-(x ** 2))
}

function unit(x: number): number {
  return x > 0 ? Math.min(1, x) : 0
}

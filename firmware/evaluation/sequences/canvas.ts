/** A frame being painted: background, heads that move while the shutter is open, things in front, sensor noise. */
import { between, normal, type Random, seeded } from './random.js'
import { levelFor, reach, type Sprite } from './sprite.js'

/** Where a face is. Lengths in pixels, angles in radians. */
export interface Pose {
  /** Middle of the face. */
  readonly x: number
  readonly y: number
  readonly side: number
  /** Turned in the picture's plane. */
  readonly roll: number
  /** Turned away: the picture of a head is narrowed by its cosine. */
  readonly yaw: number
}

export interface Canvas {
  readonly width: number
  readonly height: number
  /** RGB, rows packed. */
  readonly pixels: Uint8Array
}

export type Colour = readonly [red: number, green: number, blue: number]

/** Walls, furniture and uneven light: edges and gradients to be mistaken for faces, and none. */
export function paintBackground(seed: number, width: number, height: number): Uint8Array {
  const random = seeded(seed)
  const pixels = new Uint8ClampedArray(width * height * 3)
  const colour = (): Colour => {
    const level = between(random, 50, 205)
    return [level + between(random, -30, 30), level + between(random, -30, 30), level + between(random, -30, 30)]
  }
  const wall = colour()
  for (let i = 0; i < pixels.length; i++) pixels[i] = wall[i % 3]!
  for (let n = 0; n < 14; n++) {
    const [w, h] = [between(random, 0.04, 0.35) * width, between(random, 0.05, 0.7) * height]
    const [x, y] = [between(random, -0.1, 1) * width, between(random, -0.1, 1) * height]
    const paint = colour()
    for (let row = Math.max(0, Math.floor(y)); row < Math.min(height, y + h); row++)
      for (let column = Math.max(0, Math.floor(x)); column < Math.min(width, x + w); column++)
        for (let c = 0; c < 3; c++) pixels[3 * (row * width + column) + c] = paint[c]!
  }
  for (const [cell, depth] of [
    [90, 35],
    [17, 14],
  ] as const)
    shade(pixels, width, height, cell, depth, random)
  return new Uint8Array(pixels.buffer)
}

/** Value noise: random levels on a grid of `cell` pixels, interpolated between. */
function shade(pixels: Uint8ClampedArray, width: number, height: number, cell: number, depth: number, random: Random) {
  const columns = Math.ceil(width / cell) + 2
  const grid = Float32Array.from({ length: columns * (Math.ceil(height / cell) + 2) }, () => depth * (2 * random() - 1))
  for (let row = 0, at = 0; row < height; row++) {
    const [j, dy] = [Math.floor(row / cell), (row % cell) / cell]
    for (let column = 0; column < width; column++, at += 3) {
      const [i, dx] = [Math.floor(column / cell), (column % cell) / cell]
      const corner = j * columns + i
      const upper = grid[corner]! * (1 - dx) + grid[corner + 1]! * dx
      const lower = grid[corner + columns]! * (1 - dx) + grid[corner + columns + 1]! * dx
      const level = upper * (1 - dy) + lower * dy
      pixels[at]! += level
      pixels[at + 1]! += level
      pixels[at + 2]! += level
    }
  }
}

/** Premultiplied colours and coverage of a part of the frame, for blurring before it is laid over. */
interface Patch {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
  readonly values: Float32Array
}

/**
 * Draws a head as the shutter saw it: the mean of its poses while it was open, out of focus by `blur` pixels. Motion and focus
 * smear the head and its outline, and leave the background sharp.
 */
export function drawHead(canvas: Canvas, sprite: Sprite, poses: readonly Pose[], blur: number): void {
  const patch = patchFor(canvas, poses, Math.ceil(2 * blur) + 1)
  if (patch === undefined) return
  for (const pose of poses) expose(patch, sprite, pose, 1 / poses.length)
  const radius = Math.round(blur)
  // Two box filters in a row are nearly the disc of a lens, and cost the same at any width.
  if (radius > 0) for (let pass = 0; pass < 2; pass++) soften(patch, radius)
  layOver(canvas, patch)
}

/** One patch is laid over before the next is begun: they share their memory. */
let scratch = new Float32Array(0)

function patchFor({ width, height }: Canvas, poses: readonly Pose[], margin: number): Patch | undefined {
  const bounds = poses.map(boundsOf)
  const left = Math.max(-margin, Math.floor(Math.min(...bounds.map((one) => one.left)) - margin))
  const top = Math.max(-margin, Math.floor(Math.min(...bounds.map((one) => one.top)) - margin))
  const right = Math.min(width + margin, Math.ceil(Math.max(...bounds.map((one) => one.right)) + margin))
  const bottom = Math.min(height + margin, Math.ceil(Math.max(...bounds.map((one) => one.bottom)) + margin))
  const [w, h] = [right - left, bottom - top]
  if (w <= 0 || h <= 0) return undefined
  const needed = w * h * 4
  if (scratch.length < needed) scratch = new Float32Array(needed)
  scratch.fill(0, 0, needed)
  return { left, top, width: w, height: h, values: scratch }
}

function boundsOf({ x, y, side, roll }: Pose) {
  const [cos, sin] = [Math.abs(Math.cos(roll)), Math.abs(Math.sin(roll))]
  const across = side * (reach.x * cos + reach.y * sin)
  const down = side * (reach.y * cos + reach.x * sin)
  return { left: x - across, right: x + across, top: y - down, bottom: y + down }
}

function expose(patch: Patch, sprite: Sprite, pose: Pose, share: number): void {
  const { x, y, side, roll, yaw } = pose
  const { rgba, width, height, scale } = levelFor(sprite, side / sprite.side)
  const step = (sprite.side / side) * scale
  const [cos, sin, narrowed] = [step * Math.cos(roll), step * Math.sin(roll), Math.cos(yaw)]
  const [originX, originY] = [sprite.x * scale - 0.5, sprite.y * scale - 0.5]
  const bounds = boundsOf(pose)
  const first = Math.max(0, Math.floor(bounds.top) - patch.top)
  const last = Math.min(patch.height, Math.ceil(bounds.bottom) - patch.top)
  const from = Math.max(0, Math.floor(bounds.left) - patch.left)
  const to = Math.min(patch.width, Math.ceil(bounds.right) - patch.left)
  const { values } = patch
  for (let row = first; row < last; row++) {
    const dy = row + patch.top + 0.5 - y
    for (let column = from; column < to; column++) {
      const dx = column + patch.left + 0.5 - x
      const u = originX + (cos * dx + sin * dy) / narrowed
      const v = originY + cos * dy - sin * dx
      const i = Math.floor(u)
      const j = Math.floor(v)
      if (i < 0 || j < 0 || i >= width - 1 || j >= height - 1) continue
      const at = 4 * (j * width + i)
      const below = at + 4 * width
      if ((rgba[at + 3]! | rgba[at + 7]! | rgba[below + 3]! | rgba[below + 7]!) === 0) continue
      const fx = u - i
      const fy = v - j
      const a = (1 - fx) * (1 - fy)
      const b = fx * (1 - fy)
      const c = (1 - fx) * fy
      const d = fx * fy
      const alpha = rgba[at + 3]! * a + rgba[at + 7]! * b + rgba[below + 3]! * c + rgba[below + 7]! * d
      const weight = (share * alpha) / 255
      const into = 4 * (row * patch.width + column)
      values[into]! += weight * (rgba[at]! * a + rgba[at + 4]! * b + rgba[below]! * c + rgba[below + 4]! * d)
      values[into + 1]! +=
        weight * (rgba[at + 1]! * a + rgba[at + 5]! * b + rgba[below + 1]! * c + rgba[below + 5]! * d)
      values[into + 2]! +=
        weight * (rgba[at + 2]! * a + rgba[at + 6]! * b + rgba[below + 2]! * c + rgba[below + 6]! * d)
      values[into + 3]! += weight
    }
  }
}

/** Means over 2 * radius + 1 pixels, along rows and then along columns; outside the patch there is nothing. */
function soften({ width, height, values }: Patch, radius: number): void {
  const line = new Float32Array(Math.max(width, height))
  const share = 1 / (2 * radius + 1)
  const along = (start: number, stride: number, length: number) => {
    for (let c = 0; c < 4; c++) {
      let sum = 0
      for (let i = 0; i < radius && i < length; i++) sum += values[start + i * stride + c]!
      for (let i = 0; i < length; i++) {
        if (i + radius < length) sum += values[start + (i + radius) * stride + c]!
        line[i] = sum * share
        if (i >= radius) sum -= values[start + (i - radius) * stride + c]!
      }
      for (let i = 0; i < length; i++) values[start + i * stride + c] = line[i]!
    }
  }
  for (let row = 0; row < height; row++) along(4 * row * width, 4, width)
  for (let column = 0; column < width; column++) along(4 * column, 4 * width, height)
}

function layOver({ pixels, width, height }: Canvas, patch: Patch): void {
  const { values } = patch
  for (let row = Math.max(0, -patch.top); row < Math.min(patch.height, height - patch.top); row++)
    for (let column = Math.max(0, -patch.left); column < Math.min(patch.width, width - patch.left); column++) {
      const from = 4 * (row * patch.width + column)
      const rest = 1 - values[from + 3]!
      if (rest === 1) continue
      const to = 3 * ((row + patch.top) * width + column + patch.left)
      pixels[to] = values[from]! + rest * pixels[to]! + 0.5
      pixels[to + 1] = values[from + 1]! + rest * pixels[to + 1]! + 0.5
      pixels[to + 2] = values[from + 2]! + rest * pixels[to + 2]! + 0.5
    }
}

/** Something flat in front of everything: paints where `inside` says so. */
export function drawShape(canvas: Canvas, colour: Colour, inside: (x: number, y: number) => boolean): void {
  const { width, height, pixels } = canvas
  for (let row = 0, at = 0; row < height; row++)
    for (let column = 0; column < width; column++, at += 3) {
      if (!inside(column + 0.5, row + 0.5)) continue
      for (let c = 0; c < 3; c++) pixels[at + c] = colour[c]!
    }
}

const tile = 1 << 16
let normals: Float32Array | undefined

/** What lens and sensor do to a finished frame: brighter or darker by `gain`, clipped, and noisy by `grain` levels. */
export function makeSensor(random: Random, grain: number) {
  // One draw for all sensors: where in it a frame starts is what differs.
  const fixed = seeded(1)
  normals ??= Float32Array.from({ length: tile }, () => normal(fixed))
  const noise = Int8Array.from(normals, (value) => Math.round(grain * value))
  const levels = new Uint8ClampedArray(256)
  return ({ pixels }: Canvas, gain: number): void => {
    const clamped = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length)
    for (let level = 0; level < 256; level++) levels[level] = level * gain
    const offset = Math.floor(random() * tile)
    for (let i = 0; i < clamped.length; i++) clamped[i] = levels[pixels[i]!]! + noise[(i + offset) & (tile - 1)]!
  }
}

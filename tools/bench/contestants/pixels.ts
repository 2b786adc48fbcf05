/** From pixels to the nets' planes, (value - 127.5) / 128. */
import type { RawFrame } from '../frames.js'

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Packed RGB to three planes. */
export function planes(rgb: Uint8Array, width: number, height: number): Float32Array {
  const area = width * height
  const out = new Float32Array(3 * area)
  for (let i = 0; i < area; i++)
    for (let channel = 0; channel < 3; channel++) out[channel * area + i] = (rgb[3 * i + channel]! - 127.5) / 128
  return out
}

/** A box of the picture as planes of `side` by `side`; grey (0) outside the picture. */
export function crop(frame: RawFrame, box: Box, side: number, out: Float32Array): void {
  const a = box.width / side
  const d = box.height / side
  sample(frame, side, side, out, (u, v) => [box.x + (u + 0.5) * a - 0.5, box.y + (v + 0.5) * d - 0.5])
}

/** The face under these landmarks, turned and scaled so that they lie where `template` has them. */
export function align(
  frame: RawFrame,
  landmarks: readonly number[],
  template: readonly number[],
  width: number,
  height: number,
): Float32Array {
  const { a, b, x, y } = similarity(template, landmarks)
  const out = new Float32Array(3 * width * height)
  sample(frame, width, height, out, (u, v) => [a * u - b * v + x, b * u + a * v + y])
  return out
}

/** Least squares of the turn, scale and shift that take the points `from` to the points `to`. */
function similarity(from: readonly number[], to: readonly number[]) {
  const count = from.length / 2
  const mean = (points: readonly number[], axis: number) =>
    points.reduce((sum, value, i) => (i % 2 === axis ? sum + value : sum), 0) / count
  const [fx, fy, tx, ty] = [mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1)]
  let [dot, cross, norm] = [0, 0, 0]
  for (let i = 0; i < from.length; i += 2) {
    const [px, py, qx, qy] = [from[i]! - fx, from[i + 1]! - fy, to[i]! - tx, to[i + 1]! - ty]
    dot += px * qx + py * qy
    cross += px * qy - py * qx
    norm += px * px + py * py
  }
  const [a, b] = [dot / norm, cross / norm]
  return { a, b, x: tx - a * fx + b * fy, y: ty - b * fx - a * fy }
}

/** Bilinear, from wherever `place` says each pixel comes from. */
function sample(
  { rgb, width, height }: RawFrame,
  outWidth: number,
  outHeight: number,
  out: Float32Array,
  place: (u: number, v: number) => [number, number],
): void {
  const area = outWidth * outHeight
  for (let v = 0; v < outHeight; v++)
    for (let u = 0; u < outWidth; u++) {
      const [x, y] = place(u, v)
      const [left, top] = [Math.floor(x), Math.floor(y)]
      const to = v * outWidth + u
      if (left < 0 || top < 0 || left + 1 >= width || top + 1 >= height) continue
      const [fx, fy] = [x - left, y - top]
      const at = 3 * (top * width + left)
      for (let channel = 0; channel < 3; channel++) {
        const upper = rgb[at + channel]! * (1 - fx) + rgb[at + channel + 3]! * fx
        const below = at + channel + 3 * width
        const lower = rgb[below]! * (1 - fx) + rgb[below + 3]! * fx
        out[channel * area + to] = (upper * (1 - fy) + lower * fy - 127.5) / 128
      }
    }
}

/**
 * Pictures of pictures, rendered: a still printed on paper, shown on a screen, or cut out and held before somebody's own
 * head. Seeded, so that the same stills give the same attacks. They are cheap to make and miss most of what makes real
 * attacks good: figures measured with them compare versions, and certify nothing.
 */
import { type Random, seeded } from './random.js'

/** RGB, 8 bits a channel, rows packed. */
export interface Raster {
  readonly rgb: Uint8Array
  readonly width: number
  readonly height: number
}

export const attackKinds = ['print', 'screen', 'cutout'] as const
export type AttackKind = (typeof attackKinds)[number]

const frame = { width: 640, height: 480 }

type Colour = readonly [number, number, number]

/**
 * `count` frames of 640 x 480 of one attack: the picture is held by a hand, so it drifts, tilts and turns a little, as the
 * plane that it is. `room`: another still, which stands behind it, out of focus.
 */
export function attack(kind: AttackKind, still: Raster, room: Raster, seed: number, count: number): Raster[] {
  const random = seeded(seed)
  const between = (low: number, high: number) => low + (high - low) * random()
  const pace = { x: between(0.05, 0.3), y: between(0.05, 0.3), tilt: between(0.1, 0.4), turn: between(0.1, 0.4) }
  const phase = { x: between(0, 6), y: between(0, 6), tilt: between(0, 6), turn: between(0, 6) }
  const most = { tilt: between(0.05, 0.5), turn: between(0.05, 0.5) }
  const side = between(300, 440)
  const medium = mediumOf(kind, between)
  const grain = seeded(seed + 1)
  return Array.from({ length: count }, (_, i) => {
    const sway = (name: keyof typeof pace) => Math.sin(phase[name] + pace[name] * i)
    const pose: Pose = {
      x: frame.width / 2 + 25 * sway('x'),
      y: frame.height / 2 + 15 * sway('y'),
      side: side * (1 + 0.04 * sway('turn')),
      tilt: most.tilt * sway('tilt'),
      turn: most.turn * sway('turn'),
    }
    return render(still, room, pose, medium, grain)
  })
}

interface Pose {
  /** Middle of the picture, and its side when seen straight on, pixels. */
  readonly x: number
  readonly y: number
  readonly side: number
  /** Radians about the upright and about the level axis. */
  readonly tilt: number
  readonly turn: number
}

interface Medium {
  /** Width of what is round the picture, as a share of it, and its colour. */
  readonly border: number
  readonly frameColour: Colour
  readonly contrast: number
  readonly black: number
  readonly tint: Colour
  /** Of the raster that beats with the camera's: strength, and periods a picture. */
  readonly moire: number
  readonly lines: number
  readonly grain: number
  /** A reflected lamp: strength, place in the picture, size. */
  readonly glare: readonly [strength: number, u: number, v: number, size: number]
  /** Only this ellipse of the picture is there. */
  readonly cut: boolean
}

function mediumOf(kind: AttackKind, between: (low: number, high: number) => number): Medium {
  const glare = (most: number) => [between(0, most), between(0.1, 0.9), between(0.1, 0.9), between(0.1, 0.3)] as const
  if (kind === 'screen') {
    const dark = between(5, 40)
    return {
      border: between(0.02, 0.12),
      frameColour: [dark, dark, dark],
      contrast: between(0.85, 1.1),
      black: between(5, 25),
      tint: [between(0.88, 1), between(0.95, 1), between(1, 1.12)],
      moire: between(0.02, 0.1),
      lines: between(40, 160),
      grain: 3,
      glare: glare(90),
      cut: false,
    }
  }
  const paper = between(200, 245)
  return {
    border: kind === 'print' ? between(0, 0.08) : 0,
    frameColour: [paper, paper, paper * 0.97],
    contrast: between(0.6, 0.85),
    black: between(20, 45),
    tint: [between(0.98, 1.06), between(0.95, 1), between(0.85, 0.97)],
    moire: between(0, 0.02),
    lines: between(100, 200),
    grain: between(3, 8),
    glare: glare(40),
    cut: kind === 'cutout',
  }
}

/** How far a pinhole camera stands from the picture, in sides of it. */
const distance = 2.5

function render(still: Raster, room: Raster, pose: Pose, medium: Medium, random: Random): Raster {
  const rgb = new Uint8Array(frame.width * frame.height * 3)
  const [cosTilt, sinTilt, cosTurn, sinTurn] = [
    Math.cos(pose.tilt),
    Math.sin(pose.tilt),
    Math.cos(pose.turn),
    Math.sin(pose.turn),
  ]
  // The ray through a pixel meets the plane through the picture's middle with this normal.
  const normal = [sinTilt * cosTurn, sinTurn, cosTilt * cosTurn] as const
  const across = [cosTilt, 0, -sinTilt] as const
  const down = [-sinTilt * sinTurn, cosTurn, -cosTilt * sinTurn] as const
  const pixel: [number, number, number] = [0, 0, 0]
  for (let y = 0, at = 0; y < frame.height; y++)
    for (let x = 0; x < frame.width; x++, at += 3) {
      const ray = [(x - pose.x) / pose.side, (y - pose.y) / pose.side, distance] as const
      const reach = (distance * normal[2]) / (ray[0] * normal[0] + ray[1] * normal[1] + ray[2] * normal[2])
      const [px, py, pz] = [ray[0] * reach, ray[1] * reach, ray[2] * reach - distance]
      const u = px * across[0] + pz * across[2] + 0.5
      const v = px * down[0] + py * down[1] + pz * down[2] + 0.5
      if (onPicture(u, v, medium)) shown(still, u, v, medium, pixel)
      else if (!medium.cut && onPicture(u, v, medium, medium.border)) pixel.splice(0, 3, ...medium.frameColour)
      else behind(room, x, y, pixel)
      const noise = (random() - 0.5) * 2 * medium.grain
      for (let c = 0; c < 3; c++) rgb[at + c] = Math.max(0, Math.min(255, pixel[c]! + noise))
    }
  return { rgb, ...frame }
}

function onPicture(u: number, v: number, { cut }: Medium, border = 0): boolean {
  if (cut) return ((u - 0.5) / 0.27) ** 2 + ((v - 0.5) / 0.36) ** 2 <= 1
  return u >= -border && v >= -border && u < 1 + border && v < 1 + border
}

function shown(still: Raster, u: number, v: number, medium: Medium, into: [number, number, number]): void {
  bilinear(still, u * still.width - 0.5, v * still.height - 0.5, into)
  const beat = 1 + medium.moire * Math.sin(2 * Math.PI * medium.lines * (u + 0.31 * v * v))
  const [strength, gu, gv, size] = medium.glare
  const light = strength * Math.exp(-((u - gu) ** 2 + (v - gv) ** 2) / (2 * size ** 2))
  for (let c = 0; c < 3; c++) into[c] = (medium.black + into[c]! * medium.contrast) * medium.tint[c]! * beat + light
}

/** Out of focus: few samples far apart, of a still as large as the frame. */
function behind(room: Raster, x: number, y: number, into: [number, number, number]): void {
  const cell = 24
  bilinear(
    room,
    ((Math.round(x / cell) * cell + (x % cell) * 0.5) / frame.width) * room.width,
    ((Math.round(y / cell) * cell + (y % cell) * 0.5) / frame.height) * room.height,
    into,
  )
  for (let c = 0; c < 3; c++) into[c] = 40 + into[c]! * 0.5
}

function bilinear({ rgb, width, height }: Raster, x: number, y: number, into: [number, number, number]): void {
  const left = Math.max(0, Math.min(width - 2, Math.floor(x)))
  const top = Math.max(0, Math.min(height - 2, Math.floor(y)))
  const fx = Math.max(0, Math.min(1, x - left))
  const fy = Math.max(0, Math.min(1, y - top))
  const at = (top * width + left) * 3
  const below = at + width * 3
  for (let c = 0; c < 3; c++)
    into[c] =
      (1 - fy) * ((1 - fx) * rgb[at + c]! + fx * rgb[at + 3 + c]!) +
      fy * ((1 - fx) * rgb[below + c]! + fx * rgb[below + 3 + c]!)
}

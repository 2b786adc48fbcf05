/** What happens in front of the camera: who comes, goes, turns and is hidden, as functions of time. */
import type { Colour, Pose } from './canvas.js'
import { between, chance, pick, type Random, seeded } from './random.js'

export const kinds = [
  'approach',
  'pan',
  'motion-blur',
  'defocus',
  'exposure',
  'occlusion',
  'crossing',
  'beside',
  'return',
  'hand-over',
  'stranger',
] as const
export type Kind = (typeof kinds)[number]

/** Who a role is played by. No two roles of a sequence are played by one person. */
export type Part = 'resident' | 'stranger'

/** Seconds since the first frame in; undefined while out of view. */
export type Path = (time: number) => Pose | undefined

export interface Format {
  readonly width: number
  readonly height: number
  readonly fps: number
  readonly frames: number
  /** Sides of the farthest and the nearest face of an approach, pixels. */
  readonly faces: readonly [far: number, near: number]
}

/** A flat thing that passes in front of the faces. */
export interface Occluder {
  readonly colour: Colour
  /** Whether it hides the pixel, at that time. */
  readonly covers: (time: number) => (x: number, y: number) => boolean
}

export interface Script extends Format {
  readonly kind: Kind
  readonly seed: number
  readonly roles: readonly { readonly part: Part; readonly path: Path }[]
  readonly occluder?: Occluder
  /** Brightness, 1 as in the still. */
  readonly gain: (time: number) => number
  /** Blur, as a part of the face's side. */
  readonly defocus: (time: number) => number
  /** Part of a frame's time that the shutter is open. */
  readonly shutter: number
  /** Standard deviation of the sensor's noise, levels of 255. */
  readonly grain: number
}

/** Walk-ups as a camera of 640x480 above a door sees them: 2 to 4 s at 15 to 25 frames a second. */
export function doorFormat(random: Random): Format {
  const fps = pick(random, [15, 20, 25])
  return { width: 640, height: 480, fps, frames: Math.round(fps * between(random, 2, 4)), faces: [52, 165] }
}

/** As little as still shows a face for long enough to be voted on: for thousands of strangers. */
export function briefFormat(random: Random): Format {
  return { width: 320, height: 240, fps: 10, frames: 12 + Math.floor(random() * 5), faces: [60, 115] }
}

interface Key {
  readonly at: number
  readonly x: number
  readonly y: number
  readonly side: number
}

/** The script that this seed gives: all but who plays. */
export function write(kind: Kind, seed: number, formatOf: (random: Random) => Format = doorFormat): Script {
  const random = seeded(seed)
  const format = formatOf(random)
  const steady = between(random, 0.85, 1.15)
  const plain = {
    ...format,
    kind,
    seed,
    gain: () => steady,
    defocus: () => 0,
    shutter: between(random, 0.1, 0.4),
    grain: between(random, 1, 5),
  }
  return { ...plain, ...scenes[kind](random, format) }
}

type Scene = (random: Random, format: Format) => Pick<Script, 'roles'> & Partial<Script>

const scenes: Readonly<Record<Kind, Scene>> = {
  approach: (random, format) => ({ roles: [{ part: 'resident', path: approach(random, format) }] }),

  pan: (random, format) => ({ roles: [{ part: 'resident', path: pan(random, format) }] }),

  // A dim hall: the shutter is open for the whole frame, and who walks is smeared.
  'motion-blur': (random, format) => ({
    roles: [{ part: 'resident', path: chance(random, 0.5) ? approach(random, format) : pan(random, format) }],
    shutter: between(random, 0.8, 1),
  }),

  // The lens hunts: sharp, blurred by up to a tenth of the face, sharp again.
  defocus(random, format) {
    const [most, period] = [between(random, 0.03, 0.09), between(random, 0.8, 2)]
    const phase = between(random, 0, 2 * Math.PI)
    return {
      roles: [{ part: 'resident', path: approach(random, format) }],
      defocus: (time) => (most * (1 + Math.sin(phase + (2 * Math.PI * time) / period))) / 2,
    }
  },

  // The door's lamp or the sun: brightness goes from one level to another and back within a second or so.
  exposure(random, format) {
    const [low, high] = [between(random, 0.25, 0.5), between(random, 1.3, 1.9)]
    const [period, phase] = [between(random, 1, 2.5), between(random, 0, 2 * Math.PI)]
    return {
      roles: [{ part: 'resident', path: approach(random, format) }],
      gain: (time) => low * (high / low) ** ((1 + Math.sin(phase + (2 * Math.PI * time) / period)) / 2),
    }
  },

  occlusion(random, format) {
    const path = approach(random, format)
    return { roles: [{ part: 'resident', path }], occluder: passing(random, format, path) }
  },

  // One in front of the other, so that the farther face is hidden for a moment.
  crossing(random, format) {
    const { width, height } = format
    const end = length(format)
    const near = between(random, 0.19, 0.26) * height
    const far = near * between(random, 0.6, 0.8)
    const y = between(random, 0.45, 0.55) * height
    const way = (side: number, from: number, to: number) =>
      glide(random, [
        { at: 0, x: from * width, y, side },
        { at: end, x: to * width, y: y + 0.05 * height * (random() - 0.5), side },
      ])
    const [left, right] = [between(random, 0.15, 0.28), between(random, 0.72, 0.85)]
    return {
      roles: [
        { part: 'resident', path: way(chance(random, 0.5) ? near : far * 1.02, left, right) },
        { part: chance(random, 0.5) ? 'resident' : 'stranger', path: way(far, right, left) },
      ],
    }
  },

  beside(random, format) {
    const { width, height } = format
    const end = length(format)
    const middle = between(random, 0.45, 0.55) * width
    const [from, to] = [between(random, 0.12, 0.16) * height, between(random, 0.22, 0.28) * height]
    const side = chance(random, 0.5) ? 1 : -1
    const way = (sign: number) =>
      glide(random, [
        { at: 0, x: middle + sign * from * 1.3, y: between(random, 0.42, 0.5) * height, side: from },
        { at: end, x: middle + sign * to * 1.3, y: between(random, 0.45, 0.55) * height, side: to },
      ])
    return {
      roles: [
        { part: 'resident', path: way(side) },
        { part: 'stranger', path: way(-side) },
      ],
    }
  },

  // Out of the picture and back, on the side where he left or on the other one.
  return(random, format) {
    const { width, height } = format
    const end = length(format)
    const side = between(random, 0.18, 0.28) * height
    const y = between(random, 0.42, 0.55) * height
    const out = chance(random, 0.5) ? width + side : -side
    const [leaves, away] = [0.45 * end, between(random, 0.1, 0.25) * end]
    const before = glide(random, [
      { at: 0, x: width / 2, y, side },
      { at: 0.2 * end, x: width / 2, y, side },
      { at: leaves, x: out, y, side },
    ])
    const after = glide(random, [
      { at: leaves + away, x: chance(random, 0.7) ? out : width - out, y, side },
      { at: end, x: between(random, 0.4, 0.6) * width, y, side },
    ])
    return {
      roles: [
        {
          part: 'resident',
          path: (time) => (time < leaves ? before(time) : time < leaves + away ? undefined : after(time)),
        },
      ],
    }
  },

  // The stranger stands where the resident stood, from one frame to the next or a moment later: the worst a tracker can meet.
  'hand-over'(random, format) {
    const end = length(format)
    const path = chance(random, 0.5) ? approach(random, format) : pan(random, format)
    const change = between(random, 0.1, 0.6) * end
    const gap = chance(random, 0.4) ? 0 : between(random, 0, 0.4)
    return {
      roles: [
        { part: 'resident', path: (time) => (time < change ? path(time) : undefined) },
        { part: 'stranger', path: (time) => (time < change + gap ? undefined : path(time)) },
      ],
    }
  },

  // Alone, and with whatever else may be wrong with the picture.
  stranger(random, format) {
    const path = chance(random, 0.6) ? approach(random, format) : pan(random, format)
    const [blur, gain] = [chance(random, 0.3) ? between(random, 0.01, 0.06) : 0, between(random, 0.4, 1.5)]
    const scene = { roles: [{ part: 'stranger' as const, path }], gain: () => gain, defocus: () => blur }
    return chance(random, 0.15) ? { ...scene, occluder: passing(random, format, path) } : scene
  },
}

const length = ({ frames, fps }: Format) => frames / fps

/** The face grows and moves towards the middle. */
function approach(random: Random, format: Format): Path {
  const { width, height, faces } = format
  const end = length(format)
  return glide(random, [
    { at: 0, x: between(random, 0.2, 0.8) * width, y: between(random, 0.35, 0.6) * height, side: faces[0] },
    {
      at: between(random, 0.6, 0.9) * end,
      x: between(random, 0.42, 0.58) * width,
      y: between(random, 0.45, 0.55) * height,
      side: between(random, 0.7, 1) * faces[1],
    },
  ])
}

/** Sideways past the camera. */
function pan(random: Random, format: Format): Path {
  const { width, height, faces } = format
  const end = length(format)
  const side = between(random, 0.5, 0.9) * faces[1]
  const [left, right] = [between(random, 0.15, 0.3) * width, between(random, 0.7, 0.85) * width]
  const [from, to] = chance(random, 0.5) ? [left, right] : [right, left]
  const y = between(random, 0.4, 0.6) * height
  return glide(random, [
    { at: 0, x: from, y, side },
    { at: end, x: to, y, side },
  ])
}

/** From key to key without jerks, with the sway, bob, roll and turning of somebody who walks. */
function glide(random: Random, keys: readonly Key[]): Path {
  const wave = (most: number, slow: number, fast: number) => {
    const [size, period, phase] = [between(random, 0.3, 1) * most, between(random, fast, slow), 2 * Math.PI * random()]
    return (time: number) => size * Math.sin(phase + (2 * Math.PI * time) / period)
  }
  const [sway, bob] = [wave(0.05, 1.4, 0.9), wave(0.035, 0.7, 0.45)]
  const [roll, yaw] = [wave(0.14, 3, 1), wave(0.45, 3, 1)]
  return (time) => {
    const next = keys.findIndex(({ at }) => at > time)
    const [a, b] = [keys[Math.max(0, (next < 0 ? keys.length : next) - 1)]!, keys[next < 0 ? keys.length - 1 : next]!]
    const part = a === b ? 0 : Math.max(0, Math.min(1, (time - a.at) / (b.at - a.at)))
    const eased = part * part * (3 - 2 * part)
    const mix = (from: number, to: number) => from + (to - from) * eased
    const side = mix(a.side, b.side)
    return {
      x: mix(a.x, b.x) + side * sway(time),
      y: mix(a.y, b.y) + side * bob(time),
      side,
      roll: roll(time),
      yaw: yaw(time),
    }
  }
}

/** A bar or a hand that passes over the face in the middle of the sequence. */
function passing(random: Random, format: Format, path: Path): Occluder {
  const middle = between(random, 0.35, 0.65) * length(format)
  const duration = between(random, 0.4, 1.1)
  const from = between(random, 0, 2 * Math.PI)
  const face = path(middle)!
  // Three faces long: it comes from outside of the face and leaves it on the other side.
  const at = (time: number) => {
    const along = 3 * face.side * ((time - middle) / duration)
    return { x: face.x + along * Math.cos(from), y: face.y + along * Math.sin(from) }
  }
  if (chance(random, 0.5)) {
    const half = between(random, 0.12, 0.35) * face.side
    const grey = between(random, 30, 220)
    const [cos, sin] = [Math.cos(from), Math.sin(from)]
    return {
      colour: [grey, grey * 0.9, grey * 0.8],
      covers(time) {
        const bar = at(time)
        return (x, y) => Math.abs((x - bar.x) * cos + (y - bar.y) * sin) < half
      },
    }
  }
  const size = between(random, 0.35, 0.55) * face.side
  const tone = between(random, 0.5, 1)
  // A palm with four fingers that point up.
  const parts = [
    { x: 0, y: 0.3, w: 0.75, h: 0.8 },
    ...[-0.54, -0.18, 0.18, 0.54].map((x, i) => ({ x, y: i === 0 || i === 3 ? -0.75 : -0.95, w: 0.17, h: 0.65 })),
  ]
  return {
    colour: [225 * tone, 170 * tone, 140 * tone],
    covers(time) {
      const hand = at(time)
      return (x, y) => {
        const [u, v] = [(x - hand.x) / size, (y - hand.y) / size]
        if (Math.abs(u) > 1 || Math.abs(v) > 2) return false
        return parts.some((part) => ((u - part.x) / part.w) ** 2 + ((v - part.y) / part.h) ** 2 < 1)
      }
    },
  }
}

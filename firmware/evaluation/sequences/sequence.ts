/** Plays a script with faces from stills: frames, and the truth about every one of them. */
import type { TruthFace } from '../tracking.js'
import { type Canvas, drawHead, drawShape, makeSensor, type Pose, paintBackground } from './canvas.js'
import { fork, seeded } from './random.js'
import type { Script } from './script.js'
import { coverage, cutOut, type Sprite, type Still } from './sprite.js'

export interface SequenceFrame {
  readonly index: number
  /** Milliseconds since the first frame. */
  readonly at: number
  readonly width: number
  readonly height: number
  /** RGB, rows packed; painted over by the next frame. */
  readonly pixels: Uint8Array
  readonly truth: readonly TruthFace[]
}

/** Poses per pixel that a face's middle moves while the shutter is open. */
const smearing = 0.5
const mostPoses = 5

/** @param cast a still for each of the script's roles, in their order. The same script and stills give the same bytes. */
export function* playScript(script: Script, cast: readonly Still[]): Generator<SequenceFrame> {
  const { width, height, fps, frames, roles, occluder } = script
  if (cast.length !== roles.length) throw new RangeError(`this script has ${roles.length} roles, not ${cast.length}`)
  const random = seeded(script.seed ^ 0x5ce9e)
  const background = paintBackground(fork(random), width, height)
  const sensor = makeSensor(random, script.grain)
  const sprites = cast.map(cutOut)
  const canvas: Canvas = { width, height, pixels: new Uint8Array(background.length) }
  for (let index = 0; index < frames; index++) {
    const time = index / fps
    canvas.pixels.set(background)
    const present = roles
      .map(({ path }, i) => ({ sprite: sprites[i]!, path, pose: path(time) }))
      .filter((one): one is typeof one & { pose: Pose } => one.pose !== undefined)
      // Whoever is nearer is larger, and drawn over the others.
      .sort((a, b) => a.pose.side - b.pose.side)
    for (const { sprite, path, pose } of present) {
      const before = path(time - script.shutter / fps) ?? pose
      drawHead(canvas, sprite, between(before, pose), script.defocus(time) * pose.side)
    }
    const covers = occluder?.covers(time)
    if (occluder && covers) drawShape(canvas, occluder.colour, covers)
    sensor(canvas, script.gain(time))
    const truth = present.map(({ sprite, pose }, i) => tell(sprite, pose, present.slice(i + 1), covers, script))
    yield { index, at: (1000 * index) / fps, width, height, pixels: canvas.pixels, truth }
  }
}

/** The poses while the shutter was open; the last is the frame's own. */
function between(from: Pose, to: Pose): Pose[] {
  const count = Math.max(1, Math.min(mostPoses, Math.ceil(smearing * Math.hypot(to.x - from.x, to.y - from.y))))
  const mix = (a: number, b: number, i: number) => b + ((a - b) * i) / count
  return Array.from({ length: count }, (_, i) => ({
    x: mix(from.x, to.x, i),
    y: mix(from.y, to.y, i),
    side: mix(from.side, to.side, i),
    roll: mix(from.roll, to.roll, i),
    yaw: mix(from.yaw, to.yaw, i),
  }))
}

/** The face's box is probed at so many points along each side. */
const probes = 16

function tell(
  { person, box }: Sprite,
  { x, y, side, yaw }: Pose,
  nearer: readonly { readonly pose: Pose }[],
  occluded: ((x: number, y: number) => boolean) | undefined,
  { width, height }: Script,
): TruthFace {
  const [w, h] = [box.width * side * Math.cos(yaw), box.height * side]
  let seen = 0
  for (let i = 0; i < probes; i++)
    for (let j = 0; j < probes; j++) {
      const [u, v] = [x + w * ((i + 0.5) / probes - 0.5), y + h * ((j + 0.5) / probes - 0.5)]
      const inside = u >= 0 && v >= 0 && u < width && v < height
      if (inside && !occluded?.(u, v) && !nearer.some(({ pose }) => hides(pose, u, v))) seen++
    }
  return { person, box: { x: x - w / 2, y: y - h / 2, width: w, height: h }, visible: seen / probes ** 2 }
}

function hides({ x, y, side, roll, yaw }: Pose, u: number, v: number): boolean {
  const [dx, dy] = [(u - x) / side, (v - y) / side]
  const [cos, sin] = [Math.cos(roll), Math.sin(roll)]
  return coverage((cos * dx + sin * dy) / Math.cos(yaw), cos * dy - sin * dx) >= 0.5
}

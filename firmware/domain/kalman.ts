/**
 * Where a face is and where it is going: a Kalman filter over the box's centre and the logarithms of its sides.
 *
 * Each of the four is a position with a velocity that noise keeps changing and that fades with time (an integrated
 * Ornstein-Uhlenbeck process): over the few frames of ordinary tracking it is the constant-velocity filter, and over a gap
 * of seconds the forecast comes to rest within reach instead of flying out of the picture. The model is exact for
 * every time step: a prediction in two steps is the one in a single step while the size keeps. Source: Johnson et al., "Continuous-time correlated random walk
 * model for animal telemetry data", Ecology 89(5), 2008, appendix. The axes do not influence one another: four 2x2 filters
 * are the whole 8x8 one.
 *
 * Motions are values: every function returns a new one.
 */
import { size } from './geometry.js'
import type { Box } from './types.js'

export interface MotionOptions {
  /** Usual speed of a face across the picture, standard deviation, face sizes per second. */
  readonly speed: number
  /** Usual growth of a face by walking up, standard deviation of the side's logarithm, per second. */
  readonly zoom: number
  /** How long a face keeps its speed, time constant, milliseconds. */
  readonly inertiaMs: number
  /** Standard deviation of the detector's own error in position and side, face sizes. */
  readonly jitter: number
}

/** Walking past one metre in front of the lens is about 9 face widths a second, turning the head about 1. */
export const defaultMotionOptions: MotionOptions = { speed: 3, zoom: 0.7, inertiaMs: 600, jitter: 0.06 }

/** A value (px or ln px), its rate per second and their covariance. */
interface Axis {
  readonly value: number
  readonly rate: number
  readonly vv: number
  readonly vr: number
  readonly rr: number
}

/** Belief about one face's box at one instant. */
export interface Motion {
  readonly x: Axis
  readonly y: Axis
  readonly width: Axis
  readonly height: Axis
}

/** Chi-square, 4 degrees of freedom, 99 %: what `strangeness` of a true continuation rarely exceeds. */
export const strangenessLimit = 13.28

export function startMotion(box: Box, options: MotionOptions): Motion {
  const side = size(box)
  const at = (value: number, error: number, speed: number): Axis => ({
    value,
    rate: 0,
    vv: error ** 2,
    vr: 0,
    rr: speed ** 2,
  })
  const along = options.speed * side
  const error = options.jitter * side
  return {
    x: at(box.x + box.width / 2, error, along),
    y: at(box.y + box.height / 2, error, along),
    width: at(Math.log(box.width), options.jitter, options.zoom),
    height: at(Math.log(box.height), options.jitter, options.zoom),
  }
}

/** Belief `ms` milliseconds later, without a new detection. */
export function predict(motion: Motion, ms: number, options: MotionOptions): Motion {
  if (!(ms > 0)) return motion
  const along = options.speed * size(boxOf(motion))
  const step = stepOf(ms / 1000, options.inertiaMs / 1000)
  return {
    x: predictAxis(motion.x, step, along),
    y: predictAxis(motion.y, step, along),
    width: predictAxis(motion.width, step, options.zoom),
    height: predictAxis(motion.height, step, options.zoom),
  }
}

/** Belief after a detection at the same instant. */
export function correct(motion: Motion, box: Box, options: MotionOptions): Motion {
  const error = (options.jitter * size(box)) ** 2
  const relative = options.jitter ** 2
  return {
    x: correctAxis(motion.x, box.x + box.width / 2, error),
    y: correctAxis(motion.y, box.y + box.height / 2, error),
    width: correctAxis(motion.width, Math.log(box.width), relative),
    height: correctAxis(motion.height, Math.log(box.height), relative),
  }
}

/** The most likely box. */
export function boxOf(motion: Motion): Box {
  const width = Math.exp(motion.width.value)
  const height = Math.exp(motion.height.value)
  return { x: motion.x.value - width / 2, y: motion.y.value - height / 2, width, height }
}

/** Standard deviation of the centre along one axis, in face sizes. */
export function uncertainty(motion: Motion): number {
  return Math.sqrt(Math.max(motion.x.vv, motion.y.vv)) / size(boxOf(motion))
}

/** Squared Mahalanobis distance of a detection from the belief at that instant, over centre and sides. */
export function strangeness(motion: Motion, box: Box, options: MotionOptions): number {
  const error = (options.jitter * size(box)) ** 2
  const relative = options.jitter ** 2
  const term = (axis: Axis, measured: number, noise: number) => (measured - axis.value) ** 2 / (axis.vv + noise)
  return (
    term(motion.x, box.x + box.width / 2, error) +
    term(motion.y, box.y + box.height / 2, error) +
    term(motion.width, Math.log(box.width), relative) +
    term(motion.height, Math.log(box.height), relative)
  )
}

/** One time step for a rate of unit variance: how rate carries into value, and the covariance that noise adds. */
interface Step {
  readonly carry: number
  readonly fade: number
  readonly vv: number
  readonly vr: number
  readonly rr: number
}

function stepOf(seconds: number, inertia: number): Step {
  const fade = Math.exp(-seconds / inertia)
  const gone = -Math.expm1(-seconds / inertia)
  const ratio = seconds / inertia
  // Below a thousandth the closed form subtracts nearly equal numbers; its leading term is exact enough there.
  const vv = ratio < 1e-3 ? (2 / 3) * ratio ** 3 : 2 * ratio - 4 * gone + (1 - fade ** 2)
  return { carry: inertia * gone, fade, vv: vv * inertia ** 2, vr: inertia * gone ** 2, rr: 1 - fade ** 2 }
}

function predictAxis(axis: Axis, step: Step, speed: number): Axis {
  const { carry, fade } = step
  const noise = speed ** 2
  return {
    value: axis.value + carry * axis.rate,
    rate: fade * axis.rate,
    vv: axis.vv + 2 * carry * axis.vr + carry ** 2 * axis.rr + noise * step.vv,
    vr: fade * (axis.vr + carry * axis.rr) + noise * step.vr,
    rr: fade ** 2 * axis.rr + noise * step.rr,
  }
}

function correctAxis(axis: Axis, measured: number, noise: number): Axis {
  const spread = axis.vv + noise
  const gain = axis.vv / spread
  const rateGain = axis.vr / spread
  const surprise = measured - axis.value
  return {
    value: axis.value + gain * surprise,
    rate: axis.rate + rateGain * surprise,
    vv: gain * noise,
    vr: axis.vr * (1 - gain),
    rr: axis.rr - rateGain * axis.vr,
  }
}

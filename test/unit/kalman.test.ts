import t from 'tap'
import { centre, iou } from '../../firmware/domain/geometry.js'
import {
  boxOf,
  correct,
  type Motion,
  defaultMotionOptions as options,
  predict,
  startMotion,
  strangeness,
  strangenessLimit,
  uncertainty,
} from '../../firmware/domain/kalman.js'
import type { Box } from '../../firmware/domain/types.js'
import { normal, seeded, square } from '../support/scenes.js'

function follow(path: (at: number) => Box, times: readonly number[]): { motion: Motion; at: number } {
  let at = times[0]!
  let motion = startMotion(path(at), options)
  for (const time of times.slice(1)) {
    motion = correct(predict(motion, time - at, options), path(time), options)
    at = time
  }
  return { motion, at }
}

const steady = Array.from({ length: 20 }, (_, i) => i * 66)

t.test('starts where the detection is', async (t) => {
  const box = { x: 10, y: 20, width: 30, height: 40 }
  const begun = boxOf(startMotion(box, options))
  for (const key of ['x', 'y', 'width', 'height'] as const) t.ok(Math.abs(begun[key] - box[key]) < 1e-9, key)
})

t.test('no function changes what it was given', async (t) => {
  const motion = startMotion(square(100, 100, 50), options)
  const before = JSON.stringify(motion)
  predict(motion, 500, options)
  correct(motion, square(120, 90, 60), options)
  t.equal(JSON.stringify(motion), before)
  t.equal(predict(motion, 0, options), motion, 'no time, no change')
})

t.test('a steady walk is foreseen', async (t) => {
  const path = (at: number) => square(100 + 0.15 * at, 200, 60)
  const { motion, at } = follow(path, steady)
  const foreseen = boxOf(predict(motion, 66, options))
  t.ok(iou(foreseen, path(at + 66)) > 0.93, `iou ${iou(foreseen, path(at + 66))}`)
})

t.test('walking up: the size is foreseen too', async (t) => {
  const path = (at: number) => square(300, 200, 40 * Math.exp(at / 1500))
  const { motion, at } = follow(path, steady)
  t.ok(iou(boxOf(predict(motion, 100, options)), path(at + 100)) > 0.9)
})

t.test('a prediction in two steps is the prediction in one', async (t) => {
  // Without growth, since the noise is scaled with the size at the beginning of a step.
  const { motion } = follow((at) => square(100 + 0.2 * at, 100 - 0.05 * at, 50), steady)
  const still = {
    ...motion,
    width: { ...motion.width, rate: 0 },
    height: { ...motion.height, rate: 0 },
  }
  const one = predict(still, 900, options)
  const two = predict(predict(still, 300, options), 600, options)
  for (const axis of ['x', 'y', 'width', 'height'] as const)
    for (const key of ['value', 'rate', 'vv', 'vr', 'rr'] as const)
      t.ok(Math.abs(one[axis][key] - two[axis][key]) <= 1e-9 * (1 + Math.abs(one[axis][key])), `${axis}.${key}`)
})

t.test('very short steps do not lose the covariance to rounding', async (t) => {
  const start = startMotion(square(0, 0, 50), options)
  for (const ms of [1e-3, 0.1, 0.59, 0.61, 5]) {
    const { vv, vr, rr } = predict(start, ms, options).x
    t.ok(vv >= start.x.vv && vv * rr - vr * vr > 0, `${ms} ms`)
  }
})

t.test('a gap makes the belief wider, and leaves the face within reach', async (t) => {
  const { motion, at } = follow((time) => square(100 + 0.3 * time, 200, 60), steady)
  let last = uncertainty(motion)
  t.ok(last < 0.1, `sure while it is seen: ${last}`)
  for (const ms of [50, 100, 300, 1000, 3000, 10_000]) {
    const now = uncertainty(predict(motion, ms, options))
    t.ok(now > last, `${ms} ms: ${now}`)
    last = now
  }
  t.ok(last > 3, 'after ten seconds it may be anywhere')
  const far = centre(boxOf(predict(motion, 10_000, options))).x - (100 + 0.3 * at)
  t.ok(far > 0 && far < 60 * 5, `${far} px on, not 3000`)
})

t.test('the covariance stays sound over long and ragged runs', async (t) => {
  const random = seeded(3)
  let motion = startMotion(square(300, 200, 60), options)
  for (let i = 0; i < 5000; i++) {
    motion = predict(motion, random() < 0.02 ? 5000 * random() : 1 + 100 * random(), options)
    if (random() < 0.8)
      motion = correct(motion, square(300 + 30 * normal(random), 200, 60 * Math.exp(0.1 * normal(random))), options)
    for (const axis of [motion.x, motion.y, motion.width, motion.height])
      if (!(axis.vv > 0 && axis.rr > 0 && axis.vv * axis.rr - axis.vr ** 2 > 0)) t.fail(JSON.stringify(axis))
  }
})

t.test('strangeness: ordinary jitter passes, a leap does not', async (t) => {
  const { motion } = follow(() => square(100, 100, 50), steady)
  const next = predict(motion, 66, options)
  t.ok(strangeness(next, square(102, 99, 51), options) < strangenessLimit)
  t.ok(strangeness(next, square(150, 100, 50), options) > strangenessLimit)
  t.ok(strangeness(next, square(100, 100, 100), options) > strangenessLimit)
  t.ok(strangeness(predict(motion, 1000, options), square(150, 100, 50), options) < strangenessLimit, 'time allows it')
})

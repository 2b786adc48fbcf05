import t from 'tap'
import {
  area,
  cosine,
  distinct,
  intersection,
  iou,
  isSound,
  landmarkDistance,
  points,
  separation,
  size,
  sizeRatio,
} from '../../firmware/domain/geometry.js'
import { faceAt, normal, seeded, square } from '../support/scenes.js'

t.test('overlap of boxes', async (t) => {
  const a = { x: 0, y: 0, width: 10, height: 10 }
  t.equal(area(a), 100)
  t.equal(size({ x: 0, y: 0, width: 4, height: 9 }), 6)
  t.equal(intersection(a, { x: 5, y: 5, width: 10, height: 10 }), 25)
  t.equal(intersection(a, { x: 10, y: 0, width: 10, height: 10 }), 0, 'touching is not overlapping')
  t.equal(iou(a, a), 1)
  t.equal(iou(a, { x: 5, y: 0, width: 10, height: 10 }), 1 / 3)
  t.equal(iou(a, { x: 0, y: 0, width: 0, height: 0 }), 0)
})

t.test('iou is symmetric, bounded and unmoved by shifting both boxes', async (t) => {
  const random = seeded(1)
  for (let i = 0; i < 500; i++) {
    const a = square(random() * 100, random() * 100, 1 + random() * 80)
    const b = square(random() * 100, random() * 100, 1 + random() * 80)
    const value = iou(a, b)
    if (value < 0 || value > 1 || value !== iou(b, a)) t.fail(`iou ${value}`)
    const shifted = iou({ ...a, x: a.x + 64 }, { ...b, x: b.x + 64 })
    if (Math.abs(shifted - value) > 1e-9) t.fail(`shifted ${shifted}, was ${value}`)
  }
})

t.test('distances are in sizes of the larger face', async (t) => {
  t.equal(separation(square(0, 0, 10), square(40, 30, 50)), 1)
  t.equal(sizeRatio(square(0, 0, 10), square(0, 0, 25)), 2.5)
  t.equal(sizeRatio(square(0, 0, 25), square(0, 0, 10)), 2.5)
})

t.test('soundness and landmarks', async (t) => {
  t.ok(isSound(square(-5, -5, 3)))
  t.notOk(isSound({ x: 0, y: 0, width: 0, height: 5 }))
  t.notOk(isSound({ x: Number.NaN, y: 0, width: 5, height: 5 }))
  t.equal(points([1, 2, 3]), undefined)
  t.equal(points(faceAt(square(0, 0, 10)).landmarks)?.length, 5)
  t.equal(landmarkDistance([], []), Number.POSITIVE_INFINITY)
  const a = faceAt(square(50, 50, 40)).landmarks
  const moved = a.map((value, i) => value + (i % 2 === 0 ? 3 : 4))
  t.ok(Math.abs(landmarkDistance(a, moved) - 5) < 1e-9)
})

t.test('one detection per face', async (t) => {
  const face = faceAt(square(100, 100, 50), 0.9)
  const better = faceAt(square(104, 100, 50), 0.95)
  const beside = faceAt(square(150, 100, 50), 0.7)
  t.same(distinct([face, beside, better], 0.5), [beside, better], 'the better one, in the order given')
  t.same(distinct([{ ...face, box: { ...face.box, width: Number.NaN } }], 0.5), [], 'unsound boxes go')

  const large = { ...face, box: square(100, 100, 90) }
  t.same(distinct([large, face], 0.5).length, 1, 'the same landmarks in boxes of different size')
  const behind = faceAt(square(130, 65, 25), 0.8)
  t.same(distinct([large, behind], 0.5).length, 2, 'a small face in the corner of a large box is another')
})

t.test('cosine', async (t) => {
  const random = seeded(2)
  const a = Float32Array.from({ length: 16 }, () => normal(random))
  t.equal(cosine(a, a), 1)
  const opposite = a.map((value) => -3 * value)
  t.ok(Math.abs(cosine(a, opposite) + 1) < 1e-6)
  t.equal(cosine(new Float32Array(16), a), 0)
  t.throws(() => cosine(a, new Float32Array(8)), RangeError)
})

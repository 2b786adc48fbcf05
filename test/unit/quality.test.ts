import t from 'tap'
import { combine, quality, qualityFactors } from '../../firmware/domain/quality.js'
import type { Face } from '../../firmware/domain/types.js'
import { faceAt, frameSize, square } from '../support/scenes.js'

const frontal = faceAt(square(320, 240, 120), 1)

/** Where the landmarks of a head fall that is turned by these angles, degrees; depth in eye distances, seen from afar. */
function turned(yaw: number, pitch: number, roll = 0, eyeDistance = 50): Face {
  const head = [
    [-0.5, 0, 0],
    [0.5, 0, 0],
    [0, 0.57, 0.55],
    [-0.41, 1.155, 0.1],
    [0.41, 1.155, 0.1],
  ] as const
  const [a, b, c] = [yaw, pitch, roll].map((angle) => (angle * Math.PI) / 180) as [number, number, number]
  const landmarks = head.flatMap(([x, y, z]) => {
    const x1 = x * Math.cos(a) + z * Math.sin(a)
    const z1 = z * Math.cos(a) - x * Math.sin(a)
    const y1 = y * Math.cos(b) + z1 * Math.sin(b)
    const [x2, y2] = [x1 * Math.cos(c) - y1 * Math.sin(c), x1 * Math.sin(c) + y1 * Math.cos(c)]
    return [320 + eyeDistance * x2, 240 + eyeDistance * y2]
  })
  return { box: square(320, 260, eyeDistance * 2.6), landmarks, score: 1 }
}

t.test('a large frontal face inside the frame is a perfect probe', async (t) => {
  const factors = qualityFactors(frontal, frameSize)
  t.ok(quality(frontal, frameSize) > 0.95, JSON.stringify(factors))
  t.same(Object.keys(factors), ['size', 'pose', 'truncation', 'score'])
})

t.test('size rises with the eye distance and stops at 30 px', async (t) => {
  const of = (eyes: number) => qualityFactors(turned(0, 0, 0, eyes), frameSize).size
  t.equal(of(4), 0)
  t.ok(of(12) < of(20) && of(20) < of(28))
  t.equal(of(30), 1)
  t.equal(of(60), 1)
})

t.test('pose falls with yaw and pitch to either side, not with roll', async (t) => {
  const of = (yaw: number, pitch: number, roll = 0) => qualityFactors(turned(yaw, pitch, roll), frameSize).pose
  t.ok(of(0, 0) > 0.95, `frontal ${of(0, 0)}`)
  for (const turn of [of, (a: number, b: number) => of(b, a)])
    for (const sign of [-1, 1]) {
      const falling = [0, 15, 30, 45, 60].map((angle) => turn(sign * angle, 0))
      t.ok(
        falling.every((value, i) => i === 0 || value < falling[i - 1]!),
        falling.map((value) => value.toFixed(2)).join(' '),
      )
    }
  t.ok(of(45, 0) < 0.35 && of(60, 0) < 0.05)
  t.ok(Math.abs(of(20, 10, 40) - of(20, 10, 0)) < 1e-9)
  t.ok(Math.abs(of(-20, 0) - of(20, 0)) < 1e-9, 'left as right')
})

t.test('landmarks that are no face make no probe', async (t) => {
  const upsideDown = [0, 1, 2, 3, 4].flatMap((i) => [frontal.landmarks[2 * i]!, 480 - frontal.landmarks[2 * i + 1]!])
  t.equal(quality({ ...frontal, landmarks: upsideDown }, frameSize), 0, 'mouth above the eyes')
  t.equal(quality({ ...frontal, landmarks: [] }, frameSize), 0)
  t.equal(quality({ ...frontal, landmarks: frontal.landmarks.map(() => 100) }, frameSize), 0, 'all in one point')
  t.equal(quality({ ...frontal, landmarks: frontal.landmarks.map(() => Number.NaN) }, frameSize), 0)
})

t.test('truncation by the edge', async (t) => {
  const of = (x: number) => qualityFactors(faceAt(square(x, 240, 120), 1), frameSize).truncation
  t.equal(of(60), 1, 'just inside')
  t.ok(of(45) > 0.6 && of(45) < 1)
  t.ok(of(30) < of(45))
  t.equal(of(10), 0, 'an eye is outside')
})

t.test('factors multiply, and further ones may join', async (t) => {
  t.equal(combine({ size: 0.5, sharpness: 0.5 }), 0.25)
  t.equal(combine({ size: 0.5, sharpness: Number.NaN }), 0)
  t.equal(combine({ size: 0.5, exposure: 7 }), 0.5)
  t.equal(quality({ ...frontal, score: 0.5 }, frameSize), quality(frontal, frameSize) / 2)
})

import t from 'tap'
import { seeded } from '../../firmware/evaluation/random.js'
import { slope, student95 } from '../../firmware/evaluation/slope.js'

const series = (count: number, y: (x: number) => number) =>
  Array.from({ length: count }, (_, i) => ({ x: i / 10, y: y(i / 10) }))

t.test('a line has its slope, and no doubt', async (t) => {
  const { value, low, high } = slope(series(100, (x) => 5 - 3 * x))
  for (const each of [value, low, high]) t.ok(Math.abs(each + 3) < 1e-9)
})

t.test('noise has none, 19 times in 20', async (t) => {
  const random = seeded(5)
  let missed = 0
  for (let i = 0; i < 400; i++) {
    const { low, high } = slope(series(200, () => random()))
    if (low > 0 || high < 0) missed++
  }
  t.ok(missed > 4 && missed < 40, `${missed} of 400`)
})

t.test('growth under noise is found', async (t) => {
  const random = seeded(6)
  const { low, high } = slope(series(1000, (x) => 0.1 * x + random()))
  t.ok(low > 0 && low < 0.1 && high > 0.1)
})

t.test('too few samples are refused', async (t) => {
  t.throws(() => slope(series(39, () => 1)), RangeError)
})

// NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
t.test("Student's t", async (t) => {
  for (const [degrees, value] of [
    [10, 2.228],
    [18, 2.101],
    [60, 2.0],
  ] as const)
    t.ok(Math.abs(student95(degrees) - value) < 0.001)
})

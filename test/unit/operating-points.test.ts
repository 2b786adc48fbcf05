import t from 'tap'
import { atFalseRate, atThreshold, curve, rate } from '../../firmware/evaluation/operating-points.js'

const near = (a: number, b: number, within = 1e-4) => Math.abs(a - b) <= within

t.test('a rate knows how sure it is', async (t) => {
  // Worked examples of Wilson's interval: Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  for (const [count, of, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const) {
    const found = rate(count, of)
    t.ok(near(found.low, low) && near(found.high, high), `${count} of ${of}: ${found.low} to ${found.high}`)
  }
  t.match(rate(20, 20), { value: 1, high: 1 })
  t.match(rate(0, 0), { value: 0, low: 0, high: 1 })
})

t.test('what reaches the threshold is accepted', async (t) => {
  const point = atThreshold({ genuine: [0.9, 0.5, 0.2], impostor: [0.5, 0.1] }, 0.5)
  t.match(point, { accepted: { count: 2, of: 3 }, falselyAccepted: { count: 1, of: 2 } })
})

t.test('the threshold for a false rate is the lowest that keeps it', async (t) => {
  const impostor = Array.from({ length: 1000 }, (_, i) => i / 1000)
  const scores = { genuine: [0.2, 0.9895, 0.995], impostor }
  const point = atFalseRate(scores, 0.01)
  t.equal(point.falselyAccepted.count, 10)
  t.ok(near(point.threshold, 0.989, 1e-5))
  t.equal(point.accepted.count, 2)
  t.equal(atFalseRate(scores, 0.001).falselyAccepted.count, 1)
  t.equal(atFalseRate({ ...scores, impostor: impostor.slice(0, 500) }, 0.001).falselyAccepted.count, 0, 'too few')
  t.equal(atFalseRate({ ...scores, impostor: [] }, 0.001).accepted.count, 3, 'none')
  t.equal(atFalseRate({ genuine: [], impostor: [0.5, 0.5, 0.5] }, 0.34).falselyAccepted.count, 0, 'equal ones together')
})

t.test('the curve climbs from nobody to everybody', async (t) => {
  t.same(curve({ genuine: [0.9, 0.6, 0.1], impostor: [0.7, 0.5] }), [
    [0, 1 / 3],
    [0.5, 2 / 3],
    [1, 1],
  ])
  t.same(curve({ genuine: [0.5], impostor: [0.5] })[0], [0, 0], 'an equal score does not pass before the impostor')
  const many = Array.from({ length: 5000 }, (_, i) => Math.sin(i) / 2)
  const points = curve({ genuine: many, impostor: many }, 100)
  t.ok(points.length < 130)
  t.same(points.at(-1), [1, 1])
})

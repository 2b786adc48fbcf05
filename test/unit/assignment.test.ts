import t from 'tap'
import { assign, pair } from '../../firmware/domain/assignment.js'
import { defaultMotionOptions, predict, startMotion } from '../../firmware/domain/kalman.js'
import { faceAt, type Random, seeded, square } from '../support/scenes.js'

const no = Number.POSITIVE_INFINITY

interface Outcome {
  readonly assigned: number
  readonly cost: number
}

function outcome(cost: readonly (readonly number[])[], result: readonly number[]): Outcome {
  const used = result.map((column, row) => (column < 0 ? 0 : cost[row]![column]!))
  return { assigned: result.filter((column) => column >= 0).length, cost: used.reduce((a, b) => a + b, 0) }
}

/** The best outcome by trying all of them: most rows, then least cost; or least cost plus `skip` for each row alone. */
function bruteForce(cost: readonly (readonly number[])[], skip: number): Outcome {
  let best: Outcome = { assigned: 0, cost: no }
  const better = (a: Outcome, b: Outcome) =>
    skip === no
      ? a.assigned > b.assigned || (a.assigned === b.assigned && a.cost < b.cost)
      : a.cost - skip * a.assigned < b.cost - skip * b.assigned
  const go = (row: number, taken: ReadonlySet<number>, sofar: Outcome) => {
    if (row === cost.length) {
      if (best.cost === no || better(sofar, best)) best = sofar
      return
    }
    go(row + 1, taken, sofar)
    for (const [column, value] of cost[row]!.entries())
      if (value < no && !taken.has(column))
        go(row + 1, new Set([...taken, column]), { assigned: sofar.assigned + 1, cost: sofar.cost + value })
  }
  go(0, new Set(), { assigned: 0, cost: 0 })
  return best
}

function matrix(random: Random): number[][] {
  const rows = 1 + Math.floor(random() * 5)
  const columns = 1 + Math.floor(random() * 5)
  const forbidden = random() * 0.8
  const ties = random() < 0.5
  return Array.from({ length: rows }, () =>
    Array.from({ length: columns }, () => {
      if (random() < forbidden) return no
      return ties ? Math.floor(random() * 3) : random() * 10 - 2
    }),
  )
}

t.test('edges', async (t) => {
  t.same(assign([]), [])
  t.same(assign([[], []]), [-1, -1])
  t.same(assign([[5, 2, 9]]), [1])
  t.same(assign([[5], [2], [9]]), [-1, 0, -1])
  t.same(
    assign([
      [no, no],
      [no, no],
    ]),
    [-1, -1],
  )
  t.same(assign([[Number.NaN, 1]]), [1], 'NaN forbids')
  t.throws(() => assign([[1, 2], [1]]), RangeError)
})

t.test('as cheap as the best of all assignments, 600 random matrices', async (t) => {
  const random = seeded(11)
  for (let i = 0; i < 600; i++) {
    const cost = matrix(random)
    const skip = i % 2 === 0 ? no : random() * 4
    const result = assign(cost, skip)
    const used = result.filter((column) => column >= 0)
    if (new Set(used).size !== used.length) t.fail(`a column twice: ${JSON.stringify({ cost, result })}`)
    const got = outcome(cost, result)
    const want = bruteForce(cost, skip)
    const close =
      skip === no
        ? got.assigned === want.assigned && Math.abs(got.cost - want.cost) < 1e-9
        : Math.abs(got.cost - skip * got.assigned - (want.cost - skip * want.assigned)) < 1e-9
    if (!close) t.fail(JSON.stringify({ cost, skip, result, got, want }))
  }
})

t.test('a good pair is not broken up to make two bad ones', async (t) => {
  const cost = [
    [0.05, 0.79],
    [0.75, no],
  ]
  t.same(assign(cost), [1, 0], 'unless as many as possible are wanted')
  t.same(assign(cost, 0.8), [0, -1])
})

t.test('sixty-four faces take milliseconds', async (t) => {
  const random = seeded(12)
  const cost = Array.from({ length: 64 }, () => Array.from({ length: 64 }, () => random()))
  const from = performance.now()
  for (let i = 0; i < 10; i++) assign(cost, 0.8)
  const each = (performance.now() - from) / 10
  t.comment(`${each.toFixed(1)} ms`)
  t.ok(each < 100)
})

t.test('detections continue predictions', async (t) => {
  const options = { ...defaultMotionOptions, minIou: 0.2, maxJump: 2.5 }
  const motion = (x: number, ms = 60) => predict(startMotion(square(x, 100, 40), options), ms, options)
  const face = (x: number, side = 40) => faceAt(square(x, 100, side))

  const clear = pair([motion(100), motion(200)], [face(205), face(103)], options)
  t.equal(clear.get(0)?.face.box.x, 83)
  t.equal(clear.get(0)?.tie, 'clear')
  t.equal(clear.get(1)?.tie, 'clear')

  const rivals = pair([motion(100), motion(125)], [face(104)], options)
  t.equal(rivals.get(0)?.tie, 'contested')
  t.equal(rivals.has(1), false)

  const jumped = pair([motion(100, 300)], [face(150)], options)
  t.equal(jumped.get(0)?.tie, 'jumped', 'no overlap, but no farther than people move in that time')
  t.equal(pair([motion(100, 60)], [face(190)], options).size, 0, 'farther than people move')
  t.equal(pair([motion(100, 300)], [face(150, 90)], options).size, 0, 'another size')
  t.equal(pair([motion(100, 300)], [face(150), face(50)], options).size, 0, 'either side: nobody knows')
  t.equal(pair([motion(60, 300), motion(140, 300)], [face(100)], options).size, 0, 'from either side: likewise')
  t.equal(pair([], [face(1)], options).size, 0)
  t.equal(pair([motion(1)], [], options).size, 0)
})

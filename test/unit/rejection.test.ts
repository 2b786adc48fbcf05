import t from 'tap'
import { rejections } from '../../firmware/evaluation/rejection.js'

t.test('of a quality that knows the errors, they go first', async (t) => {
  const judged = Array.from({ length: 100 }, (_, i) => ({ quality: i / 100, right: i >= 5 }))
  const found = rejections(judged)
  t.same(
    found.map(({ rejected, missed }) => [rejected, missed.count, missed.of]),
    [
      [0, 5, 100],
      [0.01, 4, 99],
      [0.02, 3, 98],
      [0.05, 0, 95],
      [0.1, 0, 90],
      [0.2, 0, 80],
      [0.3, 0, 70],
    ],
  )
  t.equal(found[3]!.from, 0.05)
})

t.test('of one that knows nothing, the share of errors stays', async (t) => {
  const judged = Array.from({ length: 1000 }, (_, i) => ({ quality: ((i * 617) % 1000) / 1000, right: i % 10 !== 0 }))
  for (const { missed } of rejections(judged)) t.ok(Math.abs(missed.value - 0.1) < 0.02)
  t.match(rejections([])[0], { missed: { count: 0, of: 0 } })
})

import t from 'tap'
import { bestThreshold, type ScoredPair, verification } from '../../firmware/evaluation/verification.js'

const pairs = (same: readonly number[], different: readonly number[]): ScoredPair[] => [
  ...same.map((similarity) => ({ similarity, same: true })),
  ...different.map((similarity) => ({ similarity, same: false })),
]

t.test('the best threshold lies between what it parts', async (t) => {
  t.equal(bestThreshold(pairs([0.75, 0.5], [0.25, 0])), 0.375)
  t.equal(bestThreshold(pairs([0.75, 0.25], [0.5, 0])), (0.625 + 0.125) / 2, 'of two as good, the middle')
  t.ok(bestThreshold(pairs([], [0.9, 0.5])) > 0.9, 'nobody is the same')
  t.equal(bestThreshold(pairs([0.5, 0.5], [0.5, 0.25])), 0.375, 'equal scores stand together')
})

t.test('each fold is judged at the threshold of the others', async (t) => {
  // The only pairs that a high threshold would suit are in the fold that is judged.
  const same = Array.from({ length: 10 }, () => 0.6)
  const different = [0.9, ...Array.from({ length: 9 }, () => 0.2)]
  const { accuracy, pairs: counts } = verification(pairs(same, different))
  t.same(counts, { same: 10, different: 10 })
  t.same(accuracy.folds, [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1])
  t.equal(accuracy.mean, 0.95)
  t.ok(Math.abs(accuracy.standardError - 0.05) < 1e-12, 'sample deviation over the root of ten')
  t.ok(accuracy.threshold > 0.2 && accuracy.threshold < 0.6)
})

t.test('pairs without a face are taken for two people', async (t) => {
  const { accuracy } = verification(pairs([-1, ...Array(9).fill(0.8)], Array(10).fill(0.1)))
  t.equal(accuracy.mean, 0.95)
})

t.test('few pairs are fewer folds, none are none', async (t) => {
  t.equal(verification(pairs([0.8, 0.9], [0.1])).accuracy.folds.length, 2)
  t.same(verification([]).accuracy.folds, [])
})

import t from 'tap'
import { type Comparison, fused, identification } from '../../firmware/evaluation/identification.js'

const asked = (subject: string, person: number | undefined, ...scores: number[]): Comparison => ({
  subject,
  person,
  scores: Float32Array.from(scores),
})

t.test('right is who comes first and reaches the threshold', async (t) => {
  const known = [
    asked('anna', 0, 0.75, 0.25),
    asked('anna', 0, 0.25, 0.5), // ben comes first
    asked('ben', 1, 0.125, 0.375), // too low
    { subject: 'ben', person: 1, scores: null }, // no face
  ]
  const strangers = [asked('x', undefined, 0.5, 0.125), asked('y', undefined, 0, 0.25)]
  const result = identification(known, strangers, 0.5)
  t.match(result.shipped, { accepted: { count: 1, of: 4 }, falselyAccepted: { count: 1, of: 2 } })
  t.equal(result.mistaken, 1)
  const [percent] = result.points
  t.match(percent, { wanted: 0.01, accepted: { count: 1 }, falselyAccepted: { count: 0 } })
  t.same(result.curve.at(-1), [1, 0.5], 'without a threshold, two of four are first')
})

t.test('fusing is the mean, person by person', async (t) => {
  const pictures = [
    asked('x', undefined, 0.75, 0),
    asked('y', undefined, 0.5, 0),
    asked('x', undefined, 0, 0.75),
    { subject: 'x', person: undefined, scores: null },
    asked('x', undefined, 0.5, 0.25),
    asked('x', undefined, 1, 1),
  ]
  const [x, ...more] = fused(pictures, 4)
  t.same(more, [], 'what is left over, and who has too few, is left out')
  t.equal(x!.subject, 'x')
  t.same(
    [...x!.scores!].map((score) => score.toFixed(4)),
    ['0.4167', '0.3333'],
  )
  t.equal(fused([{ subject: 'z', person: 1, scores: null }], 1)[0]!.scores, null)
})

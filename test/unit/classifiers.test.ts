import t from 'tap'
import { agreed, first, imprinting, nearest, svm } from '../../firmware/domain/classifiers.js'
import { probabilities, train } from '../../firmware/domain/svm.js'
import { picture, randomLooks, seeded } from '../support/scenes.js'

const classifiers = { nearest, imprinting, svm }
const row = (...values: number[]) => Float32Array.from(values)
const best = (scores: Float32Array) => scores.indexOf(Math.max(...scores))

t.test('nearest: a person scores what his nearest template does', async (t) => {
  const scores = nearest([[row(1, 0), row(0.6, 0.8)], [row(0, -1)], []])(row(0, 1))
  t.same([...scores], [Math.fround(0.8), -1, -1])
})

t.test('imprinting: a person is the mean of his templates', async (t) => {
  const scores = imprinting([[row(1, 0), row(0, 1)], [row(0, -1)], []])(row(0, 1))
  t.ok(Math.abs(scores[0]! - Math.SQRT1_2) < 1e-6)
  t.equal(scores[1], -1)
  t.equal(scores[2], -1, 'nobody without templates')
})

// Twenty people, five pictures each but for one who has twenty.
const random = seeded(11)
const looks = Array.from({ length: 20 }, () => randomLooks(random))
const gallery = looks.map((look, person) => Array.from({ length: person === 0 ? 20 : 5 }, () => picture(look, random)))

for (const [name, train] of Object.entries(classifiers))
  t.test(`${name}: people are told apart, and who has most pictures attracts nobody`, async (t) => {
    const classify = train(gallery)
    for (const [person, look] of looks.entries()) {
      const scores = classify(picture(look, random))
      t.equal(best(scores), person)
      t.ok(scores.every((score) => score >= -1 && score <= 1))
    }
    const strangers = Array.from({ length: 200 }, () => best(classify(randomLooks(random))))
    // One in twenty is his share: ten.
    const his = strangers.filter((person) => person === 0).length
    t.ok(his <= 40, `${his} of 200 strangers resemble him most`)
    t.same(train(gallery)(looks[3]!), train(gallery)(looks[3]!), 'the same every time')
  })

t.test('svm: strangers are improbable, the enrolled probable', async (t) => {
  const classify = svm(gallery)
  const own = looks.map((look, person) => classify(picture(look, random))[person]!)
  const strange = Array.from({ length: 100 }, () => Math.max(...classify(randomLooks(random))))
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!
  t.ok(median(own) > 0.8, `enrolled ${median(own)}`)
  t.ok(median(strange) < 0.2, `strangers ${median(strange)}`)
})

t.test('hardly anybody enrolled', async (t) => {
  for (const train of Object.values(classifiers)) {
    t.same([...train([])(row(1, 0))], [])
    const [score] = train([[row(1, 0)]])(row(1, 0))
    t.ok(Number.isFinite(score))
    t.equal(train([[], [row(1, 0)]])(row(1, 0))[0], -1)
  }
})

t.test('nobody comes first where nobody is enrolled or no face was found', async (t) => {
  t.same(first(null), { best: undefined, score: -1 })
  t.same(first(new Float32Array()), { best: undefined, score: -1 })
})

t.test('nearest and machines must agree', async (t) => {
  const similarities = row(0.25, 0.75, -0.5)
  t.same([...agreed(similarities, row(0.125, 0.5, 0.25), 0.5)], [0.25, 0.75, -0.5])
  t.same([...agreed(similarities, row(0.125, 0.5, 0.25), 0.625)], [0, 0, -0.5], 'too improbable')
  t.same([...agreed(similarities, row(0.875, 0.5, 0.25), 0.5)], [0, 0, -0.5], 'another person')
  t.same([...agreed(row(), row(), 0.5)], [])
})

t.test('svm: without weights whoever has many pictures attracts strangers', async (t) => {
  const attracted = (balanced: boolean) => {
    const machine = train(gallery, { costs: [1], balanced })
    const random = seeded(5)
    return Array.from({ length: 400 }, () => best(probabilities(machine, randomLooks(random)))).filter((i) => i === 0)
      .length
  }
  t.ok(attracted(false) > 1.2 * attracted(true), `${attracted(false)} without, ${attracted(true)} with`)
})

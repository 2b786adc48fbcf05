import t from 'tap'
import {
  differentFaces,
  fewestFor,
  laxerFromLess,
  standardAfter,
  tooFewStrangers,
  tooFewSubjects,
} from '../../firmware/evaluation/support.js'

t.test('the rule of three', async (t) => {
  t.same([0.01, 0.005, 0.001].map(fewestFor), [300, 600, 3000])
  // What the rule approximates: none of n, 19 times in 20, is a share of 1 - 0.05^(1/n).
  for (const share of [0.01, 0.005, 0.001]) t.ok(1 - 0.05 ** (1 / fewestFor(share)) < share)
})

t.test('a threshold needs strangers, and people whom they may resemble', async (t) => {
  t.equal(tooFewStrangers({ strangers: 300, people: 10 }), undefined)
  t.match(tooFewStrangers({ strangers: 299, people: 10 }), /299 different strangers .* none of 300 must pass/)
  t.match(
    tooFewStrangers({ strangers: 8, named: 320, people: 10 }),
    /^8 different strangers with a face \(under 320 names\) are/,
  )
  t.match(tooFewStrangers({ strangers: 1, people: 10 }), /^1 different stranger with a face is too few/)
  t.match(tooFewStrangers({ strangers: 300, people: 9 }), /9 people enrolled are too few/)
})

t.test('pictures of one man under many names are one stranger', async (t) => {
  const at = (degrees: number) =>
    Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180))
  const men = [0, 90, 180].flatMap((man) => [man, man + 5, man + 10].map(at))
  t.equal(differentFaces(men, 0.9), 3)
  t.equal(differentFaces(men, 0.99), 6, 'ten degrees apart are two then, five are one')
  t.equal(differentFaces([0, 40, 80].map(at), 0.64), 2, 'who is like none that was counted counts')
})

t.test('an operating point of liveness needs subjects with frames enough', async (t) => {
  const enough = { living: 5, attacked: 5, pictures: 100, together: 10, wanted: 0.01 }
  t.equal(tooFewSubjects(enough), undefined)
  t.match(tooFewSubjects({ ...enough, living: 4 }), /4 living subjects .* of 10 frames or more/)
  t.match(tooFewSubjects({ ...enough, attacked: 4 }), /4 subjects of pictures/)
  t.match(tooFewSubjects({ ...enough, pictures: 99 }), /99 frames of pictures are too few: one in 100/)
})

t.test('laxer from less is told, stricter or from as much is not', async (t) => {
  const old = { similarity: 0.6, measured: { strangers: 600, templates: 1465 } }
  const next = (similarity: number, strangers: number, templates: number) =>
    laxerFromLess({ similarity, measured: { strangers, templates } }, old)
  t.match(next(0.5, 599, 1465), /0.5 is laxer than 0.6 and measured on less: 599 strangers instead of 600/)
  t.match(next(0.5, 600, 293), /293 templates instead of 1465/)
  t.equal(next(0.5, 600, 1465), undefined)
  t.equal(next(0.6, 1, 1), undefined)
  t.equal(laxerFromLess({ similarity: 0.5, measured: {} }, undefined), undefined, 'the first one')

  const strict = { similarity: 0.7, measured: { strangers: 300, templates: 50 } }
  t.equal(laxerFromLess(strict, old), undefined)
  t.equal(standardAfter(strict, old), old, 'and what comes after it is still held against the old one')
  t.equal(standardAfter({ similarity: 0.5, measured: { strangers: 600, templates: 1500 } }, old), undefined)
})

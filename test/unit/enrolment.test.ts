import t from 'tap'
import { chooseTemplates, cosine, lookAlike, type Sample } from '../../firmware/domain/enrolment.js'
import { picture, randomLooks, seeded } from '../support/scenes.js'

const random = seeded(7)
const ann = randomLooks(random)
const bob = randomLooks(random)
const sample = (looks: Float32Array, source: string, quality = 0.9): Sample => ({
  embedding: picture(looks, random, 0.9),
  quality,
  source,
})

t.test('keeps what is of one face and names what is not', async (t) => {
  const own = Array.from({ length: 6 }, (_, i) => sample(ann, `ann-${i}`))
  const { templates, refused } = chooseTemplates([...own, sample(bob, 'bob-1')], { count: 10, threshold: 0.5 })
  t.equal(templates.length, 6)
  t.match(refused, [{ source: 'bob-1', reason: /same person/ }])
})

t.test('takes the best first, then what differs', async (t) => {
  const near = picture(ann, random, 0.9)
  const twins = [0, 1, 2].map((i): Sample => ({ embedding: near, quality: 0.9, source: `twin-${i}` }))
  const { templates } = chooseTemplates([...twins, sample(ann, 'best', 1), sample(ann, 'other', 0.8)], {
    count: 3,
    threshold: 0.5,
  })
  t.equal(templates[0]?.source, 'best')
  t.equal(templates.filter(({ source }) => source.startsWith('twin')).length, 1, 'one of three equal pictures')
})

t.test('nothing in, nothing out', async (t) => {
  t.same(chooseTemplates([], { count: 5, threshold: 0.5 }), { templates: [], refused: [] })
})

t.test('finds whom a new face would be taken for, but not the person himself', async (t) => {
  const gallery = [
    { person: 'Ann', embedding: picture(ann, random, 0.95) },
    { person: 'Bob', embedding: picture(bob, random, 0.95) },
  ]
  const probe = [sample(ann, 'x')]
  t.match(lookAlike(probe, gallery, 'Carol', 0.5), { person: 'Ann' })
  t.equal(lookAlike(probe, gallery, 'Ann', 0.5), undefined)
  t.equal(lookAlike([sample(randomLooks(random), 'y')], gallery, 'Carol', 0.5), undefined)
  t.ok(Math.abs(cosine(ann, ann) - 1) < 1e-6)
})

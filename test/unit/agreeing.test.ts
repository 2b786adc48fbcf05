/** The recognizer whose answers the machines must agree with, over one whose answers and training the test gives. */
import t from 'tap'
import { Agreeing } from '../../firmware/app/agreeing.js'
import type { Machines, Picture, Recognizer, Template, Trainer } from '../../firmware/ports.js'

const clarity = { sharpness: 1, contrast: 1, brightness: 1, clipped: 0 }
const embedding = Float32Array.of(1, 0)

const inner = (): Recognizer & { galleries: number } => ({
  galleries: 0,
  engine: 'scripted',
  fallback: null,
  notes: [],
  pixels: 'rgb',
  embedder: 'test',
  dimensions: 2,
  threshold: 0.6,
  liveFrom: undefined,
  detect: async () => ({ faces: [], timings: {} }),
  identify: async () => ({
    faces: [
      {
        embedding,
        clarity,
        candidates: [
          { person: 'Anna', similarity: 0.75 },
          { person: 'Ben', similarity: 0.5 },
        ],
      },
    ],
    timings: {},
  }),
  setGallery() {
    this.galleries++
  },
  changeGallery() {
    this.galleries++
    return []
  },
  close: async () => {},
})

/** Machines that give the embedding above these probabilities. */
function machines(probabilities: Record<string, number>): Machines {
  const people = Object.keys(probabilities)
  const planes = people.flatMap((person) => [0, 0, Math.log(probabilities[person]! / (1 - probabilities[person]!))])
  return {
    people,
    machine: { people: people.length, planes: Float32Array.from(planes), slope: 1, offset: 0, cost: 1 },
  }
}

/** Training that ends when the test says so. */
function byHand() {
  const asked: { resolve: (trained: Machines | undefined) => void; reject: (error: Error) => void }[] = []
  const trainer: Trainer = { train: () => new Promise((resolve, reject) => asked.push({ resolve, reject })) }
  return { asked, trainer }
}

const templates: Template[] = []
const similarities = async (recognizer: Recognizer) =>
  (await recognizer.identify({} as Picture, [[]])).faces[0]!.candidates.map(({ similarity }) => similarity)

t.test('the nearest template decides alone until the machines are there, and after each change', async (t) => {
  const { asked, trainer } = byHand()
  const below = inner()
  const recognizer = new Agreeing(below, 0.5, trainer, t.fail)
  t.match(recognizer, { embedder: 'test', threshold: 0.6, engine: 'scripted' })
  recognizer.setGallery(templates)
  t.equal(below.galleries, 1, 'at once')
  t.same(await similarities(recognizer), [0.75, 0.5])
  asked[0]!.resolve(machines({ Ben: 0.9, Anna: 0.1 }))
  await Promise.resolve()
  t.same(await similarities(recognizer), [0, 0], 'the machines say it is Ben: it is nobody')
  recognizer.setGallery(templates)
  t.same(await similarities(recognizer), [0.75, 0.5], 'the old machines know another gallery')
  recognizer.setGallery(templates)
  asked[1]!.resolve(machines({ Ben: 0.9, Anna: 0.1 }))
  await Promise.resolve()
  t.same(await similarities(recognizer), [0.75, 0.5], 'machines that come too late are of no use')
  asked[2]!.resolve(machines({ Anna: 0.6, Ben: 0.1, Carl: 0.2 }))
  await Promise.resolve()
  t.same(await similarities(recognizer), [0.75, 0.5], 'they agree')
})

t.test('refused: too improbable, or somebody the machines do not know', async (t) => {
  for (const probabilities of [
    { Anna: 0.4, Ben: 0.1 },
    { Ben: 0.9, Carl: 0.8 },
  ]) {
    const { asked, trainer } = byHand()
    const recognizer = new Agreeing(inner(), 0.5, trainer, t.fail)
    recognizer.setGallery(templates)
    asked[0]!.resolve(machines(probabilities))
    await Promise.resolve()
    const [anna] = await similarities(recognizer)
    t.equal(anna, 0, JSON.stringify(probabilities))
  }
})

t.test('a gallery that changes in parts is trained once it is whole', async (t) => {
  const { asked, trainer } = byHand()
  const trained: (readonly Template[])[] = []
  const noting: Trainer = {
    train(all) {
      trained.push(all)
      return trainer.train(all)
    },
  }
  const recognizer = new Agreeing(inner(), 0.5, noting, t.fail)
  const person = (id: string) => ({ id, person: `the name of ${id}`, embeddings: [embedding, embedding] })
  recognizer.changeGallery([person('1'), person('2')], false)
  t.same(trained, [])
  recognizer.changeGallery([person('3'), { id: '1', embeddings: [] }], true)
  t.same(
    trained[0]!.map(({ person }) => person),
    ['the name of 2', 'the name of 2', 'the name of 3', 'the name of 3'],
  )
  asked[0]!.resolve(machines({ Ben: 0.9, Anna: 0.1 }))
  await Promise.resolve()
  t.same(await similarities(recognizer), [0, 0])
  recognizer.changeGallery([person('4')], false)
  t.same(await similarities(recognizer), [0.75, 0.5], 'machines of another gallery decide nothing')
})

t.test('training that fails is told, and the door goes on', async (t) => {
  const { asked, trainer } = byHand()
  const told: string[] = []
  const recognizer = new Agreeing(inner(), 0.5, trainer, (reason) => told.push(reason))
  recognizer.setGallery(templates)
  asked[0]!.reject(new Error('out of memory'))
  await new Promise((resolve) => setImmediate(resolve))
  t.same(told, ['out of memory'])
  t.same(await similarities(recognizer), [0.75, 0.5])
})

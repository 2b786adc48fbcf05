/** What a frame costs by faces in view and by resolution, and a face by the size of the gallery: measured and drawn. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { openCamera, pictureFromRgb } from '../adapters/recognizer-native.js'
import { loadConfig } from '../config.js'
import type { Box, Face } from '../domain/types.js'
import { type Cost, type CostChart, costSvg } from '../evaluation/cost-chart.js'
import { seeded } from '../evaluation/random.js'
import type { Picture, Recognizer, Template } from '../ports.js'
import { clip } from './clips.js'
import { openRecognizer } from './recognition.js'

const repeats = 3
const facesInView = [0, 1, 2, 4, 8, 16]
const resolutions = [
  [320, 240],
  [640, 480],
  [1280, 720],
  [1920, 1080],
] as const
const galleries = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]

interface Pixels {
  readonly rgb: Buffer
  readonly width: number
  readonly height: number
}

export interface Curve extends CostChart {
  readonly file: string
}

/** One thread. Writes a picture a curve into `folder`, and gives each as soon as it is drawn. */
export async function* measureCurves(folder: string): AsyncGenerator<Curve> {
  const config = loadConfig([], {})
  const recognizer = await openRecognizer({ ...config, recognizer: { ...config.recognizer, threads: 1 } })
  try {
    mkdirSync(folder, { recursive: true })
    const tile = await faceTile(recognizer)
    for (const measure of [byFaces, byResolution, byGallery]) {
      const curve = await measure(recognizer, tile)
      writeFileSync(join(folder, curve.file), costSvg(curve))
      yield curve
    }
  } finally {
    await recognizer.close()
  }
}

/** The least CPU time of the process over some runs, ms: what others do on the machine can only add to it. */
async function cost(work: () => Promise<unknown>): Promise<number> {
  await work()
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < repeats; i++) {
    const before = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

/** A square around the first face of a recording. */
async function faceTile(recognizer: Recognizer): Promise<Pixels> {
  const camera = await openCamera({ source: `file:${clip('cap12_edit')}`, realtime: false, stallSeconds: 60 })
  try {
    for (;;) {
      const outcome = await camera.next()
      if (outcome.type !== 'frame') throw new Error('the recording cap12_edit shows no face')
      const { frame } = outcome
      const [face] = (await recognizer.detect(frame)).faces
      const square = face && squareAround(face.box, frame)
      const tile = square && cut({ rgb: frame.rgb(), width: frame.width, height: frame.height }, square)
      frame.release()
      if (tile) return tile
    }
  } finally {
    await camera.close()
  }
}

function squareAround({ x, y, width, height }: Box, picture: Picture): Box {
  const side = Math.min(Math.round(1.4 * Math.max(width, height)), picture.width, picture.height)
  const inside = (middle: number, length: number) => Math.round(Math.max(0, Math.min(middle - side / 2, length - side)))
  return {
    x: inside(x + width / 2, picture.width),
    y: inside(y + height / 2, picture.height),
    width: side,
    height: side,
  }
}

function cut({ rgb, width: across }: Pixels, { x, y, width, height }: Box): Pixels {
  const row = (i: number) => rgb.subarray(3 * ((y + i) * across + x), 3 * ((y + i) * across + x + width))
  return { rgb: Buffer.concat(Array.from({ length: height }, (_, i) => row(i))), width, height }
}

/** A grey picture with so many copies of the tile, each of the side given, in rows. */
function scene(tile: Pixels, width: number, height: number, count: number, side: number): Picture {
  const rgb = Buffer.alloc(3 * width * height, 128)
  const perRow = Math.floor(width / side)
  for (let i = 0; i < count; i++) {
    const [left, top] = [(i % perRow) * side, Math.floor(i / perRow) * side]
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        const from = Math.floor((y * tile.height) / side) * tile.width + Math.floor((x * tile.width) / side)
        tile.rgb.copy(rgb, 3 * ((top + y) * width + left + x), 3 * from, 3 * from + 3)
      }
  }
  return pictureFromRgb(rgb, width, height)
}

/** A sweep, a refinement of the faces that it found, and their identification. */
async function costsOf(recognizer: Recognizer, picture: Picture) {
  const { faces } = await recognizer.detect(picture)
  const boxes = faces.map(({ box }: Face) => box)
  const marks = faces.map(({ landmarks }: Face) => landmarks)
  const none = faces.length === 0
  return {
    found: faces.length,
    sweep: await cost(() => recognizer.detect(picture)),
    refine: none ? 0 : await cost(() => recognizer.detect(picture, boxes)),
    identify: none ? 0 : await cost(() => recognizer.identify(picture, marks)),
  }
}

type Costs = Awaited<ReturnType<typeof costsOf>> & { readonly at: number }

const series = (rows: readonly Costs[]): Cost[] =>
  (['sweep', 'refine', 'identify'] as const).map((name) => ({
    name: { sweep: 'full sweep', refine: 'faces followed', identify: 'faces identified' }[name],
    points: rows.map(({ at, [name]: ms }) => ({ at, ms })),
  }))

async function byFaces(recognizer: Recognizer, tile: Pixels): Promise<Curve> {
  const rows: Costs[] = []
  for (const wanted of facesInView) {
    const picture = scene(tile, 1280, 720, wanted, 180)
    const costs = await costsOf(recognizer, picture)
    picture.release()
    rows.push({ ...costs, at: costs.found })
  }
  const title = 'A frame of 1280×720 by faces in view'
  return { file: 'cost-faces.svg', title, x: 'faces found', label: String, costs: series(rows) }
}

async function byResolution(recognizer: Recognizer, tile: Pixels): Promise<Curve> {
  const rows: Costs[] = []
  for (const [width, height] of resolutions) {
    const picture = scene(tile, width, height, 1, height / 2)
    rows.push({ ...(await costsOf(recognizer, picture)), at: width * height })
    picture.release()
  }
  const label = (at: number) => resolutions.find(([width, height]) => width * height === at)!.join('×')
  return { file: 'cost-resolution.svg', title: 'A frame with one face', x: 'resolution', label, costs: series(rows) }
}

async function byGallery(recognizer: Recognizer, tile: Pixels): Promise<Curve> {
  const picture = scene(tile, 640, 480, 1, 240)
  const marks = (await recognizer.detect(picture)).faces.map(({ landmarks }) => landmarks)
  const points: { at: number; whole: number; compared: number; floor: number }[] = []
  for (const size of galleries) {
    const bytes = size * recognizer.dimensions * 4
    // Once here, twice while it is handed over.
    if (3 * bytes > freemem() / 2) break
    recognizer.setGallery(strangers(size, recognizer.dimensions))
    // Not CPU time: it is measured inside.
    let compared = Number.POSITIVE_INFINITY
    const whole = await cost(async () => {
      const { timings } = await recognizer.identify(picture, marks)
      compared = Math.min(compared, timings.match ?? 0)
    })
    points.push({ at: size, whole, compared, floor: reading(bytes) })
  }
  recognizer.setGallery([])
  picture.release()
  const label = (at: number) => at.toLocaleString('en')
  const costs = [
    { name: 'one face identified', points: points.map(({ at, whole }) => ({ at, ms: whole })) },
    { name: 'of that, compared with all templates', points: points.map(({ at, compared }) => ({ at, ms: compared })) },
    { name: 'reading as much memory once', points: points.map(({ at, floor }) => ({ at, ms: floor })) },
  ]
  return { file: 'cost-gallery.svg', title: 'A face by the size of the gallery', x: 'templates', label, costs }
}

/** What a search that looks at every template cannot go below: memcmp(3) of one half of so many bytes with the other, ms. */
function reading(bytes: number): number {
  const block = Buffer.alloc(bytes, 1)
  const [left, right] = [block.subarray(0, bytes / 2), block.subarray(bytes / 2)]
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i <= repeats; i++) {
    const before = performance.now()
    left.equals(right)
    least = Math.min(least, performance.now() - before)
  }
  return least
}

/** Vectors that point anywhere, ten a person; the same ones each time. */
function strangers(count: number, dimensions: number): Template[] {
  const values = new Float32Array(count * dimensions)
  const random = seeded(1)
  for (let i = 0; i < values.length; i++) values[i] = 2 * random() - 1
  return Array.from({ length: count }, (_, i) => ({
    person: `Person ${Math.floor(i / 10)}`,
    embedding: values.subarray(i * dimensions, (i + 1) * dimensions),
  }))
}

/** `facelatch evaluate liveness`: how often a picture of somebody is taken for him, and he for a picture. */
import { readdirSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { type ModelEntry, writeThreshold } from '../adapters/models-manifest.js'
import { decodePicture } from '../adapters/pictures-sharp.js'
import { loadRecognizer, pictureFromRgb } from '../adapters/recognizer-native.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { framesTogether, type LivenessFrame } from '../domain/liveness.js'
import { attack, attackKinds } from '../evaluation/attacks.js'
import { svg } from '../evaluation/chart.js'
import {
  judged,
  type LivenessErrors,
  type LivenessResult,
  liveness,
  type Presentation,
} from '../evaluation/liveness.js'
import { chooseModels, detectorName, livenessNets, manifestPath } from '../models.js'
import type { Picture, Recognizer } from '../ports.js'
import { inRoot } from '../root.js'
import { readArguments, readConfig } from './arguments.js'
import { readDataset } from './evaluate-data.js'
import { counted, type Grid, pageOf, percent, printGrids } from './evaluate-output.js'
import { facesOf } from './recognition.js'

const usage = `usage: facelatch evaluate liveness [--data DIR] [--synthetic N] [--detector NAME] [--json] [--report FILE.html] [--write-threshold] [--config FILE]
Pictures taken for living faces (APCER) and living faces taken for pictures (BPCER), one frame at a time and fused over ${framesTogether} as at
the door; each subject at the operating point chosen from the others.
--data DIR         DIR/live/SUBJECT/*.jpg and, for each kind of attack, DIR/KIND/SUBJECT/*.jpg, frames in the order of their names;
                   default: ../shared/data/nuaa-dev beside the program
--synthetic N      renders prints, screens and cut-outs of the stills of N people of DIR/images/NAME/*.jpg (default:
                   ../shared/data/lfw-dev) and judges those at the operating point in use: a comparison, no certificate
--detector NAME    mtcnn or yunet
--write-threshold  puts the operating point that is best for all subjects into models/manifest.json`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      data: { type: 'string' },
      synthetic: { type: 'string' },
      detector: { type: 'string' },
      json: { type: 'boolean' },
      report: { type: 'string' },
      'write-threshold': { type: 'boolean' },
    },
    usage,
  )
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const { report, detector } = values
  if (report !== undefined && !report.endsWith('.html')) throw wrongUsage('--report takes FILE.html')
  if (detector !== undefined && detector !== 'mtcnn' && detector !== 'yunet')
    throw wrongUsage(`--detector takes mtcnn or yunet, not "${detector}"`)
  const people = values.synthetic === undefined ? undefined : Number(values.synthetic)
  if (people !== undefined && !(Number.isInteger(people) && people > 1))
    throw wrongUsage(`--synthetic takes a number of people from 2 on, not "${values.synthetic}"`)
  if (values['write-threshold'] && people !== undefined)
    throw wrongUsage('--write-threshold goes with real attacks: what was rendered certifies nothing')

  const given = readConfig(values.config)
  const config: Config = {
    ...given,
    recognizer: { ...given.recognizer, liveness: 'require', ...(detector !== undefined && { detector }) },
  }
  const data = resolve(
    values.data ?? inRoot(people === undefined ? '../shared/data/nuaa-dev' : '../shared/data/lfw-dev'),
  )
  const result = await evaluate(config, people === undefined ? recorded(data) : rendered(data, people), {
    data: basename(data),
    synthetic: people !== undefined,
  })
  if (values.json) console.log(JSON.stringify(result))
  else printGrids(heading(result), grids(result))
  if (values['write-threshold']) {
    const threshold = thresholdFrom(result)
    writeThreshold(manifestPath(), livenessNets[0]!, threshold, 'nearest')
    console.error(`${livenessNets[0]}: operating point ${threshold.similarity} written to ${manifestPath()}`)
  }
  if (report !== undefined) write(report, page(result))
  return 0
}

interface Shown {
  readonly subject: string
  readonly kind: string
  /** Frames in order, each decoded or rendered when it is its turn. */
  readonly frames: readonly (() => Promise<Picture>)[]
}

interface Evaluated {
  readonly kind: 'liveness'
  readonly data: string
  readonly detector: string
  readonly synthetic: boolean
  readonly subjects: number
  readonly frames: number
  /** Frames that the door would not have asked about: no face, or too poor a picture of one. */
  readonly left: Readonly<Record<string, number>>
  readonly single: LivenessResult
  readonly fused: LivenessResult
  /** Fused scores at their worst: the least of the subject's own, the highest of his pictures'. */
  readonly worst: readonly { readonly subject: string; readonly live?: number; readonly attack?: number }[]
}

async function evaluate(
  config: Config,
  shown: readonly Shown[],
  what: { readonly data: string; readonly synthetic: boolean },
): Promise<Evaluated> {
  const recognizer = await loadRecognizer(await chooseModels(config))
  const presentations: Presentation[] = []
  const left: Record<string, number> = {}
  try {
    for (const [i, { subject, kind, frames }] of shown.entries()) {
      const read: LivenessFrame[] = []
      for (const open of frames) {
        const seen = await frameOf(recognizer, await open(), config)
        if (seen === undefined) left[kind] = (left[kind] ?? 0) + 1
        else read.push(seen)
      }
      presentations.push({ subject, kind, frames: read })
      console.error(`${i + 1} of ${shown.length}: ${kind} ${subject}`)
    }
  } finally {
    await recognizer.close()
  }
  const fused = judged(presentations)
  const subjects = [...new Set(presentations.map(({ subject }) => subject))]
  const extreme = (subject: string) => {
    const own = fused.filter((one) => one.subject === subject)
    const [alive, attacks] = [own.filter(({ kind }) => kind === 'live'), own.filter(({ kind }) => kind !== 'live')]
    return {
      subject,
      ...(alive.length > 0 && { live: Math.min(...alive.map(({ score }) => score)) }),
      ...(attacks.length > 0 && { attack: Math.max(...attacks.map(({ score }) => score)) }),
    }
  }
  return {
    kind: 'liveness',
    ...what,
    detector: detectorName(config),
    subjects: subjects.length,
    frames: presentations.reduce((sum, { frames }) => sum + frames.length, 0),
    left,
    ...liveness(presentations, recognizer.liveFrom!),
    worst: subjects.map(extreme),
  }
}

/** What the door would have learned from this frame's subject. */
async function frameOf(recognizer: Recognizer, frame: Picture, config: Config): Promise<LivenessFrame | undefined> {
  try {
    const [face] = await facesOf(recognizer, frame)
    if (face?.liveness === undefined || face.quality < config.votes.minQuality) return undefined
    return { odds: face.liveness, landmarks: face.landmarks }
  } finally {
    frame.release()
  }
}

const picture = /\.(jpe?g|png|webp)$/i

function recorded(dir: string): Shown[] {
  const list = (path: string) => {
    try {
      return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    } catch (error) {
      throw new UserError(`cannot read the folder ${path} (${(error as NodeJS.ErrnoException).code}); check --data`)
    }
  }
  const folders = (path: string) => list(path).filter((entry) => entry.isDirectory())
  const shown = folders(dir).flatMap(({ name: kind }) =>
    folders(join(dir, kind)).map(({ name: subject }) => ({
      subject,
      kind,
      frames: list(join(dir, kind, subject))
        .filter(({ name }) => picture.test(name))
        .map(
          ({ name }) =>
            () =>
              decoded(join(dir, kind, subject, name)),
        ),
    })),
  )
  const subjectsOf = (wanted: (kind: string) => boolean) =>
    new Set(shown.filter(({ kind }) => wanted(kind)).map((one) => one.subject))
  const [alive, attacked] = [subjectsOf((kind) => kind === 'live'), subjectsOf((kind) => kind !== 'live')]
  if (alive.size < 2 || attacked.size < 2)
    throw new UserError(`${dir} needs live/SUBJECT/ and KIND/SUBJECT/ of two subjects or more each; check --data`)
  return shown
}

/** For each person one rendering of each kind, of his first still, in front of somebody else's; and the still itself. */
function rendered(dir: string, people: number): Shown[] {
  const { pictures } = readDataset(dir)
  const names = [...pictures.keys()].slice(0, people)
  if (names.length < 2) throw new UserError(`${dir} has pictures of ${names.length} people; two are needed`)
  return names.flatMap((subject, i) => {
    const still = pictures.get(subject)![0]!
    const room = pictures.get(names[(i + 1) % names.length]!)![0]!
    const attacks = attackKinds.map((kind, k): Shown => {
      let film: ReturnType<typeof attack> | undefined
      const frame = (at: number) => async () => {
        film ??= attack(kind, await decodePicture(still), await decodePicture(room), 1000 * i + k, framesTogether)
        const { rgb, width, height } = film[at]!
        if (at === framesTogether - 1) film = undefined
        return pictureFromRgb(rgb, width, height)
      }
      return { subject, kind, frames: Array.from({ length: framesTogether }, (_, at) => frame(at)) }
    })
    // One still is one frame: fused, it is that frame ten times.
    return [{ subject, kind: 'live', frames: Array(framesTogether).fill(() => decoded(still)) }, ...attacks]
  })
}

async function decoded(file: string): Promise<Picture> {
  const { rgb, width, height } = await decodePicture(file).catch((error: Error) => {
    throw new UserError(`${file} ${error.message}`)
  })
  return pictureFromRgb(rgb, width, height)
}

const heading = ({ data, detector, subjects, frames, synthetic, left }: Evaluated) =>
  `${livenessNets.join(' and ')}, ${detector}, ${data}${synthetic ? ', SYNTHETIC attacks' : ''}: ${subjects} subjects, ${frames} frames; ` +
  `not judged: ${Object.values(left).reduce((sum, n) => sum + n, 0)}`

function grids({ single, fused, worst, synthetic }: Evaluated): Grid[] {
  const limits = ([low, high]: readonly [number, number]) => `${percent(low)} to ${percent(high)}`
  const odds = (share: number) => Math.log(share / (1 - share)).toFixed(1)
  const row = (name: string, { threshold, apcer, bpcer, bySubject }: LivenessErrors) => [
    name,
    `${threshold.toPrecision(3)} (${odds(threshold)})`,
    Object.entries(apcer)
      .map(([kind, rate]) => `${kind} ${counted(rate)}`)
      .join('; '),
    limits(bySubject.apcer),
    counted(bpcer),
    limits(bySubject.bpcer),
  ]
  const table = (name: string, { crossValidated, best, inUse }: LivenessResult): Grid => [
    [name, 'threshold (log-odds)', 'APCER', 'drawn by subject', 'BPCER', 'drawn by subject'],
    // What was rendered is no ground to choose a threshold on.
    ...(synthetic ? [] : [row('each subject at the others’', crossValidated), row('best for all', best)]),
    row('in use', inUse),
  ]
  return [
    table('one frame', single),
    table(`fused over ${framesTogether}`, fused),
    [
      ['subject, log-odds fused', 'least of the living', 'highest of the pictures'],
      ...worst
        .slice(0, 40)
        .map(({ subject, live, attack: highest }) => [
          subject,
          live === undefined ? '' : odds(live),
          highest === undefined ? '' : odds(highest),
        ]),
    ],
  ]
}

function page(result: Evaluated): string {
  const drawing = svg({
    title: 'Living faces accepted, and pictures of them',
    x: 'APCER: pictures accepted',
    y: 'living faces accepted (1 − BPCER)',
    from: 1e-3,
    least: 0.5,
    series: [
      { name: 'one frame', points: result.single.curve, dashed: true },
      { name: `fused over ${framesTogether}`, points: result.fused.curve },
    ],
  })
  return pageOf('facelatch evaluate liveness', drawing, heading(result), grids(result))
}

/** The operating point for the manifest, with its basis. */
function thresholdFrom({ fused, data, detector, subjects }: Evaluated): NonNullable<ModelEntry['threshold']> {
  const { best, crossValidated } = fused
  if (crossValidated.bpcer.of === 0 || !Object.values(crossValidated.apcer).some(({ of }) => of > 0))
    throw new Error(`${data}: living faces or attacks are too few for an operating point; none was written`)
  // Rounded up: never laxer than what was measured.
  const similarity = Math.ceil(best.threshold * 1e4) / 1e4
  const attacks = Object.entries(crossValidated.apcer).map(([kind, { count, of }]) => `${count} of ${of} (${kind})`)
  const basis =
    `facelatch evaluate liveness on ${data}: ${detector}, ${livenessNets.join(' and ')}, fused over ${framesTogether} frames, ${subjects} subjects, ` +
    `each at the operating point of the others: ${attacks.join(', ')} pictures taken for living faces, ` +
    `${crossValidated.bpcer.count} of ${crossValidated.bpcer.of} living faces taken for pictures.`
  return { similarity, basis }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (error) {
    throw new UserError(`cannot write the report ${file} (${(error as NodeJS.ErrnoException).code}); check --report`)
  }
}

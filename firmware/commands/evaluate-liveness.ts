/** `facelatch evaluate liveness`: how often a picture of somebody is taken for him, and he for a picture. */
import { basename } from 'node:path'
import { livenessNets } from '../adapters/models-manifest.js'
import { loadRecognizer } from '../adapters/recognizer-native.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { framesTogether, type LivenessFrame } from '../domain/liveness.js'
import { svg } from '../evaluation/chart.js'
import {
  judged,
  type LivenessErrors,
  type LivenessResult,
  liveness,
  type Presentation,
  pictureShare,
} from '../evaluation/liveness.js'
import { tooFewSubjects } from '../evaluation/support.js'
import { chooseModels, detectorName, expectModelsWritable, livenessFault } from '../models.js'
import type { Picture, Recognizer } from '../ports.js'
import { readArguments, readConfig } from './arguments.js'
import { dataFolder } from './evaluate-data.js'
import { recorded, rendered, type Shown } from './evaluate-liveness-data.js'
import { counted, type Grid, pageOf, percent, printGrids } from './evaluate-output.js'
import { expectReport, writeReport } from './evaluate-report.js'
import { expectDetectorInUse, expectEnough, type Measured, write } from './evaluate-threshold.js'
import { facesOf } from './recognition.js'

const usage = `usage: facelatch evaluate liveness [--data DIR] [--synthetic N] [--detector NAME] [--json] [--report FILE.html] [--write-threshold [--force]] [--config FILE]
Pictures taken for living faces (APCER) and living faces taken for pictures (BPCER), one frame at a time and fused over ${framesTogether} as at
the door; each subject at the operating point chosen from the others.
--data DIR         DIR/live/SUBJECT/*.jpg and, for each kind of attack, DIR/KIND/SUBJECT/*.jpg, frames in the order of their names;
                   default: ../shared/data/nuaa-dev beside the program
--synthetic N      renders prints, screens and cut-outs of the stills of N people of DIR/images/NAME/*.jpg (default:
                   ../shared/data/lfw-dev) and judges those at the operating point in use: a comparison, no certificate
--detector NAME    mtcnn or yunet
--write-threshold  puts the operating point that is best for all subjects into local.json beside the models; not from too few subjects
                   or frames, nor a laxer one measured on less than the one that is there, unless with --force`

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
      force: { type: 'boolean' },
    },
    usage,
  )
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const { report, detector } = values
  if (report !== undefined && !report.endsWith('.html')) throw wrongUsage('--report takes FILE.html')
  expectReport(report)
  if (values.force && !values['write-threshold']) throw wrongUsage('--force goes with --write-threshold')
  if (detector !== undefined && detector !== 'mtcnn' && detector !== 'yunet')
    throw wrongUsage(`--detector takes mtcnn or yunet, not "${detector}"`)
  const people = values.synthetic === undefined ? undefined : Number(values.synthetic)
  if (people !== undefined && !(Number.isInteger(people) && people > 1))
    throw wrongUsage(`--synthetic takes a number of people from 2 on, not "${values.synthetic}"`)
  if (values['write-threshold'] && people !== undefined)
    throw wrongUsage('--write-threshold goes with real attacks: what was rendered certifies nothing')

  const given = readConfig(values.config)
  if (values['write-threshold'] && detector !== undefined) expectDetectorInUse(detector, given)
  const config: Config = {
    ...given,
    recognizer: { ...given.recognizer, liveness: 'require', ...(detector !== undefined && { detector }) },
  }
  const data = dataFolder(values.data, people === undefined ? 'nuaa-dev' : 'lfw-dev')
  const shown = people === undefined ? recorded(data) : rendered(data, people)
  const name = basename(data)
  const [writes, force] = [values['write-threshold'] === true, values.force === true]
  if (writes) expectModelsWritable(config)
  if (writes) expectEnough(name, tooFew(countsOf(sizesOf(shown))), force)
  const fault = await livenessFault(given)
  if (fault !== undefined) throw new UserError(`liveness cannot be evaluated: ${fault}`)
  const result = await evaluate(config, shown, {
    data: name,
    synthetic: people !== undefined,
  })
  if (values.json) console.log(JSON.stringify(result))
  else printGrids(heading(result), grids(result))
  if (writes) {
    const doubt = tooFew(result.counts) ?? faceless(result) ?? locking(result)
    write(config, livenessNets[0]!, thresholdFrom(result), 'nearest', { data: name, doubt, force })
  }
  if (report !== undefined) writeReport(report, page(result))
  return 0
}

interface Evaluated {
  readonly kind: 'liveness'
  readonly data: string
  readonly detector: string
  readonly synthetic: boolean
  readonly subjects: number
  readonly frames: number
  /** Subjects with frames enough to be fused, and frames of pictures, that were judged. */
  readonly counts: ReturnType<typeof countsOf>
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
    counts: countsOf(sizesOf(presentations)),
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

/** The operating point, with its basis. */
function thresholdFrom({ fused, data, detector, subjects, counts }: Evaluated): Measured {
  const { best, crossValidated } = fused
  // Rounded up: never laxer than what was measured.
  const similarity = Math.ceil(best.threshold * 1e4) / 1e4
  const attacks = Object.entries(crossValidated.apcer).map(([kind, { count, of }]) => `${count} of ${of} (${kind})`)
  const basis =
    `facelatch evaluate liveness on ${data}: ${detector}, ${livenessNets.join(' and ')}, fused over ${framesTogether} frames, ${subjects} subjects, ` +
    `each at the operating point of the others: ${attacks.join(', ')} pictures taken for living faces, ` +
    `${crossValidated.bpcer.count} of ${crossValidated.bpcer.of} living faces taken for pictures.`
  return { similarity, basis, measured: counts }
}

const tooFew = (counts: Evaluated['counts']) =>
  tooFewSubjects({ ...counts, together: framesTogether, wanted: pictureShare })

/** @param sizes frames of each subject and kind. */
function countsOf(sizes: readonly { readonly subject: string; readonly kind: string; readonly frames: number }[]) {
  const pictures = sizes.filter(({ kind }) => kind !== 'live')
  const subjects = (of: typeof sizes) =>
    new Set(of.flatMap(({ subject, frames }) => (frames < framesTogether ? [] : [subject]))).size
  return {
    living: subjects(sizes.filter(({ kind }) => kind === 'live')),
    attacked: subjects(pictures),
    pictures: pictures.reduce((sum, { frames }) => sum + frames, 0),
  }
}

const sizesOf = (
  all: readonly { readonly subject: string; readonly kind: string; readonly frames: readonly unknown[] }[],
) => all.map(({ subject, kind, frames }) => ({ subject, kind, frames: frames.length }))

/** What of a kind of attack shows no face was no attack, and what it was is not known. */
function faceless({ left, fused }: Evaluated): string | undefined {
  const kind = Object.keys(left).find((one) => one !== 'live' && !(one in fused.inUse.apcer))
  return kind === undefined
    ? undefined
    : `in none of the pictures of kind ${kind} do ${framesTogether} frames of a subject show a face`
}

function locking({ fused }: Evaluated): string | undefined {
  const { count, of } = fused.crossValidated.bpcer
  return 2 * count > of ? `${count} of ${of} living faces would be refused` : undefined
}

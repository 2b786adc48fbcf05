import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { createLog } from '../adapters/log-journal.js'
import { openStore } from '../adapters/store-sqlite.js'
import { deferred } from '../app/deferred.js'
import { wrongUsage } from '../app/errors.js'
import type { HealthTopic } from '../app/health.js'
import type { StrikeTimes } from '../app/strike-latency.js'
import { loadConfig } from '../config.js'
import { mebibytes } from '../domain/units.js'
import { inRoot } from '../root.js'
import { readArguments } from './arguments.js'
import { measureCurves } from './bench-curves.js'
import { measureMemory, printMemory } from './bench-memory.js'
import { measureStarts, printStarts } from './bench-start.js'
import { measureWalkups, printWalkups } from './bench-walkups.js'
import { type ClipName, clip, clipNames } from './clips.js'
import { makeFolder, removeFolder, startGuard, writeConfig } from './guarded.js'
import { enrol, samplesFromCamera } from './people-enrol.js'

const usage = `usage: facelatch bench [--strike | --start | --curves [--out DIR] | --memory [--hours N] | --walkups [--count N] [--seed N] [--data DIR] [--out DIR]] [--json]
Runs the real supervisor flat out over three recordings, every frame judged: milliseconds per stage, frames per second,
event-loop delay of the supervisor, peak memory of both processes, and how often the full sweep ran; then the way from a
verdict to the strike, over at least 200 grants while the recognizer works flat out; --strike measures only this.
--start: from exec to the first strike, from the recognizer's death to the next, ten times, and the memory both take.
--curves: what a frame costs by faces in view and by resolution, and a face by the size of the gallery, with a picture each
in DIR (default: ./bench-out).
--memory: whether memory of both processes grows over N hours of video (2), judged as fast as it goes.
--walkups: how long N people (200) who walk up stand before the door until it opens, in frames and milliseconds, with a picture;
pictures are taken from DIR as by "facelatch evaluate tracking".`

interface Row extends HealthTopic {
  readonly clip: ClipName
  readonly seconds: number
  readonly fps: number
}

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      json: { type: 'boolean' },
      strike: { type: 'boolean' },
      curves: { type: 'boolean' },
      out: { type: 'string' },
      memory: { type: 'boolean' },
      hours: { type: 'string' },
      start: { type: 'boolean' },
      walkups: { type: 'boolean' },
      count: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      data: { type: 'string' },
    },
    usage,
  )
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const out = resolve(values.out ?? 'bench-out')
  if (values.curves) return await curves(out, values.json === true)
  if (values.walkups) {
    const [count, seed] = [Number(values.count), Number(values.seed)]
    if (!(Number.isInteger(count) && count > 0 && Number.isInteger(seed) && seed >= 0))
      throw wrongUsage(`--count and --seed take whole numbers, not "${values.count}" and "${values.seed}"`)
    const data = resolve(values.data ?? inRoot('../shared/data/lfw-dev'))
    const walkups = await measureWalkups(out, data, count, seed)
    if (values.json) console.log(JSON.stringify({ walkups }))
    else printWalkups(walkups)
    return 0
  }
  const hours = Number(values.hours ?? 2)
  if (!(hours > 0 && hours <= 1000))
    throw wrongUsage(`--hours takes a number above 0, up to 1000, not "${values.hours}"`)
  const folder = makeFolder()
  try {
    const config = loadConfig([inRoot('config/demo.json')], {})
    writeConfig(folder, {}, 1883)
    const store = await openStore({
      path: `${folder}/facelatch.db`,
      log: createLog({ level: 'warn', component: 'store' }),
    })
    await enrol(config, store, 'Alex', samplesFromCamera(`file:${clip('cap12_edit')}`, 5), {
      more: false,
      allowLookAlike: false,
      allowUnlike: false,
    })
    await store.close()
    if (values.start) {
      const starts = await measureStarts(folder, 10)
      if (values.json) console.log(JSON.stringify({ starts }))
      else printStarts(starts)
      return 0
    }
    if (values.memory) {
      const run = await measureMemory(folder, hours)
      if (values.json) console.log(JSON.stringify({ memory: run }))
      else printMemory(run)
      return 0
    }
    if (!values.json)
      console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.versions.node}\n`)
    const rows: Row[] = []
    for (const name of values.strike ? [] : clipNames) {
      const row = await measure(name, folder)
      rows.push(row)
      if (values.json) console.log(JSON.stringify(row))
    }
    if (!values.json && rows.length > 0) printTable(rows)
    const strike = await measureStrike(folder)
    if (values.json) console.log(JSON.stringify({ strike }))
    else printStrike(strike)
    return 0
  } finally {
    removeFolder(folder)
  }
}

async function curves(folder: string, json: boolean): Promise<number> {
  for await (const { file, title, label, costs } of measureCurves(folder)) {
    if (json) {
      console.log(JSON.stringify({ curve: title, file: join(folder, file), costs }))
      continue
    }
    console.log(`${title} (${join(folder, file)}), CPU ms on one thread`)
    for (const { name, points } of costs)
      console.log(
        `  ${name.padEnd(20)} ${points
          .filter(({ ms: cost }) => cost > 0)
          .map(({ at, ms: cost }) => `${label(at)}: ${cost.toFixed(1)}`)
          .join('  ')}`,
      )
  }
  return 0
}

async function measure(name: ClipName, folder: string): Promise<Row> {
  let last: HealthTopic | undefined
  let liveAt = 0
  const guard = await startGuard({
    folder,
    config: { camera: { source: `file:${clip(name)}`, realtime: false } },
    onMessage(topic, payload) {
      if (topic === 'health') last = JSON.parse(payload.toString('utf8'))
      if (topic === 'state' && liveAt === 0 && JSON.parse(payload.toString('utf8')).camera === 'live')
        liveAt = Date.now()
    },
  })
  try {
    await guard.ended
    const seconds = (Date.now() - liveAt) / 1000
    return { clip: name, seconds, fps: last!.recognizer.frames / seconds, ...last! }
  } finally {
    await guard.stop()
  }
}

/** So many grants are measured. */
const fewestGrants = 200

/**
 * The recording again and again, flat out; every frame is compared and every comparison that agrees is a grant. The
 * strike's time is the shortest, so that each grant finds it off and has to drive the line.
 */
async function measureStrike(folder: string): Promise<StrikeTimes> {
  let times: StrikeTimes | undefined
  const enough = deferred()
  const guard = await startGuard({
    folder,
    config: {
      camera: { source: `file:${clip('cap13_edit2')}`, realtime: false, loop: true },
      door: { strikeSeconds: 0.001 },
      access: { rearmSeconds: 0.001 },
      votes: { reverifyMs: 1, retryMs: 1 },
    },
    onMessage(topic, payload) {
      if (topic !== 'health') return
      times = (JSON.parse(payload.toString('utf8')) as HealthTopic).supervisor.strike
      if ((times?.grants ?? 0) >= fewestGrants) enough.resolve()
    },
  })
  try {
    // Rejects when the supervisor dies; the recording itself never ends.
    await Promise.race([enough.promise, guard.ended])
    return times!
  } finally {
    await guard.stop()
  }
}

function printStrike({ grants, fromSighting, fromVerdict }: StrikeTimes): void {
  const row = (label: string, { p50, p99, max }: StrikeTimes['fromSighting']) =>
    console.log(`${label.padEnd(38)} p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, longest ${max.toFixed(2)} ms`)
  console.log(`\nthe strike, ${grants} grants while the recognizer works flat out`)
  row('from the sighting in the supervisor', fromSighting)
  row('from the verdict in the recognizer', fromVerdict)
}

const ms = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(2))

function printTable(rows: readonly Row[]): void {
  const stages = ['pnet', 'rnet', 'onet', 'align', 'embed', 'match']
  const lines: [label: string, of: (row: Row) => string][] = [
    ['frames judged', ({ recognizer }) => String(recognizer.frames)],
    ['frames dropped', ({ recognizer }) => String(recognizer.dropped)],
    ['frames per second', ({ fps }) => fps.toFixed(1)],
    ['frame p50, ms', ({ recognizer }) => ms(recognizer.frameMs.p50)],
    ['frame p99, ms', ({ recognizer }) => ms(recognizer.frameMs.p99)],
    ...stages.map((stage): [string, (row: Row) => string] => [
      `${stage}, ms a frame`,
      ({ recognizer }) => ms(recognizer.stages[stage]),
    ]),
    ['full sweeps', ({ recognizer: { sweeps, frames } }) => `${sweeps} (${((100 * sweeps) / frames).toFixed(1)} %)`],
    [
      'embeddings',
      ({ recognizer: { embeddings, frames } }) => `${embeddings} (${((100 * embeddings) / frames).toFixed(1)} %)`,
    ],
    ['recognizer peak', ({ recognizer }) => mebibytes(recognizer.peakMemory)],
    ['supervisor peak', ({ supervisor }) => mebibytes(supervisor.peakMemory)],
    ['event loop p50, ms', ({ supervisor }) => ms(supervisor.eventLoopDelayMs.p50)],
    ['event loop p99, ms', ({ supervisor }) => ms(supervisor.eventLoopDelayMs.p99)],
  ]
  const width = 16
  console.log(''.padEnd(22) + rows.map(({ clip: name }) => name.padStart(width)).join(''))
  for (const [label, of] of lines) console.log(label.padEnd(22) + rows.map((row) => of(row).padStart(width)).join(''))
}

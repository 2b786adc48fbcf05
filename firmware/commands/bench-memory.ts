/** Whether memory grows: the real supervisor and recognizer, judging hours of video as fast as they can. */
import { residentMemory } from '../adapters/process-memory.js'
import { deferred } from '../app/deferred.js'
import { UserError } from '../app/errors.js'
import type { HealthTopic } from '../app/health.js'
import { type Slope, slope } from '../evaluation/slope.js'
import { mean } from '../evaluation/statistics.js'
import { clip } from './clips.js'
import { startGuard } from './guarded.js'

/** A door's camera, frames a second: what an hour of it is. */
const framesPerSecond = 15
const sampleEveryMs = 250
/** A slope's limits need some. */
const fewestSamples = 40
/** Part of the run in which caches fill and code is compiled. */
const settling = 0.25

export interface ProcessMemory {
  /** Resident, bytes: after settling, on average of the first and of the last quarter, and at most. */
  readonly first: number
  readonly last: number
  readonly most: number
  /** Bytes per hour of video. */
  readonly growth: Slope
}

export interface MemoryRun {
  readonly frames: number
  readonly hours: number
  readonly seconds: number
  readonly grants: number
  readonly supervisor: ProcessMemory
  readonly recognizer: ProcessMemory
}

interface Sample {
  readonly at: number
  readonly supervisor: number
  readonly recognizer: number
}

/** A recording of the man who is enrolled in `folder`, again and again; each time he comes, the door opens. */
export async function measureMemory(folder: string, hours: number): Promise<MemoryRun> {
  let frames = 0
  let grants = 0
  let recognizerPid: number | undefined
  const judged = deferred()
  const samples: Sample[] = []
  const guard = await startGuard({
    folder,
    config: {
      camera: { source: `file:${clip('cap13_edit2')}`, realtime: false, loop: true },
      door: { strikeSeconds: 0.2 },
      access: { rearmSeconds: 1 },
    },
    onMessage(topic, payload) {
      if (topic === 'event' && JSON.parse(payload.toString('utf8')).type === 'granted') grants++
      if (topic !== 'health') return
      const { recognizer, supervisor } = JSON.parse(payload.toString('utf8')) as HealthTopic
      frames = recognizer.frames
      recognizerPid = supervisor.recognizerPid
      if (frames >= hours * 3600 * framesPerSecond) judged.resolve()
    },
  })
  const began = performance.now()
  const timer = setInterval(() => {
    if (recognizerPid === undefined) return
    const at = performance.now() - began
    samples.push({ at, supervisor: residentMemory(guard.process.pid!), recognizer: residentMemory(recognizerPid) })
  }, sampleEveryMs)
  try {
    // Rejects when the supervisor dies; the recording itself never ends.
    await Promise.race([judged.promise, guard.ended])
    const took = performance.now() - began
    const hoursPerMs = frames / framesPerSecond / 3600 / took
    const settled = samples.filter(({ at }) => at >= settling * took)
    if (settled.length < fewestSamples)
      throw new UserError(`${settled.length} samples in ${hours} hours of video tell no slope; take more with --hours`)
    const account = (process: 'supervisor' | 'recognizer'): ProcessMemory => {
      const series = settled.map((sample) => ({ x: sample.at * hoursPerMs, y: sample[process] }))
      const quarter = Math.ceil(series.length / 4)
      const average = (part: typeof series) => mean(part.map(({ y }) => y))
      return {
        first: average(series.slice(0, quarter)),
        last: average(series.slice(-quarter)),
        most: Math.max(...series.map(({ y }) => y)),
        growth: slope(series),
      }
    }
    return {
      frames,
      hours: frames / framesPerSecond / 3600,
      seconds: took / 1000,
      grants,
      supervisor: account('supervisor'),
      recognizer: account('recognizer'),
    }
  } finally {
    clearInterval(timer)
    await guard.stop()
  }
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1)

export function printMemory({ frames, hours, seconds, grants, supervisor, recognizer }: MemoryRun): void {
  console.log(
    `${frames} frames, ${hours.toFixed(2)} hours of video at ${framesPerSecond} a second, in ${seconds.toFixed(0)} s; ${grants} grants`,
  )
  console.log('resident, MiB   first quarter  last quarter     most   growth an hour (95 %)')
  for (const [name, { first, last, most, growth }] of Object.entries({ supervisor, recognizer }))
    console.log(
      `${name.padEnd(14)}${mib(first).padStart(15)}${mib(last).padStart(14)}${mib(most).padStart(9)}   ${mib(growth.value)} (${mib(growth.low)} to ${mib(growth.high)})`,
    )
}

/**
 * The process of one contestant: `play.js NAME FOLDER SECONDS`, forked by the judge, to which it sends one `Played`. Every
 * scene gets the same share of the time, and who is too slow for all of its frames judges the first ones.
 */
import { peakMemory } from '../../firmware/adapters/process-memory.js'
import { type Contestant, entries } from './contestant.js'
import { type DecodedScene, Frames } from './frames.js'

export interface PlayedFrame {
  readonly scene: string
  readonly index: number
  readonly ms: number
  /** CPU time of the whole process, s. */
  readonly cpu: number
  readonly letIn: boolean
}

export interface Played {
  readonly engine: string
  readonly loadMs: number
  /** Enrolment pictures it could use. */
  readonly enrolled: number
  readonly frames: readonly PlayedFrame[]
  /** Resident set at its largest, bytes, loading and enrolment included. */
  readonly peakMemory: number
}

/** Frames seen first without counting: code is compiled, memory taken. */
const warmUp = 3

async function play(name: string, folder: string, seconds: number): Promise<Played> {
  const begun = performance.now()
  const entry = entries.find((one) => one.name === name)
  if (entry === undefined) throw new Error(`no contestant is called ${name}`)
  const contestant = await entry.open()
  const loadMs = performance.now() - begun
  const frames = new Frames(folder)
  const enrolled = await contestant.enrol(frames.enrolment.map((place) => frames.read(place)))
  if (enrolled === 0) throw new Error('found no face in the pictures to enrol from')

  const first = frames.scenes[0]!
  contestant.begin()
  for (const place of first.frames.slice(0, warmUp)) await contestant.frame(frames.read(place))

  const ready = performance.now()
  const share = (begun + seconds * 1000 - ready) / frames.scenes.length
  const played: PlayedFrame[] = []
  for (const [index, scene] of frames.scenes.entries())
    played.push(...(await playScene(contestant, frames, scene, ready + share * (index + 1))))
  frames.close()
  return { engine: contestant.engine, loadMs, enrolled, frames: played, peakMemory: peakMemory() }
}

async function playScene(
  contestant: Contestant,
  frames: Frames,
  scene: DecodedScene,
  until: number,
): Promise<PlayedFrame[]> {
  const played: PlayedFrame[] = []
  contestant.begin()
  for (const [index, place] of scene.frames.entries()) {
    if (performance.now() > until) break
    const frame = frames.read(place)
    const cpu = process.cpuUsage()
    const before = performance.now()
    const letIn = await contestant.frame(frame)
    const ms = performance.now() - before
    const { user, system } = process.cpuUsage(cpu)
    played.push({ scene: scene.name, index, ms, cpu: (user + system) / 1e6, letIn })
  }
  return played
}

// Nobody waits for the answer any more.
process.once('disconnect', () => process.exit())

const [name, folder, seconds] = process.argv.slice(2)
play(name!, folder!, Number(seconds))
  .then(
    (played) => process.send!({ played }),
    (error: Error) => process.send!({ error: error.message.split('\n')[0] }),
  )
  .finally(() => process.disconnect())

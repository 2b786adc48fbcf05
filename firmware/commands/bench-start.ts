/** How long a door is blind: from exec to the first strike, and from the death of the recognizer to the next one. */
import { readdirSync, readFileSync } from 'node:fs'
import { peakMemory } from '../adapters/process-memory.js'
import { clip } from './clips.js'
import { type Guard, startGuard } from './guarded.js'

export interface Starts {
  /** ms from exec to the strike that the first picture of a man who is enrolled is worth; his picture is the recording's first. */
  readonly exec: readonly number[]
  /** ms from the kill of the recognizer to the next strike; while it works there are several a second. */
  readonly restart: readonly number[]
  /** At their largest, bytes, starting included. */
  readonly peak: { readonly supervisor: number; readonly recognizer: number }
}

const settleMs = 1_000

/** The man is enrolled in `folder`. One look is enough here: what votes ask for besides is measured by `--walkups`. */
export async function measureStarts(folder: string, rounds: number): Promise<Starts> {
  const exec: number[] = []
  const restart: number[] = []
  const peak = { supervisor: 0, recognizer: 0 }
  for (let round = 0; round < rounds; round++) {
    const strikes: number[] = []
    let struck = () => {}
    const next = () =>
      new Promise<void>((resolve) => {
        struck = resolve
      })
    const first = next()
    const began = Date.now()
    const guard = await startGuard({
      folder,
      config: {
        camera: { source: `file:${clip('cap12_edit')}`, realtime: false, loop: true },
        door: { strikeSeconds: 0.001 },
        access: { rearmSeconds: 0.001 },
        votes: { minVotes: 1, minSpanMs: 0, tentativeQuality: 0.15, reverifyMs: 1, retryMs: 1 },
        tracker: { confirmHits: 1 },
      },
      onLine({ at, line, value }) {
        if (line !== 'lock' || value !== 1) return
        strikes.push(Date.parse(at))
        struck()
      },
    })
    try {
      await Promise.race([first, guard.ended])
      exec.push(strikes[0]! - began)
      await new Promise((resolve) => setTimeout(resolve, settleMs))
      const pid = recognizerOf(guard)
      peak.supervisor = Math.max(peak.supervisor, peakMemory(guard.process.pid!))
      peak.recognizer = Math.max(peak.recognizer, peakMemory(pid))
      const killed = Date.now()
      process.kill(pid, 'SIGKILL')
      // What it had said before is not its successor's.
      while (!strikes.some((at) => at > killed + settleMs / 10)) await Promise.race([next(), guard.ended])
      restart.push(strikes.find((at) => at > killed + settleMs / 10)! - killed)
    } finally {
      await guard.stop()
    }
  }
  return { exec, restart, peak }
}

function recognizerOf({ process: { pid } }: Guard): number {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  const found = children.find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('recognizer.js'))
  if (found === undefined) throw new Error('the supervisor has no recognizer')
  return found
}

export function printStarts({ exec, restart, peak }: Starts): void {
  const row = (label: string, values: readonly number[]) => {
    const sorted = [...values].sort((a, b) => a - b)
    console.log(
      `${label.padEnd(46)} least ${sorted[0]}, median ${sorted[sorted.length >> 1]}, most ${sorted.at(-1)} ms (${sorted.length})`,
    )
  }
  row('from exec to the strike, one look being enough', exec)
  row("from the recognizer's death to the next strike", restart)
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`
  console.log(`peak memory: supervisor ${mib(peak.supervisor)}, recognizer ${mib(peak.recognizer)}`)
}

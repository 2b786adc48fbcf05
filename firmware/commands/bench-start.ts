/** How long a door is blind: from exec to the first strike, and from the death of the recognizer to the next one. */
import { peakMemory } from '../adapters/process-memory.js'
import { deferred } from '../app/deferred.js'
import type { HealthTopic } from '../app/health.js'
import { mebibytes } from '../domain/units.js'
import { clip } from './clips.js'
import { startGuard } from './guarded.js'

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
    let struck = deferred()
    const next = () => {
      struck = deferred()
      return struck.promise
    }
    let recognizer: number | undefined
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
      onMessage(topic, payload) {
        if (topic === 'health')
          recognizer = (JSON.parse(payload.toString('utf8')) as HealthTopic).supervisor.recognizerPid
      },
      onLine({ at, line, value }) {
        if (line !== 'lock' || value !== 1) return
        strikes.push(Date.parse(at))
        struck.resolve()
      },
    })
    try {
      await Promise.race([struck.promise, guard.ended])
      exec.push(strikes[0]! - began)
      await new Promise((resolve) => setTimeout(resolve, settleMs))
      const pid = recognizer
      if (pid === undefined) throw new Error(`the supervisor told of no recognizer within ${settleMs} ms of the strike`)
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

export function printStarts({ exec, restart, peak }: Starts): void {
  const row = (label: string, values: readonly number[]) => {
    const sorted = [...values].sort((a, b) => a - b)
    console.log(
      `${label.padEnd(46)} least ${sorted[0]}, median ${sorted[sorted.length >> 1]}, most ${sorted.at(-1)} ms (${sorted.length})`,
    )
  }
  row('from exec to the strike, one look being enough', exec)
  row("from the recognizer's death to the next strike", restart)
  console.log(`peak memory: supervisor ${mebibytes(peak.supervisor)}, recognizer ${mebibytes(peak.recognizer)}`)
}

/** What was measured, for people and for programs. */
import { mean, quantile } from '../../firmware/evaluation/statistics.js'
import { entries } from './contestant.js'
import { isRight, type Result } from './judge.js'
import type { PlayedFrame } from './play.js'

export interface Row {
  readonly name: string
  readonly title: string
  readonly problem?: string
  readonly engine?: string
  readonly frames?: number
  readonly ms?: { readonly p50: number; readonly p95: number; readonly p99: number }
  /** Mean over the frames, s. */
  readonly cpuSeconds?: number
  readonly peakMemory?: number
  readonly enrolled?: number
  readonly right?: number
  readonly scenes?: number
}

export function rowOf({ name, title, problem, played, verdicts }: Result): Row {
  if (played === undefined || played.frames.length === 0)
    return { name, title, problem: problem ?? 'judged no frame in its time' }
  const times = played.frames.map(({ ms }) => ms)
  return {
    name,
    title,
    engine: played.engine,
    frames: times.length,
    ms: { p50: quantile(times, 0.5), p95: quantile(times, 0.95), p99: quantile(times, 0.99) },
    cpuSeconds: mean(played.frames.map(({ cpu }) => cpu)),
    peakMemory: played.peakMemory,
    enrolled: played.enrolled,
    right: verdicts.filter(isRight).length,
    scenes: verdicts.length,
  }
}

export interface Goal {
  readonly peer: string
  readonly title: string
  readonly wanted: number
  /** How many times what facelatch needs: median time, and mean CPU time, over the frames that both judged. */
  readonly time?: number
  readonly cpu?: number
  /** Both are at least `wanted`; undefined where the peer was not measured. */
  readonly reached?: boolean
}

const wanted: readonly [peer: string, times: number][] = [
  ['human', 10],
  ['human-each', 10],
  ['face-api', 20],
  ['onnxruntime', 3],
  ['ancestors', 3],
]

export function goals(results: readonly Result[]): Goal[] {
  const own = results.find(({ name }) => name === 'facelatch')?.played?.frames ?? []
  return wanted.map(([peer, times]) => {
    const result = results.find(({ name }) => name === peer)
    const [theirs, ours] = common(result?.played?.frames ?? [], own)
    const goal = { peer, title: result?.title ?? entries.find(({ name }) => name === peer)!.title, wanted: times }
    if (theirs.length === 0) return goal
    const time =
      quantile(
        theirs.map(({ ms }) => ms),
        0.5,
      ) /
      quantile(
        ours.map(({ ms }) => ms),
        0.5,
      )
    const cpu = mean(theirs.map((frame) => frame.cpu)) / mean(ours.map((frame) => frame.cpu))
    return { ...goal, time, cpu, reached: Math.min(time, cpu) >= times }
  })
}

/** The frames that both judged, in the same order. */
function common(a: readonly PlayedFrame[], b: readonly PlayedFrame[]): [PlayedFrame[], PlayedFrame[]] {
  const key = ({ scene, index }: PlayedFrame) => `${scene} ${index}`
  const inA = new Set(a.map(key))
  const inB = new Set(b.map(key))
  return [a.filter((frame) => inB.has(key(frame))), b.filter((frame) => inA.has(key(frame)))]
}

const columns = ['', 'frames', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU s/frame', 'peak MiB', 'right', 'engine']

function cells(row: Row): string[] {
  if (row.ms === undefined) return [row.title, `not measured: ${row.problem}`]
  const { p50, p95, p99 } = row.ms
  return [
    row.title,
    String(row.frames),
    ...[p50, p95, p99].map((ms) => ms.toFixed(1)),
    row.cpuSeconds!.toFixed(4),
    (row.peakMemory! / 2 ** 20).toFixed(0),
    `${row.right}/${row.scenes}`,
    row.engine!,
  ]
}

/** One line for each contestant under one of titles. */
export function formatTable(rows: readonly Row[]): string[] {
  const lines = [columns, ...rows.map(cells)]
  const full = lines.filter((line) => line.length === columns.length)
  const last = columns.length - 1
  const widths = columns.map((_, i) => Math.max(...full.map((line) => line[i]!.length), i === 0 ? 30 : 0))
  const align = (cell: string, i: number) =>
    i === 0 || i === last ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
  return lines.map((line) =>
    line.length === columns.length
      ? line.map(align).join('  ').trimEnd()
      : `${line[0]!.padEnd(widths[0]!)}  ${line[1]}`,
  )
}

export function formatGoals(list: readonly Goal[]): string[] {
  return list.map(({ title, wanted: times, time, cpu, reached }) => {
    const goal = `${title}: at least ${times} times what facelatch needs`
    if (reached === undefined) return `${goal}: not measured`
    return `${goal}: ${time!.toFixed(1)} in time, ${cpu!.toFixed(1)} in CPU: ${reached ? 'reached' : 'not reached'}`
  })
}

/** Each verdict that is wrong, one line. */
export const formatWrong = (results: readonly Result[]): string[] =>
  results.flatMap(({ title, verdicts }) =>
    verdicts
      .filter((verdict) => !isRight(verdict))
      .map(({ scene, expected, letInFrames, frames }) => {
        const what = frames === 0 ? 'was not seen' : `let in by ${letInFrames} of ${frames} frames`
        return `${title}: ${scene}: ${what}, ${expected ? 'he may enter' : 'nobody may'}`
      }),
  )

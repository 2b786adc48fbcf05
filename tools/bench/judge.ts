/** Lets the contestants play, one after the other, each in a process of its own, and judges what they said. */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inRoot } from '../../firmware/root.js'
import type { Entry } from './contestant.js'
import { type DecodedScene, decodeScenes, Frames } from './frames.js'
import type { Played, PlayedFrame } from './play.js'
import type { Scene } from './scenes.js'

export interface Verdict {
  readonly scene: string
  readonly expected: boolean
  /** In any frame. */
  readonly letIn: boolean
  /** Frames in which it said so, and frames it saw. */
  readonly letInFrames: number
  readonly frames: number
}

export interface Result {
  readonly name: string
  readonly title: string
  /** What went wrong; nothing was measured then. */
  readonly problem?: string
  readonly played?: Played
  readonly verdicts: readonly Verdict[]
}

export interface JudgeOptions {
  readonly scenes: readonly Scene[]
  /** Frames in a row of each scene. */
  readonly frames: number
  /** All contestants together get so long, s. */
  readonly seconds: number
  /** Told of each result as it comes. */
  readonly onResult?: (result: Result) => void
}

export async function judge(contestants: readonly Entry[], options: JudgeOptions): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'facelatch-bench-'))
  const clean = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', clean)
  try {
    const end = performance.now() + options.seconds * 1000
    await decodeScenes(folder, options.scenes, options.frames)
    const frames = new Frames(folder)
    const { scenes } = frames
    frames.close()
    const results: Result[] = []
    for (const [index, entry] of contestants.entries()) {
      // What the fast ones leave is the slow ones'.
      const seconds = (end - performance.now()) / 1000 / (contestants.length - index)
      const result = await judgeOne(entry, folder, scenes, seconds)
      results.push(result)
      options.onResult?.(result)
    }
    return results
  } finally {
    clean()
    process.off('exit', clean)
  }
}

async function judgeOne(
  { name, title }: Entry,
  folder: string,
  scenes: readonly DecodedScene[],
  seconds: number,
): Promise<Result> {
  try {
    const played = await playApart(name, folder, seconds)
    return { name, title, played, verdicts: scenes.map((scene) => verdictOf(scene, played.frames)) }
  } catch (error) {
    return { name, title, problem: (error as Error).message, verdicts: [] }
  }
}

function verdictOf({ name, known }: DecodedScene, frames: readonly PlayedFrame[]): Verdict {
  const own = frames.filter(({ scene }) => scene === name)
  const letInFrames = own.filter(({ letIn }) => letIn).length
  return { scene: name, expected: known, letIn: letInFrames > 0, letInFrames, frames: own.length }
}

/** A scene that was not seen was not judged rightly. */
export const isRight = ({ expected, letIn, frames }: Verdict): boolean => frames > 0 && letIn === expected

/** Rejects with what the process said, or with how it ended. */
function playApart(name: string, folder: string, seconds: number): Promise<Played> {
  return new Promise((resolve, reject) => {
    const child = fork(inRoot('dist/tools/bench/play.js'), [name, folder, String(seconds * 0.9)], {
      // Libraries greet on stdout, which is the table's.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1', NODE_OPTIONS: '', OMP_NUM_THREADS: '1' },
    })
    let said = ''
    child.stderr!.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-4000)
    })
    let outcome: { played?: Played; error?: string } = {}
    child.on('message', (message) => {
      outcome = message as typeof outcome
    })
    const timer = setTimeout(() => {
      outcome = { error: `had not finished after ${seconds.toFixed(0)} s` }
      child.kill('SIGKILL')
    }, seconds * 1000)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (outcome.played !== undefined) resolve(outcome.played)
      else reject(new Error(outcome.error ?? `ended with ${signal ?? code}: ${said.trim().split('\n').at(-1)}`))
    })
  })
}

/** Child processes that a test can kill and that never outlive it. */
import { type ChildProcess, type ExecFileOptions, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Owner } from './temp.js'

/** Command line of a Node that runs the module code given, without the hooks that tap puts into NODE_OPTIONS. */
export function script(code: string): [string, ...string[]] {
  return ['env', '-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '--eval', code]
}

/** Address of a compiled module, for the code of a script: `adapters/gpio-simulated.js`. */
export function firmware(path: string): string {
  return JSON.stringify(new URL(`../../firmware/${path}`, import.meta.url).href)
}

/** A Log for the code of a script. */
export const silentLog = '{ debug() {}, info() {}, warn() {}, error() {} }'

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; its exit code is an answer, not an error. */
export function run(file: string, args: readonly string[], options: ExecFileOptions = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(file, args, { maxBuffer: 1 << 28, ...options, encoding: 'utf8' }, (error, stdout, stderr) =>
      resolve({ code: error ? (typeof error.code === 'number' ? error.code : 128) : 0, stdout, stderr }),
    )
  })
}

/** Runs a program that dies with this process, however that ends. Its stdout is a pipe. */
export function spawnChild(t: Owner, command: readonly string[], stderr: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['ignore', 'pipe', stderr] })
  t.teardown(() => end(child, 'SIGKILL'))
  return child
}

/** Sends the signal and waits for the end. */
export async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

/** A zombie is not: who reaps it is no matter of ours. */
export function alive(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

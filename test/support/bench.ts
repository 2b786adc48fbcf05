/** A program on a simulated board (test/hardware), seen and moved from the hardware's side. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './appliance.js'
import { startKernelBench } from './bench-kernel.js'
import { type Owner, until } from './temp.js'

export type BenchKind = 'sysfs' | 'chardev'
export const benchKinds: readonly BenchKind[] = ['sysfs', 'chardev']
/** The driver that a bench is for. */
export const driverOf = { sysfs: 'onoff', chardev: 'gpiod' } as const

/** In the machine of test/appliance both drivers meet a real kernel's lines instead. */
export const onKernel = process.env.TEST_BENCH === 'gpio-sim'
/** An emulated processor is slow: neither loading the nets nor a pause of the whole machine is a hang there. */
export const emulated = { door: { guardSeconds: 15 }, recognizer: { heartbeatSeconds: 600 } } as const

const program = (kind: BenchKind) => join(root, `build/native/bench_${kind}`)

/** Why this machine cannot run the bench, or false. */
export function benchMissing(kind: BenchKind): string | false {
  if (onKernel) return false
  if (process.getuid?.() !== 0) return 'needs root: it mounts over /sys/class or /dev in a name space of its own'
  if (kind === 'sysfs' && !existsSync('/dev/fuse')) return 'needs /dev/fuse'
  const actions = '/proc/sys/kernel/seccomp/actions_avail'
  if (kind === 'chardev' && !(existsSync(actions) && readFileSync(actions, 'utf8').includes('user_notif')))
    return "needs seccomp's user notification"
  return false
}

export interface Level {
  readonly line: number
  /** Volts. */
  readonly level: 0 | 1
  /** CLOCK_MONOTONIC, ms: comparable with `systemClock.now`. */
  readonly at: number
}

export interface Bench {
  readonly process: ChildProcess
  /** Moves an input: volts. */
  set(line: number, level: 0 | 1): void
  /** What the outputs did, oldest first. */
  outputs(line: number): Level[]
  /** Everything the bench said, oldest first. */
  said(): readonly string[]
  /** What the program said, on stdout and stderr. */
  log(): string
  /** wait(2)'s status, once the program has ended. */
  status(): number | undefined
}

export async function startBench(
  t: Owner,
  kind: BenchKind,
  command: readonly string[],
  variables: NodeJS.ProcessEnv = {},
): Promise<Bench> {
  if (onKernel) return startKernelBench(t, command, variables)
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program(kind), ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...variables },
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.stdin.end()
    const late = setTimeout(() => child.kill('SIGKILL'), 3000)
    await ended
    clearTimeout(late)
  })
  let rest = ''
  let log = ''
  const said: string[] = []
  const levels: Level[] = []
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString('utf8')
  })
  child.stdout.on('data', (chunk: Buffer) => {
    const rows = (rest + chunk.toString('utf8')).split('\n')
    rest = rows.pop()!
    for (const row of rows) {
      said.push(row)
      const [what, line, level, at] = row.split(' ')
      if (what === 'out') levels.push({ line: Number(line), level: level === '1' ? 1 : 0, at: Number(at) / 1e6 })
    }
  })
  const bench: Bench = {
    process: child,
    set: (line, level) => child.stdin.write(`set ${line} ${level}\n`),
    outputs: (line) => levels.filter((change) => change.line === line),
    said: () => said,
    log: () => log,
    status() {
      const row = said.find((text) => text.startsWith('exit '))
      return row === undefined ? undefined : Number(row.slice(5))
    },
  }
  await until('the bench stands', () => {
    if (child.exitCode !== null) throw new Error(`the bench ended: ${log}`)
    return said.includes('ready')
  })
  return bench
}

/** Runs to the program's end. */
export async function runOnBench(t: Owner, kind: BenchKind, command: readonly string[]): Promise<Bench> {
  const bench = await startBench(t, kind, command)
  await until('the program ends', () => bench.status() !== undefined)
  return bench
}

/** Processes below this one, whichever thread of it made them. */
export function childrenOf(pid: number): number[] {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return []
  return readdirSync(tasks).flatMap((task) => {
    const file = join(tasks, task, 'children')
    return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : []
  })
}

const nameOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

/** The guard of a supervisor; undefined where there is none. */
export const guardOf = (supervisor: number): number | undefined =>
  childrenOf(supervisor).find((pid) => nameOf(pid) === 'facelatch-guard')

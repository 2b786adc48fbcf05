/**
 * The bench on a real kernel: gpio-sim's chips, moved and read from the hardware's side. Only in the machine of
 * test/appliance, which has them, and where nobody else has lines.
 *
 * Inputs are moved by gpio-sim's `pull` files. What the outputs do is told by the kernel's own tracepoints, so that no
 * level is missed however short, and its time is the kernel's; that a line was let go, by a probe on gpiod_free.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Level } from './bench.js'
import { end } from './child.js'
import type { Owner } from './temp.js'

const configfs = '/sys/kernel/config/gpio-sim/bench'
const tracing = '/sys/kernel/tracing'
const lineCount = 16

export interface Chips {
  /** The kernel's own number of bench-gpio's first line. */
  readonly base: number
  /** Moves an input: volts. */
  set(line: number, level: 0 | 1): void
  /** What a voltmeter at the line shows. */
  level(line: number): 0 | 1
  /** What holds the line where nobody drives it. */
  pull(line: number): 'pull-up' | 'pull-down'
}

/** As the other benches have them: "bench-aon", all held by "fan-sense"; "bench-gpio", L0 to L15, L14 held. */
export function createChips(): Chips {
  removeChips()
  mkdirSync(configfs)
  bank('aon', 'bench-aon', 4, (line) => ({ holder: 'fan-sense', name: `A${line}` }))
  bank('gpio', 'bench-gpio', lineCount, (line) => ({
    name: `L${line}`,
    ...(line === 14 && { holder: 'fan-sense' }),
  }))
  writeFileSync(join(configfs, 'live'), '1')
  const read = (...path: string[]) => readFileSync(join(...path), 'utf8').trim()
  const device = join('/sys/devices/platform', read(configfs, 'dev_name'), read(configfs, 'gpio/chip_name'))
  const folder = readdirSync('/sys/class/gpio').find(
    (name) => name.startsWith('gpiochip') && read('/sys/class/gpio', name, 'label') === 'bench-gpio',
  )!
  return {
    base: Number(read('/sys/class/gpio', folder, 'base')),
    set: (line, level) => writeFileSync(join(device, `sim_gpio${line}/pull`), level === 1 ? 'pull-up' : 'pull-down'),
    level: (line) => (read(device, `sim_gpio${line}/value`) === '1' ? 1 : 0),
    pull: (line) => read(device, `sim_gpio${line}/pull`) as 'pull-up' | 'pull-down',
  }
}

function bank(folder: string, label: string, count: number, of: (line: number) => { name: string; holder?: string }) {
  const path = join(configfs, folder)
  mkdirSync(path)
  writeFileSync(join(path, 'label'), label)
  writeFileSync(join(path, 'num_lines'), String(count))
  for (let i = 0; i < count; i++) {
    const { name, holder } = of(i)
    mkdirSync(join(path, `line${i}`))
    writeFileSync(join(path, `line${i}/name`), name)
    if (holder === undefined) continue
    mkdirSync(join(path, `line${i}/hog`))
    writeFileSync(join(path, `line${i}/hog/name`), holder)
    writeFileSync(join(path, `line${i}/hog/direction`), 'input')
  }
}

function removeChips(): void {
  if (!existsSync(configfs)) return
  writeFileSync(join(configfs, 'live'), '0')
  const folders = readdirSync(configfs, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name))
  // The deepest first.
  for (const folder of folders.sort((a, b) => b.length - a.length)) rmdirSync(folder)
  rmdirSync(configfs)
}

/** Follows what the outputs do; `tell` gets the rows that the other benches print. */
function watchOutputs(base: number, tell: (row: string) => void): () => Promise<void> {
  const set = (file: string, text: string) => writeFileSync(join(tracing, file), text)
  set('trace_clock', 'mono')
  if (!existsSync(join(tracing, 'events/bench')))
    // gpio_desc: gdev, flags, label, name; the numbers of gpiod_free's line are no matter of its own.
    set('kprobe_events', 'p:bench/release gpiod_free name=+0(+24(%di)):string')
  set('events/gpio/gpio_value/filter', 'get == 0')
  for (const event of ['gpio/gpio_value', 'bench/release']) set(`events/${event}/enable`, '1')
  set('trace', '')
  const pipe = spawn('setpriv', ['--pdeathsig', 'KILL', 'cat', join(tracing, 'trace_pipe')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const levels = new Map<number, string>()
  let rest = ''
  pipe.stdout.on('data', (chunk: Buffer) => {
    const rows = (rest + chunk.toString('utf8')).split('\n')
    rest = rows.pop()!
    for (const row of rows) {
      const drive = / (\d+\.\d+): gpio_value: (\d+) set (\d)/.exec(row)
      const line = drive ? Number(drive[2]) - base : -1
      if (drive && line >= 0 && line < lineCount && levels.get(line) !== drive[3]) {
        levels.set(line, drive[3]!)
        tell(`out ${line} ${drive[3]} ${Math.round(Number(drive[1]) * 1e9)}`)
      }
      const release = / release: .*name="L(\d+)"/.exec(row)
      if (release) {
        levels.delete(Number(release[1]))
        tell(`release ${release[1]}`)
      }
      const mark = / tracing_mark_write: (exit \d+)/.exec(row)
      if (mark) tell(mark[1]!)
    }
  })
  return async () => {
    const ended = new Promise((resolve) => pipe.once('exit', resolve))
    pipe.kill('SIGKILL')
    await ended
  }
}

/** Processes, by what they are called. */
const processesNamed = (wanted: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === wanted
      } catch {
        return false
      }
    })
    .map(Number)

/** Only one can stand: the next one takes its place. */
let standing: (() => Promise<void>) | undefined

export async function startKernelBench(
  t: Owner,
  command: readonly string[],
  variables: NodeJS.ProcessEnv = {},
): Promise<Bench & { readonly chips: Chips }> {
  await standing?.()
  const chips = createChips()
  const said: string[] = []
  const levels: Level[] = []
  const stopWatching = watchOutputs(chips.base, (row) => {
    said.push(row)
    const [what, line, level, at] = row.split(' ')
    if (what === 'out') levels.push({ line: Number(line), level: level === '1' ? 1 : 0, at: Number(at) / 1e6 })
  })
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...variables },
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8')
    })
  // wait(2)'s status, in the trace, so that it comes after everything that the program did.
  child.on('close', (code, signal) =>
    writeFileSync(join(tracing, 'trace_marker'), `exit ${signal === null ? code! << 8 : constants.signals[signal]}`),
  )
  const stop = async () => {
    if (standing !== stop) return
    standing = undefined
    await end(child, 'SIGKILL')
    // What it started dies with it; a guard first brings its line to rest. Nobody may hold a line that goes away.
    for (let waited = 0; processesNamed('facelatch-guard').length > 0 && waited < 5000; waited += 20) await sleep(20)
    await stopWatching()
  }
  standing = stop
  t.teardown(stop)
  return {
    process: child,
    chips,
    set: chips.set,
    outputs: (line) => levels.filter((change) => change.line === line),
    said: () => said,
    log: () => log,
    status() {
      const row = said.find((text) => text.startsWith('exit '))
      return row === undefined ? undefined : Number(row.slice(5))
    },
  }
}

/** A guarded door under an init that starts it again, on simulated lines or on a bench: the same questions to all three. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { cli, makeHome } from './appliance.js'
import { type BenchKind, benchMissing, driverOf, emulated, onKernel, startBench } from './bench.js'
import { spawnChild } from './child.js'
import { type Owner, temporaryDirectory, until } from './temp.js'

export type DoorKind = BenchKind | 'simulated'
export const doorKinds: readonly DoorKind[] = onKernel ? ['sysfs', 'chardev'] : ['simulated', 'sysfs', 'chardev']
export const doorMissing = (kind: DoorKind) => (kind === 'simulated' ? false : benchMissing(kind))

/** Volts on the bench are levels here: nothing is active low. */
export interface LockLevel {
  readonly on: boolean
  /** `systemClock.now`, ms. */
  readonly at: number
}

export interface Door {
  readonly config: string
  /** Moves an input. */
  set(line: 'exit' | 'door' | 'enrol' | 'tamper', on: boolean): void
  /** What the lock line did, oldest first. */
  lock(): LockLevel[]
  readonly powered: boolean
  log(): string
  /** What the bench said, in order; empty for simulated lines. */
  said(): readonly string[]
  /** The running supervisor, once it guards the door and is not the one given. */
  supervisor(other?: number): Promise<number>
}

const offsets = { lock: 0, led: 1, door: 2, exit: 3, enrol: 4, tamper: 5 }
/** Little to look at: the machine's time is for the door. */
const camera = {
  source: 'gst:videotestsrc is-live=true pattern=black ! video/x-raw,width=160,height=120,framerate=1/1',
}

export async function startDoor(
  t: Owner,
  kind: DoorKind,
  door: object,
  debounceMs = 5,
  more: Record<string, unknown> = {},
): Promise<Door> {
  const lines = Object.fromEntries(Object.entries(offsets).map(([line, offset]) => [line, `bench-gpio:${offset}`]))
  const folder = temporaryDirectory(t)
  const simulated = { log: join(folder, 'gpio.jsonl'), control: join(folder, 'gpio.sock') }
  const gpio = kind === 'simulated' ? { driver: kind, simulated } : { driver: driverOf[kind], lines, debounceMs }
  const slow = onKernel ? { recognizer: emulated.recognizer } : {}
  const { config } = makeHome(t, { gpio, camera, ...slow, door: { ...(onKernel && emulated.door), ...door }, ...more })
  const run = `setpriv --pdeathsig KILL '${process.execPath}' '${cli}' run --config '${config}'`
  // As an init does; exit code 2 is a configuration that stays wrong.
  const init = ['bash', '-c', `while ${run}; [ $? != 2 ]; do sleep 0.1; done`]
  const [moves, log, said, lock] = kind === 'simulated' ? onFiles(t, init, simulated) : await onBench(t, kind, init)
  return {
    config,
    set: moves,
    lock,
    get powered() {
      return lock().at(-1)?.on ?? false
    },
    log,
    said,
    async supervisor(other) {
      let pid = 0
      await until('the door is guarded', () => {
        pid = Number(
          log()
            .match(/guarding the door .*pid=(\d+)/g)
            ?.at(-1)
            ?.split('pid=')[1] ?? 0,
        )
        return pid !== 0 && pid !== other
      })
      return pid
    },
  }
}

type Parts = [Door['set'], Door['log'], Door['said'], Door['lock']]

async function onBench(t: Owner, kind: BenchKind, init: readonly string[]): Promise<Parts> {
  const bench = await startBench(t, kind, init)
  return [
    (line, on) => bench.set(offsets[line], on ? 1 : 0),
    () => bench.log(),
    () => bench.said(),
    () => bench.outputs(offsets.lock).map(({ level, at }) => ({ on: level === 1, at })),
  ]
}

function onFiles(t: Owner, init: readonly string[], { log: file, control }: { log: string; control: string }): Parts {
  const child = spawnChild(t, ['env', '-u', 'NODE_OPTIONS', ...init], 'pipe')
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8')
  })
  // The log has wall time.
  const offset = systemClock.now() - Date.now()
  return [
    (line, on) => {
      const socket = connect(control)
      // It may be killed before it answers.
      socket.on('error', () => {})
      socket.resume().end(`${JSON.stringify({ line, value: on ? 1 : 0 })}\n`)
    },
    () => said,
    () => [],
    () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((row) => row.includes('"lock"'))
        .map((row) => JSON.parse(row) as { at: string; value: number })
        .map(({ at, value }) => ({ on: value === 1, at: Date.parse(at) + offset })),
  ]
}

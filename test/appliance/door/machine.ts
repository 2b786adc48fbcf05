/**
 * The door's machine, seen from outside: QEMU on a disk that can lose what was not flushed, the strike as it moves, a hand
 * inside, and the power, which can go at any moment.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../../firmware/adapters/clock-system.js'
import type { Random } from '../../../firmware/evaluation/sequences/random.js'
import { root } from '../../support/appliance.js'
import type { CommandResult } from '../../support/child.js'
import { type Owner, temporaryDirectory, until } from '../../support/temp.js'
import { putFile } from './image.js'
import { type DiskServer, serveDisk } from './nbd.js'
import { type Loss, VolatileDisk } from './volatile-disk.js'

export const folder = join(root, 'build/appliance')
/** Of test/appliance/door/guest/board. */
const [lockLine, exitLine] = [0, 3]

export interface LineLevel {
  readonly level: 0 | 1
  /** Seconds since the kernel's start, of its own clock; `bench` is the level before anybody has claimed the line. */
  readonly at: number
  readonly from: 'bench' | 'driven'
}

export interface Machine {
  /** `Clock.now` at power-on. */
  readonly startedAt: number
  readonly disk: VolatileDisk
  readonly server: DiskServer
  /** Rows `ack …` that programs inside write to the third serial port, without that word, as they come. */
  onAcknowledged(listener: (row: string) => void): void
  /** Runs a shell command inside, as root; rejects when the machine ends first. */
  run(command: string): Promise<CommandResult>
  /** What the strike's line did since power-on, oldest first; starts anew with each reset. */
  strike(): LineLevel[]
  /** All that QEMU said on the console. */
  console(): string
  press(): Promise<void>
  /** What QEMU itself noticed, such as `WATCHDOG` and `RESET`: `Clock.now` of each. */
  noticed(event: string): number[]
  ended(): boolean
  /** Nothing is carried out any more, then QEMU is killed; blocks in flight survive with the chance `share`. */
  cut(share: number, random: Random): Promise<Loss>
  /** `systemctl poweroff`, to its end. */
  powerOff(): Promise<void>
}

/** `image`: raw, changed in place. `name`: for its files; `init`: its first program. */
export async function powerOn(
  t: Owner,
  image: string,
  { name, init = '/sbin/init' }: { readonly name: string; readonly init?: string },
): Promise<Machine> {
  const place = temporaryDirectory(t)
  const disk = new VolatileDisk(image, statSync(image).size)
  const server = await serveDisk(disk, join(place, 'disk'))
  const agentPath = join(place, 'agent')
  const startedAt = systemClock.now()
  const launch = spawn(
    join(root, 'test/appliance/launch'),
    [
      ...['--init', init, '--disk', `nbd:unix:${join(place, 'disk')}`, '--name', name],
      ...['--seconds', '3600', '--'],
      ...['-pidfile', join(place, 'pid'), '-serial', `unix:${agentPath},server=on,wait=off`],
      ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
      ...['-device', 'i6300esb', '-action', 'watchdog=reset', '-qmp', `unix:${join(place, 'qmp')},server=on,wait=off`],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  const exit = once(launch, 'exit')
  const ended = () => launch.exitCode !== null || launch.signalCode !== null
  const kill = async () => {
    if (!ended()) {
      const pid = existsSync(join(place, 'pid')) ? Number(readFileSync(join(place, 'pid'), 'utf8')) : launch.pid!
      process.kill(pid, 'SIGKILL')
      await exit
    }
    await server.close()
  }
  t.teardown(kill)
  await until('QEMU runs', () => existsSync(agentPath) || ended())
  if (ended()) throw new Error('QEMU did not start')
  let listen = (_row: string) => {}
  const run = hand(agentPath, exit, (row) => listen(row))
  const noticed = notice(join(place, 'qmp'))
  const said = (file: string) => {
    const path = join(folder, `${name}-${file}`)
    return existsSync(path) ? readFileSync(path, 'latin1') : ''
  }

  return {
    startedAt,
    disk,
    server,
    onAcknowledged(listener) {
      listen = listener
    },
    run,
    strike: () => strikeOf(said('results.tap')),
    console: () => said('serial.log'),
    async press() {
      const pull = `/run/bench-lines/sim_gpio${exitLine}/pull`
      await run(`echo pull-up >${pull}; sleep 0.1; echo pull-down >${pull}`)
    },
    noticed: (event) => noticed.filter(({ name }) => name === event).map(({ at }) => at),
    ended,
    async cut(share, random) {
      server.stop()
      await kill()
      return disk.cut(share, random)
    },
    async powerOff() {
      void run('systemctl poweroff').catch(() => {})
      await exit
      await server.close()
      disk.close()
    },
  }
}

/** Rows of the eye: the bench's own, and the tracepoint's `gpio_value: NUMBER set LEVEL`. */
function strikeOf(text: string): LineLevel[] {
  const levels: LineLevel[] = []
  let number = -1
  for (const row of text.split('\n')) {
    const bench = /(\d+\.\d+): tracing_mark_write: bench base (\d+) level (\d)/.exec(row)
    if (bench) {
      levels.length = 0
      number = Number(bench[2]) + lockLine
      levels.push({ level: bench[3] === '1' ? 1 : 0, at: Number(bench[1]), from: 'bench' })
    }
    const drive = /(\d+\.\d+): gpio_value: (\d+) set (\d)/.exec(row)
    if (drive && Number(drive[2]) === number)
      levels.push({ level: drive[3] === '1' ? 1 : 0, at: Number(drive[1]), from: 'driven' })
  }
  return levels
}

/** The agent inside, over its serial port; see guest/agent. */
function hand(path: string, exit: Promise<unknown>, acknowledge: (what: string) => void): Machine['run'] {
  const socket = connect(path)
  socket.on('error', () => {})
  const waiting = new Map<string, (result: CommandResult) => void>()
  let greeted: () => void
  const ready = new Promise<void>((resolve) => {
    greeted = resolve
  })
  let [held, number] = ['', 0]
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    const rows = (held + chunk).split('\n')
    held = rows.pop()!
    for (const row of rows) {
      const ack = /^ack (.*)/.exec(row)
      if (ack) acknowledge(ack[1]!)
      const [, id, code, said] = /^(\d+) (\d+) (\S*)/.exec(row) ?? []
      if (id === '0') greeted()
      waiting.get(id ?? '')?.({
        code: Number(code),
        stdout: Buffer.from(said!, 'base64').toString().trimEnd(),
        stderr: '',
      })
      waiting.delete(id ?? '')
    }
  })
  const gone = exit.then(() => {
    throw new Error('the machine has ended')
  })
  gone.catch(() => {})
  return async (command) => {
    await Promise.race([ready, gone])
    const id = String(++number)
    const answer = new Promise<CommandResult>((resolve) => waiting.set(id, resolve))
    socket.write(`${id} ${command}\n`)
    return Promise.race([answer, gone])
  }
}

/** QEMU's own events, over its monitor (QMP). */
function notice(path: string): { readonly name: string; readonly at: number }[] {
  const events: { name: string; at: number }[] = []
  let held = ''
  const socket = connect(path)
  socket.on('error', () => {})
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const rows = (held + chunk).split('\n')
    held = rows.pop()!
    for (const row of rows) {
      const { event } = JSON.parse(row) as { event?: string }
      if (event !== undefined) events.push({ name: event, at: systemClock.now() })
    }
  })
  socket.write('{"execute":"qmp_capabilities"}\n')
  return events
}

/** Asks again until it holds; given up after ten minutes, or when the machine has ended. */
export async function becomes(machine: Machine, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const from = systemClock.now()
  while (!(await holds())) {
    if (machine.ended()) throw new Error(`the machine ended before ${what}`)
    if (systemClock.now() - from > 600_000) throw new Error(`waited in vain until ${what}`)
    await sleep(200)
  }
}

/** A disk of the test's own, on which the door has these settings beside those of guest/config.json. */
export async function freshDisk(t: Owner, settings: Record<string, unknown>): Promise<string> {
  const image = join(temporaryDirectory(t), 'door.ext4')
  const copy = spawn('cp', ['--sparse=always', join(folder, 'door.ext4'), image])
  const [code] = await once(copy, 'exit')
  if (code !== 0) throw new Error('the disk could not be copied; is there room?')
  const usual = JSON.parse(readFileSync(join(root, 'test/appliance/door/guest/config.json'), 'utf8'))
  putFile(t, image, '/etc/facelatch/config.json', JSON.stringify({ ...usual, ...settings }))
  return image
}

/** After a reset in mid-strike; and then the orderly end of a machine in mid-strike. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../firmware/adapters/clock-system.js'
import { facelatch } from '../../support/appliance.js'
import { emulated } from '../../support/bench.js'
import { until } from '../../support/temp.js'
import { eventsOf, lockLine, type Row, startDoor } from './reset.js'

const folder = process.argv[2]!

/** Everybody but init and this program, as `kill -1` means it. */
function everybodyElse(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== 1 && pid !== process.pid && isProgram(pid))
}

/** Kernel threads have no command line; `cat` is the bench's eye. */
function isProgram(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'cat\n'
  } catch {
    return false
  }
}

function signalAll(signal: NodeJS.Signals): void {
  for (const pid of everybodyElse()) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has just ended.
    }
  }
}

t.test('after a reset in mid-strike the door is locked, and remembers', async (t) => {
  const door = await startDoor(t, folder)
  t.same(
    door.outputs(lockLine).map(({ level }) => level),
    [0],
    'at rest from its first moment, and nothing powers it',
  )
  const before = JSON.parse(readFileSync(join(folder, 'acknowledged.json'), 'utf8')) as Row[]
  const now = (await eventsOf(door.config)).map(({ id }) => id)
  t.ok(before.some(({ type }) => type === 'exit'))
  t.same(
    before.filter(({ id }) => !now.includes(id)),
    [],
    'every acknowledged event is there',
  )
  t.match(await facelatch(['events', '--verify', '--config', door.config]), { code: 0 })

  await door.press()
  t.equal(door.chips.level(lockLine), 1, 'and the exit button opens')

  // As every init does at the end: all are told to stop, and are killed some seconds later.
  const from = systemClock.now()
  signalAll('SIGTERM')
  // The level is read at once; the record of when it changed comes a moment later.
  await until('the strike is at rest', () => door.outputs(lockLine).at(-1)!.level === 0)
  const rest = door.outputs(lockLine).at(-1)!
  t.equal(door.chips.level(lockLine), 0)
  t.comment(`told to power off in mid-strike: at rest after ${(rest.at - from).toFixed(0)} ms`)
  t.ok(rest.at - from < emulated.door.guardSeconds * 1000)
  await until('facelatch has ended', () => door.status() !== undefined)
  t.equal(door.status(), 0, 'in order, before it would be killed')
  signalAll('SIGKILL')
  t.equal(door.chips.level(lockLine), 0, 'and so it stays')
})

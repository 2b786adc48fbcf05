/** Powers the strike, notes what the audit log has acknowledged, and resets the machine: no signal, no sync. */
import { closeSync, fsyncSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../../support/temp.js'
import { eventsOf, lockLine, startDoor } from './reset.js'

const folder = process.argv[2]!

t.test('a strike is on, and the machine is reset', async (t) => {
  const door = await startDoor(t, folder)
  await door.press()
  await until('the press is in the audit log', async () =>
    (await eventsOf(door.config)).some(({ type }) => type === 'exit'),
  )
  const rows = await eventsOf(door.config)
  t.equal(door.chips.level(lockLine), 1, 'the strike is on')
  const file = openSync(join(folder, 'acknowledged.json'), 'w')
  writeSync(file, JSON.stringify(rows))
  fsyncSync(file)
  closeSync(file)
  // What was printed must have left the serial port.
  setTimeout(() => writeFileSync('/proc/sysrq-trigger', 'b'), 500)
  await new Promise(() => {})
})

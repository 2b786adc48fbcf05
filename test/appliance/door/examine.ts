/** What a power cut leaves behind, judged by the product's own commands on the machine that tests. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type t from 'tap'
import { facelatch, type Home, makeHome, startAppliance } from '../../support/appliance.js'
import { script } from '../../support/child.js'
import { output, rawDatabase } from '../../support/database.js'
import { type Owner, until } from '../../support/temp.js'
import { type Acknowledged, state } from './business.js'
import type { DoorEvent } from './home.js'
import { recoverFolder } from './image.js'
import type { Loss } from './volatile-disk.js'

export interface Cut {
  readonly image: string
  readonly loss: Loss
  readonly change: number
  readonly powered: boolean
  readonly told: Acknowledged
}

export type Tap = Owner & Pick<typeof t, 'match' | 'ok' | 'same' | 'equal'>

/** What the next boot finds: the store's own word, everything that was acknowledged, and a door that stays shut. */
export async function examine(t: Tap, { image, told }: Cut): Promise<number> {
  const { folder, repaired } = recoverFolder(t, image, state)
  const at = (path: string) => join(folder, 'facelatch', path)
  t.same(repaired, [], 'the file system is whole once its journal is replayed')
  // The key's owner was the service's user.
  spawnSync('chown', ['-R', '0:0', folder])
  const home = makeHome(t, { store: { path: at('facelatch.db') } })
  const whole = `db.all('PRAGMA integrity_check', (error, rows) => console.log(error ?? JSON.stringify(rows)))`
  t.match(await output(script(`${rawDatabase(at('facelatch.db'))}\n${whole}`)), '[{"integrity_check":"ok"}]')
  const verified = await facelatch(['events', '--verify', '--config', home.config])
  t.equal(verified.code, 0, verified.stdout + verified.stderr)
  const rows = (await facelatch(['events', '--json', '--config', home.config])).stdout
    .split('\n')
    .filter(Boolean)
    .map((row) => JSON.parse(row) as DoorEvent)
  const stored = new Map(rows.map((row) => [row.id, row]))
  const lost = [...told.events.values()].filter(
    ({ id, seq, type }) => stored.get(id)?.seq !== seq || stored.get(id)?.type !== type,
  )
  t.same(lost, [], `all ${told.events.size} acknowledged events are there, under their numbers`)
  t.equal(new Set(rows.map(({ seq }) => seq)).size, rows.length, 'no number is given twice')
  const list = await facelatch(['people', 'list', '--json', '--config', home.config])
  const people = new Set((list.stdout.match(/"name":"[^"]*"/g) ?? []).map((text) => text.slice(8, -1)))
  const missing = [...told.enrolled].filter((name) => !people.has(name))
  t.same(missing, [], `all ${told.enrolled.size} acknowledged enrolments are there`)
  const back = [...told.removed].filter((name) => people.has(name))
  t.same(back, [], `and nobody of the ${told.removed.size} who were forgotten`)
  await staysShut(t, home)
  try {
    return Number(readFileSync(at('canary'), 'latin1').replaceAll('\0', '').trim().split('\n').at(-1))
  } catch {
    // Not even its name was flushed.
    return 0
  }
}

/** The same program, on this machine and with simulated lines, starts with what the cut has left. */
async function staysShut(t: Tap, home: Home): Promise<void> {
  const door = startAppliance(t, home)
  await until('it guards the door', () => door.log().includes('guarding the door'))
  await sleep(1000)
  t.ok(
    door.lines('lock').every(({ value }) => value === 0),
    'the strike is at rest when it starts',
  )
  await door.input('exit', 1)
  await until('the exit button opens', () => door.lines('lock').at(-1)?.value === 1)
  await door.stop()
}

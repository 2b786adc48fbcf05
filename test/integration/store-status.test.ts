/** A store that nobody can be recognised from is a problem that `facelatch status` and the metrics tell. */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { facelatch, type Home, makeHome, startAppliance } from '../support/appliance.js'
import { open, template } from '../support/database.js'
import { until } from '../support/temp.js'

t.setTimeout(300_000)

const path = (home: Home) => join(home.folder, 'facelatch.db')
const status = async (home: Home) => {
  const { code, stdout } = await facelatch(['status', '--json', '--config', home.config])
  return { code, ...(stdout === '' ? { problems: [], store: {} } : JSON.parse(stdout)) } as {
    code: number
    problems: string[]
    store: { recognisable?: number }
    events?: Record<string, number>
  }
}

async function enrolled(t: Test, names: readonly string[], schedule = {}): Promise<Home> {
  const home = makeHome(t, { schedule: { catchUpSeconds: 600, ...schedule } })
  const store = await open(t, path(home))
  for (const name of names) await store.enrol(name, [template('m', 1, 2)], [])
  await store.close()
  return home
}

t.test('a key that is another one, or none at all', async (t) => {
  for (const [key, said] of [
    [randomBytes(32).toString('base64'), /facelatch\.db\.key: is not the key this store is sealed with.*nobody is/],
    ['garbage', /facelatch\.db\.key: holds no key.*nobody is recognised/],
  ] as const) {
    const home = await enrolled(t, ['Ada', 'Bea'])
    writeFileSync(`${path(home)}.key`, `${key}\n`)
    const appliance = startAppliance(t, home)
    await until('status says so', async () => said.test((await status(home)).problems.join('\n')))
    await until('and counts', async () => (await status(home)).store.recognisable === 0)
    const screen = await facelatch(['status', '--config', home.config])
    t.match(screen, { code: 1, stdout: /people +2 enrolled {2}0 can be recognised/ })
    t.match(screen.stdout, /PROBLEMS +key /)
    await appliance.stop()
  }
})

t.test('a store that was begun anew, also after the next start', async (t) => {
  const home = await enrolled(t, ['Ada'])
  rmSync(`${path(home)}-wal`, { force: true })
  writeFileSync(path(home), Buffer.alloc(16_384, 'x'))
  const said = /damaged and begun anew, and nobody is enrolled any more/
  for (const _ of ['first', 'second']) {
    const appliance = startAppliance(t, home)
    await until('status says so', async () => said.test((await status(home)).problems.join('\n')))
    t.equal((await status(home)).code, 1)
    await appliance.stop()
  }
})

t.test('a store damaged in use, and read through', async (t) => {
  const home = await enrolled(
    t,
    Array.from({ length: 100 }, (_, i) => `P${i}`),
    { check: '* * * * *' },
  )
  const appliance = startAppliance(t, home)
  await until('it runs', async () => (await status(home)).events !== undefined)
  const file = openSync(path(home), 'r+')
  const { size } = statSync(path(home))
  writeSync(file, Buffer.alloc(Math.floor(size / 2), 'x'), 0, Math.floor(size / 2), Math.floor(size / 4))
  closeSync(file)
  await until('status says so', async () =>
    /was damaged \(kept as .*begun anew for want/.test((await status(home)).problems.join('\n')),
  )
  t.equal((await status(home)).code, 1)
  await appliance.stop()
})

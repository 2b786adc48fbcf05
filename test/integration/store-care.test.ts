/** Backups, keys, forgetting and the audit log's export, as commands beside a door that is guarded. */
import { chmodSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, type Home, makeHome, startAppliance } from '../support/appliance.js'
import { open, template } from '../support/database.js'
import { filesWith } from '../support/database-files.js'
import { until } from '../support/temp.js'

t.setTimeout(900_000)

const path = (home: Home) => join(home.folder, 'facelatch.db')

t.test('beside a guarded door', async (t) => {
  const home = makeHome(t, { schedule: { catchUpSeconds: 0.5 } })
  const own = ['--config', home.config]
  const store = await open(t, path(home))
  for (const name of ['Quirinalia', '=Vertumna()'])
    await store.enrol(name, [template('m', 1, 2)], [{ type: 'enrolled', person: name }])
  await store.close()
  const appliance = startAppliance(t, home)
  const backups = () => readdirSync(join(home.folder, 'backups')).filter((name) => name.endsWith('.db'))
  await until('a missed night is caught up', () => /night: backup: facelatch-/.test(appliance.log()))
  t.equal(backups().length, 1)

  // A backup of the same second and the same event would take the other's place.
  const exits = async () => (await appliance.events()).filter(({ type }) => type === 'exit').length
  await appliance.input('exit', 1)
  await until('an event more', async () => (await exits()) === 1)
  await appliance.input('exit', 0)
  const made = await facelatch(['backup', ...own])
  t.match(made, { code: 0, stdout: /facelatch-\d+-.*\.db {2}[\d.]+ MiB {2}up to event \d+/ })
  t.match(await facelatch(['backup', '--list', '--json', ...own]), { stdout: /"seq":\d+/ })
  t.match(await facelatch(['store', 'restore', ...own]), { code: 1, stderr: /in use by another facelatch/ })
  t.match(await facelatch(['store', 'rotate-key', ...own]), { code: 0, stdout: /sealed with a new key/ })
  t.match(await facelatch(['store', 'new-key', ...own]), { code: 1, stderr: /use rotate-key/ })
  t.match(await facelatch(['store', 'forget', ...own]), { code: 2, stderr: /usage: facelatch store/ })

  t.match(await facelatch(['people', 'remove', 'Quirinalia', ...own]), { code: 0 })
  t.same(filesWith(home.folder, 'Quirinalia'), [], 'in no file of the folder')
  await appliance.input('exit', 1)
  await until('the door goes on', async () => (await exits()) === 2)
  t.match(await facelatch(['events', '--verify', ...own]), {
    code: 0,
    stdout: /none changed, removed or reordered; signed up to event \d+, at 2/,
  })

  const csv = (await facelatch(['events', '--format', 'csv', ...own])).stdout
  t.match(csv, /^seq,id,at,type,person,similarity,track,detail\r\n1,/)
  t.match(csv, /,enrolled,"'=Vertumna\(\)",/)
  const json = JSON.parse((await facelatch(['events', '--format', 'json', ...own])).stdout)
  t.match(json[0], { seq: 1, type: 'enrolled', person: /^forgotten-/ })
  t.match(await facelatch(['events', '--format', 'xml', ...own]), { code: 2, stderr: /--format must be csv or json/ })
  const doctor = (await facelatch(['doctor', ...own])).stdout
  t.match(doctor, /ok +key +templates are sealed with .*facelatch\.db\.key/)
  t.match(doctor, /ok +backup .*and 1 older/)
  t.match(doctor, /ok +night +the last job ran at/)
  await appliance.stop()

  t.match(await facelatch(['store', 'restore', ...own]), { code: 0, stdout: /^restored .*; what was there before is / })
  t.match((await facelatch(['events', '--json', ...own])).stdout, /"type":"store_replaced"/)
})

t.test('a lost key: the exit button works, and it is told who has to enrol again', async (t) => {
  const home = makeHome(t)
  const own = ['--config', home.config]
  const store = await open(t, path(home))
  await store.enrol('Ada', [template('m', 1, 2)], [])
  await store.close()
  renameSync(`${path(home)}.key`, join(home.folder, 'elsewhere'))
  const appliance = startAppliance(t, home)
  await until('it is told', async () => (await appliance.events()).some(({ type }) => type === 'key_lost'))
  await appliance.input('exit', 1)
  t.equal(appliance.lines('lock').at(-1)?.value, 1)
  t.match((await facelatch(['people', 'list', ...own])).stdout, /Ada .* no templates/)
  t.notMatch(appliance.log(), /enrol again/, 'the key may come back')
  t.match(await facelatch(['doctor', ...own]), { code: 1, stdout: /FAULT key .*is not there: put it back/ })
  t.match(await facelatch(['store', 'new-key', ...own]), { code: 0, stdout: /to be enrolled again with --more: Ada/ })
  t.ok((await appliance.events()).some(({ type }) => type === 'key_replaced'))
  await appliance.stop()
})

t.test('a key that others may read is refused in one line', async (t) => {
  const home = makeHome(t)
  const key = join(home.folder, 'own.key')
  writeFileSync(key, `${Buffer.alloc(32, 1).toString('base64')}\n`)
  chmodSync(key, 0o644)
  const config = JSON.parse(readFileSync(home.config, 'utf8'))
  writeFileSync(home.config, JSON.stringify({ ...config, store: { ...config.store, keyFile: key } }))
  await (await open(t, path(home), { keyFile: key })).close()
  const said = await facelatch(['store', 'rotate-key', '--config', home.config])
  t.equal(said.code, 1)
  t.match(said.stderr, /^facelatch: key .*own\.key: others may read it \(mode 644\): chmod 600[^\n]*\n$/)
})

/** Forgetting a person: nothing is left in any byte of any file, and the audit log still proves itself. */
import { copyFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { keepStore } from '../../firmware/adapters/store-keeper.js'
import { script } from '../support/child.js'
import { databasePath, inOtherProcess, open, output, template } from '../support/database.js'
import { filesWith } from '../support/database-files.js'
import { memoryLog } from '../support/temp.js'

t.setTimeout(180_000)

const embedding = Float32Array.from({ length: 64 }, (_, i) => Math.cos(i))
const face = { ...template('m'), embedding, source: 'pictures/Quirinalia/1.jpg' }

t.test('a forgotten person is in no file of the data folder', async (t) => {
  const path = databasePath(t)
  const folder = dirname(path)
  const store = await open(t, path)
  // Enough people that pages split, merge and are used again.
  const others = Array.from({ length: 200 }, (_, i) => `Somebody-${i}-else`)
  for (const name of others) await store.enrol(name, [face], [])
  await store.enrol('Quirinalia', [face, face], [{ type: 'enrolled', person: 'Quirinalia' }])
  await store.append({ type: 'known', person: 'quirinalia', similarity: 0.9 }, false)
  await store.append(
    { type: 'granted', person: 'Quirinalia', detail: { by: 'face', note: 'for QUIRINALIA, again' } },
    false,
  )
  await store.backup()
  await store.renamePerson('Quirinalia', 'Vertumna', [
    { type: 'renamed', person: 'Quirinalia', detail: { to: 'Vertumna' } },
  ])
  await store.backup()
  const also = others.filter((_, i) => i % 20 === 7)
  for (const name of also) await store.removePerson(name, [])
  copyFileSync(path, `${path}.damaged-20260101T000000Z`)
  t.match(await store.events({}), [
    { type: 'enrolled', person: 'Quirinalia' },
    { type: 'known', person: 'Quirinalia' },
    { type: 'granted', detail: { note: 'for Quirinalia, again' } },
    { type: 'renamed', person: 'Quirinalia', detail: { to: 'Vertumna' } },
  ])
  const names = ['Quirinalia', 'quirinalia', 'QUIRINALIA', 'Vertumna', 'vertumna']
  t.ok(
    names.some((name) => filesWith(folder, name).length > 1),
    'they were there, in backups too',
  )

  t.ok(await store.removePerson('vertumna', [{ type: 'removed', person: 'vertumna' }]))
  for (const name of names) t.same(filesWith(folder, name), [], name)
  for (const name of also) t.same(filesWith(folder, name), [], name)
  t.equal((await store.people()).length, 190)
  t.equal((await store.backups()).length, 2, 'the backups are still there')
  const rows = await store.events({})
  t.match(rows.at(-1), { type: 'removed', person: /^forgotten-[0-9a-f]{8}$/ })
  t.equal(rows[0]!.person, rows[1]!.person, 'one row is still about the same nobody as the other')
  t.match(await store.verifyEvents(), { count: 5, fault: undefined })
  await store.close()
  for (const name of names) t.same(filesWith(folder, name), [], `${name}, after the end`)
})

t.test('an event about somebody just forgotten brings no name back', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Quirinalia', [face], [])
  await store.removePerson('Quirinalia', [])
  const late = await store.append({ type: 'known', person: 'Quirinalia', similarity: 0.9 }, true)
  t.match(late.person, /^forgotten-/)
  t.match(await store.nextOutgoing(), { event: { person: late.person } })
  t.same(filesWith(dirname(path), 'Quirinalia'), [])
})

t.test('by another process, while the store is in use', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Quirinalia', [face], [{ type: 'enrolled', person: 'Quirinalia' }])
  await store.gallery('m')
  await store.backup()
  await inOtherProcess(path, `await store.removePerson('Quirinalia', [{ type: 'removed', person: 'Quirinalia' }])`)
  t.same(filesWith(dirname(path), 'Quirinalia'), [])
  t.same(await store.gallery('m'), [])
  t.match(await store.verifyEvents(), { count: 2, fault: undefined })
})

t.test('cut off by a kill, it is finished by the next one to look', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Quirinalia', [face], [])
  await store.backup()
  await store.close()
  const url = new URL('../../firmware/adapters/store-sqlite.js', import.meta.url).href
  await output(
    script(`
      const { openStore } = await import('${url}')
      const log = { debug() {}, info() {}, warn() {}, error() {} }
      const onStatement = (when, sql) => when === 'before' && sql === 'VACUUM' && process.kill(process.pid, 'SIGKILL')
      const store = await openStore({ path: ${JSON.stringify(path)}, log, onStatement })
      await store.removePerson('Quirinalia', [])`),
  ).catch(() => {})
  t.not(filesWith(dirname(path), 'Quirinalia').length, 0)
  const next = await open(t, path)
  t.same(await next.people(), [], 'the forgetting itself was done')
  t.equal(await next.scrub(), true)
  t.same(filesWith(dirname(path), 'Quirinalia'), [])
  t.equal(await next.scrub(), false)
})

t.test('a restored backup does not bring somebody forgotten back', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Quirinalia', [face], [])
  await store.enrol('Ada', [face], [])
  await store.backup()
  await store.removePerson('Quirinalia', [])
  await store.close()
  renameSync(path, `${path}.away`)
  writeFileSync(path, Buffer.alloc(10_000, 1))
  const kept = await keepStore({ path, log: memoryLog() })
  t.teardown(() => kept.close())
  t.match(await kept.people(), [{ name: 'Ada' }])
  t.equal((await kept.people()).length, 1)
})

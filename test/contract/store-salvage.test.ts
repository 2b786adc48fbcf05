/** What of people outlives a damaged store, and what must not. */
import { copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { type KeptStore, keepStore } from '../../firmware/adapters/store-keeper.js'
import type { StoreOptions } from '../../firmware/adapters/store-sqlite.js'
import type { StoreReplaced } from '../../firmware/ports.js'
import { script, silentLog } from '../support/child.js'
import {
  adapter,
  databasePath,
  inOtherProcess,
  open,
  output,
  overwrite,
  tamper,
  template,
} from '../support/database.js'
import { memoryLog, type Owner } from '../support/temp.js'

t.setTimeout(180_000)

const keep = (path: string, more: Partial<StoreOptions> = {}): Promise<KeptStore> => {
  mkdirSync(dirname(path), { recursive: true })
  return keepStore({ path, log: memoryLog(), ...more })
}
const spoil = (path: string) => overwrite(path, 4096, Buffer.alloc(statSync(path).size - 4096, 0xa5))

/** A store in use whose damage the next reading of embedder `n` meets: more than SQLite keeps in memory. */
async function inUse(t: Owner, path: string): Promise<{ store: KeptStore; replaced: StoreReplaced[] }> {
  const store = await keep(path)
  t.teardown(() => store.close())
  const replaced: StoreReplaced[] = []
  store.onReplaced((one) => replaced.push(one))
  await store.enrol('Ada', [template('m', 1, 2, 3)], [{ type: 'enrolled', person: 'Ada' }])
  await store.backup()
  await store.enrol('Bo', [template('m', 4, 5, 6)], [])
  await store.enrol('Big', [{ ...template('n'), embedding: new Float32Array(1_500_000).fill(1) }], [])
  return { store, replaced }
}

/** As the running facelatch reads people after each change it notices. */
async function look(store: KeptStore): Promise<void> {
  await store.galleryRevision()
  await store.people()
  await store.gallery('m')
}

/** The log's own rows in between find damage late: it is looked for. */
async function breakNow(store: KeptStore, path: string): Promise<void> {
  await store.optimize()
  spoil(path)
  await store.gallery('n')
}

const names = async (store: Pick<KeptStore, 'people'>) => (await store.people()).map(({ name }) => name)
const faces = async (store: KeptStore) => (await store.gallery('m')).map(({ person }) => person)

t.test('who was forgotten is not put back from memory, though it had not noticed the forgetting', async (t) => {
  const path = databasePath(t)
  const { store, replaced } = await inUse(t, path)
  await look(store)
  await inOtherProcess(path, `await store.removePerson('Bo', []); await store.removePerson('Ada', [])`)
  await breakNow(store, path)
  t.match(replaced, [{ backup: { seq: 1 } }])
  t.same(await names(store), ['Big'])
  t.same(await faces(store), [])
})

t.test('who was put back and then forgotten stays forgotten when the store breaks again', async (t) => {
  const path = databasePath(t)
  const { store, replaced } = await inUse(t, path)
  await look(store)
  await breakNow(store, path)
  t.match(replaced, [{ kept: 2 }])
  t.same(await names(store), ['Ada', 'Big', 'Bo'])
  await inOtherProcess(path, `await store.removePerson('Bo', [])`)
  await store.enrol('Large', [{ ...template('n'), embedding: new Float32Array(1_500_000).fill(1) }], [])
  await breakNow(store, path)
  t.equal(replaced.length, 2)
  t.notOk((await names(store)).includes('Bo'))
  t.same(await faces(store), ['Ada'])
})

t.test('a forgetting cut off before the backups were changed is final all the same', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Ada', [template('m', 1, 2, 3)], [])
  await store.enrol('Bo', [template('m', 4, 5, 6)], [])
  await store.backup()
  await store.close()
  const kill = `(when, sql) => when === 'before' && sql === 'VACUUM' && process.kill(process.pid, 'SIGKILL')`
  await output(
    script(`
      const { openStore } = await import(${adapter})
      const store = await openStore({ path: ${JSON.stringify(path)}, log: ${silentLog}, onStatement: ${kill} })
      await store.removePerson('Bo', [])`),
  ).catch(() => {})
  spoil(path)
  const kept = await keep(path)
  t.teardown(() => kept.close())
  t.same(await names(kept), ['Ada'])
  t.same(await faces(kept), ['Ada'])
})

t.test('a removal that fails at its commit forgets nobody later', async (t) => {
  const path = databasePath(t)
  let isFull = false
  let removing = false
  const onStatement = (when: string, sql: string) => {
    removing ||= isFull && sql.startsWith('DELETE FROM person')
    if (!removing || when !== 'before' || sql !== 'COMMIT') return
    isFull = removing = false
    throw Object.assign(new Error('SQLITE_FULL: database or disk is full'), { code: 'SQLITE_FULL' })
  }
  const store = await open(t, path, { onStatement })
  for (const name of ['Ada', 'Bo', 'Cy']) await store.enrol(name, [template('m', 1, 2, 3)], [])
  await store.backup()
  await store.removePerson('Cy', [])
  isFull = true
  await t.rejects(store.removePerson('Bo', [{ type: 'removed', person: 'Bo' }]), { code: 'full' })
  t.same(await names(store), ['Ada', 'Bo'])
  await store.close()
  spoil(path)
  const kept = await keep(path)
  t.teardown(() => kept.close())
  t.same(await names(kept), ['Ada', 'Bo'], 'who stayed comes back, who went does not')
  t.equal(await kept.removePerson('Bo', []), true)
  t.same(await names(kept), ['Ada'])
})

t.test('while the store does not answer, the forgotten are not answered from memory either', async (t) => {
  const path = databasePath(t)
  const store = await keep(path, { busyTimeout: 50 })
  t.teardown(() => store.close())
  await store.enrol('Ada', [template('m', 1, 2, 3)], [])
  await store.enrol('Bo', [template('m', 4, 5, 6)], [])
  await look(store)
  const before = await store.galleryRevision()
  const bo = (await store.people()).find(({ name }) => name === 'Bo')!
  const { markForgotten } = await import('../../firmware/adapters/store-salvage.js')
  markForgotten(path, bo.id)
  // Damaged, without a backup that could be copied: the folder is no folder.
  writeFileSync(join(dirname(path), 'backups'), 'in the way')
  await store.enrol('Big', [{ ...template('n'), embedding: new Float32Array(1_500_000).fill(1) }], [])
  await breakNow(store, path).catch(() => {})
  t.same(await faces(store), ['Ada'])
  t.notOk((await names(store)).includes('Bo'))
  t.not(await store.galleryRevision(), before, 'people are read again')
})

t.test('who was renamed since the backup is one person, under the newer name', async (t) => {
  const path = databasePath(t)
  const { store, replaced } = await inUse(t, path)
  const ada = (await store.people()).find(({ name }) => name === 'Ada')!
  await store.renamePerson('Ada', 'Adele', [{ type: 'renamed', person: 'Ada', detail: { to: 'Adele' } }])
  // Somebody else has the name that became free.
  await store.renamePerson('Bo', 'Ada', [])
  await look(store)
  await breakNow(store, path)
  t.match(replaced, [{ kept: 2 }])
  t.same(await names(store), ['Ada', 'Adele', 'Big'])
  t.same(
    (await store.gallery('m')).map(({ person, embedding }) => [person, [...embedding]]),
    [
      ['Ada', [4, 5, 6]],
      ['Adele', [1, 2, 3]],
    ],
  )
  t.equal((await store.people()).find(({ name }) => name === 'Adele')!.id, ada.id)
  t.match(await store.events({}), [
    { type: 'enrolled' },
    { type: 'renamed', detail: { to: 'Adele', from: 'memory' } },
    { type: 'enrolled', detail: { from: 'memory' } },
    { type: 'enrolled', detail: { from: 'memory' } },
  ])
  t.match(await store.verifyEvents(), { fault: undefined })
})

t.test('no number is given to two events, and it is told how many are lost', async (t) => {
  const path = databasePath(t)
  const { store, replaced } = await inUse(t, path)
  for (let i = 0; i < 3; i++) await store.append({ type: 'unknown' }, false)
  await look(store)
  await breakNow(store, path)
  t.match(replaced, [{ backup: { seq: 1 }, lost: 3 }])
  t.match(await store.append({ type: 'store_replaced' }, false), { seq: 7 }, 'after two people put back')
  t.match(await store.verifyEvents(), { count: 4, fault: undefined })
  await store.sealEvents()
  t.match(await store.verifyEvents(), { count: 4, fault: undefined, signed: { seq: 7 } })
  t.equal(await store.removeEventsBefore(new Date(Date.now() + 1000)), 0, 'all are still to be sent')
  await store.close()

  for (const [sql, fault] of [
    ["UPDATE checkpoint SET note = '6' WHERE kind = 'replacement'", /signature is wrong/],
    ["DELETE FROM checkpoint WHERE kind = 'replacement'", /events 2 to 4 before it are missing/],
    [
      "UPDATE checkpoint SET key_id = NULL, mac = NULL WHERE kind = 'replacement'",
      /events 2 to 4 before it are missing/,
    ],
    ['DELETE FROM event WHERE seq = 5', /events 2 to 5 before it are missing/],
    ['DELETE FROM event WHERE seq > 1', /events 2 to 7 at the end are missing/],
  ] as const) {
    const copy = join(dirname(databasePath(t)), 'copy.db')
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(path, copy)
    copyFileSync(`${path}.key`, `${copy}.key`)
    await tamper(copy, sql)
    t.match(await (await open(t, copy)).verifyEvents(), { fault }, sql)
  }
})

t.test('and with no backup at all', async (t) => {
  const path = databasePath(t)
  const store = await keep(path)
  t.teardown(() => store.close())
  for (let i = 0; i < 5; i++) await store.append({ type: 'unknown' }, false)
  await store.enrol('Big', [{ ...template('n'), embedding: new Float32Array(1_500_000).fill(1) }], [])
  await breakNow(store, path)
  t.match(await store.verifyEvents(), { count: 0, fault: undefined })
  t.match(await store.append({ type: 'store_replaced' }, false), { seq: 6 })
  t.match(await store.verifyEvents(), { count: 1, fault: undefined })
})

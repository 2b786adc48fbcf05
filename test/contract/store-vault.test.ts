/** Templates at rest: sealed, bound to their row, and openable with the right key only. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { findKey } from '../../firmware/adapters/store-key.js'
import { openStore } from '../../firmware/adapters/store-sqlite.js'
import { databasePath, inOtherProcess, open, tamper, template } from '../support/database.js'
import { filesWith } from '../support/database-files.js'
import { memoryLog, temporaryDirectory } from '../support/temp.js'

t.setTimeout(180_000)

const embedding = Array.from({ length: 128 }, (_, i) => Math.fround(Math.sin(i + 1)))
const face = { ...template('m', ...embedding), source: 'photos/margarete/1.jpg' }
/** Part of the embedding as it would lie in the file. */
const bytes = Buffer.from(Float32Array.from(embedding).buffer).subarray(16, 48)

t.test('no template and no name of its picture lies in the clear, in any file', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Ada', [face], [])
  await store.backup()
  t.same(filesWith(dirname(path), bytes), [])
  t.same(filesWith(dirname(path), 'margarete'), [])
  await store.close()
  t.same(filesWith(dirname(path), bytes), [])
  t.same(await (await open(t, path)).templates('Ada'), [face], 'and it is read back as it was')
})

t.test('a key file is made at the first start, for its owner only', async (t) => {
  const path = databasePath(t)
  await open(t, path)
  t.equal(statSync(`${path}.key`).mode & 0o777, 0o600)
  t.equal(Buffer.from(readFileSync(`${path}.key`, 'utf8'), 'base64').length, 32)
})

t.test('three processes that make one store make one key', async (t) => {
  const path = databasePath(t)
  const code = (name: string) =>
    `await store.enrol('${name}', [{ embedder: 'm', embedding: new Float32Array(4).fill(1), quality: 1, source: 's' }], [])`
  await Promise.all(['a', 'b', 'c'].map((name) => inOtherProcess(path, code(name))))
  t.equal((await (await open(t, path)).gallery('m')).length, 3)
})

t.test('a key that others may read, or of another user, or that is none, is refused in one line', async (t) => {
  const cases: [string, (key: string) => void, RegExp][] = [
    ['readable by others', (key) => chmodSync(key, 0o644), /others may read it \(mode 644\): chmod 600/],
    ['readable by the group', (key) => chmodSync(key, 0o640), /mode 640/],
    ['too short', (key) => writeFileSync(key, 'c2hvcnQ=\n'), /holds no key: one is 32 bytes in base64/],
    ['no base64', (key) => writeFileSync(key, `${'!'.repeat(44)}\n`), /holds no key/],
    ['empty', (key) => writeFileSync(key, ''), /holds no key/],
    [
      'a folder',
      (key) => {
        rmSync(key)
        mkdirSync(key, 0o700)
      },
      /is no file/,
    ],
  ]
  for (const [what, spoil, message] of cases) {
    const path = databasePath(t)
    await (await open(t, path)).close()
    spoil(`${path}.key`)
    const store = await open(t, path)
    await t.rejects(store.enrol('Ada', [face], []), { code: 'key', message }, what)
    t.match(await store.keyProblem(), message)
    t.match(await store.append({ type: 'started' }, false), { type: 'started' }, 'the audit log needs no key')
    t.same(await store.people(), [], 'nothing half enrolled')
  }
})

t.test('a key of another user is refused', { skip: process.getuid?.() !== 0 && 'needs root' }, async (t) => {
  const path = databasePath(t)
  await (await open(t, path)).close()
  const { chownSync } = await import('node:fs')
  chownSync(`${path}.key`, 65534, 65534)
  t.match(await (await open(t, path)).keyProblem(), /belongs to user 65534/)
})

t.test('a lost key costs the templates and nothing else', async (t) => {
  const path = databasePath(t)
  const log = memoryLog()
  const first = await open(t, path)
  await first.enrol('Ada', [face], [{ type: 'enrolled', person: 'Ada' }])
  await first.sealEvents()
  await first.close()
  const key = readFileSync(`${path}.key`)
  rmSync(`${path}.key`)
  const store = await open(t, path, { log })
  t.notOk(existsSync(`${path}.key`), 'no new key is made in silence')
  t.match(await store.keyProblem(), /is not there: put it back/)
  t.same(await store.gallery('m'), [])
  t.match(log.lines, [/error: 1 templates cannot be opened, .*is not there/])
  t.match(await store.people(), [{ name: 'Ada', templates: {} }], 'who has to enrol again is known')
  t.match(await store.events({}), [{ type: 'enrolled', person: 'Ada' }])
  t.match(await store.verifyEvents(), { count: 1, fault: undefined, unchecked: 1 })
  await t.rejects(store.enrol('Bo', [face], []), { code: 'key' })

  await store.replaceKey()
  await store.enrol('Ada', [{ ...face, source: 'again' }], [])
  t.match(await store.people(), [{ name: 'Ada', templates: { m: 1 } }])
  t.equal((await store.gallery('m')).length, 1)
  await t.rejects(store.replaceKey(), { code: 'key', message: /use rotate-key/ })

  writeFileSync(`${path}.key`, Buffer.concat([readFileSync(`${path}.key`), key]))
  t.equal((await store.gallery('m')).length, 2, 'a key found again, as a second line, opens what was shut')
  await store.rotateKey()
  t.equal(readFileSync(`${path}.key`, 'utf8').trim().split('\n').length, 1)
  t.equal((await store.gallery('m')).length, 2)
  t.match(await store.verifyEvents(), { count: 1, unchecked: undefined })
})

t.test('another key opens nothing', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Ada', [face], [])
  await store.close()
  writeFileSync(`${path}.key`, `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
  const other = await open(t, path)
  t.same(await other.gallery('m'), [])
  t.match(await other.keyProblem(), /is not the key this store is sealed with/)
})

t.test('a row that was changed or moved stays shut, the others open', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  for (const name of ['Ada', 'Bo', 'Cy', 'Di']) await store.enrol(name, [face], [])
  await store.close()
  const of = (name: string) => `(SELECT id FROM person WHERE name = '${name}')`
  for (const [what, sql] of [
    ['given to another person', `UPDATE template SET person_id = ${of('Bo')} WHERE person_id = ${of('Ada')}`],
    ['a bit', `UPDATE template SET sealed = CAST(sealed || x'00' AS BLOB) WHERE person_id = ${of('Ada')}`],
    ['the embedder', `UPDATE template SET embedder = 'n' WHERE person_id = ${of('Ada')}`],
    [
      "another's content",
      `UPDATE template SET sealed = (SELECT sealed FROM template WHERE person_id = ${of('Bo')}) WHERE person_id = ${of('Ada')}`,
    ],
    ['cut off', `UPDATE template SET sealed = x'0011' WHERE person_id = ${of('Ada')}`],
  ] as const) {
    const copy = join(temporaryDirectory(t), 'copy.db')
    writeFileSync(copy, readFileSync(path))
    writeFileSync(`${copy}.key`, readFileSync(`${path}.key`), { mode: 0o600 })
    await tamper(copy, sql)
    const log = memoryLog()
    const tampered = await open(t, copy, { log })
    const gallery = [...(await tampered.gallery('m')), ...(await tampered.gallery('n'))]
    t.same(
      gallery.map(({ person }) => person),
      ['Bo', 'Cy', 'Di'],
      what,
    )
    t.match(log.lines, [/1 templates cannot be opened/])
  }
})

t.test('a change of keys', async (t) => {
  t.test('seals the store and its backups anew; who has the store open goes on', async (t) => {
    const path = databasePath(t)
    const running = await open(t, path)
    await running.enrol('Ada', [face], [])
    await running.sealEvents()
    await running.append({ type: 'started' }, false)
    await running.sealEvents()
    const { path: backup } = await running.backup()
    const old = readFileSync(`${path}.key`, 'utf8')
    await inOtherProcess(path, 'await store.rotateKey()')
    t.not(readFileSync(`${path}.key`, 'utf8'), old)
    await running.enrol('Bo', [face], [])
    t.equal((await running.gallery('m')).length, 2, 'what the running one seals and opens')
    t.match(await running.verifyEvents(), { fault: undefined, unchecked: undefined })
    const restored = join(temporaryDirectory(t), 'restored.db')
    writeFileSync(restored, readFileSync(backup))
    writeFileSync(`${restored}.key`, readFileSync(`${path}.key`), { mode: 0o600 })
    t.equal((await (await open(t, restored)).gallery('m')).length, 1, 'the backup opens with the new key')
    writeFileSync(`${restored}.key`, old, { mode: 0o600 })
    t.match(await (await open(t, restored)).keyProblem(), /is not the key/, 'and not with the old one')
  })

  t.test('that an administrator prepares in a credential is carried out', async (t) => {
    const path = databasePath(t)
    const credentials = temporaryDirectory(t)
    const line = (fill: number) => `${Buffer.alloc(32, fill).toString('base64')}\n`
    writeFileSync(join(credentials, 'facelatch-key'), line(1), { mode: 0o440 })
    t.equal(findKey(path, '', credentials).path, join(credentials, 'facelatch-key'))
    t.equal(findKey(path, '/own/key', credentials).path, '/own/key', 'store.keyFile wins')
    process.env.CREDENTIALS_DIRECTORY = credentials
    t.teardown(() => delete process.env.CREDENTIALS_DIRECTORY)
    const store = await open(t, path)
    await store.enrol('Ada', [face], [])
    t.notOk(existsSync(`${path}.key`))
    await t.rejects(store.rotateKey(), { code: 'key', message: /comes from systemd/ })
    rmSync(join(credentials, 'facelatch-key'))
    writeFileSync(join(credentials, 'facelatch-key'), line(2) + line(1), { mode: 0o440 })
    t.match(await store.rotateKey(), /take the second line out/)
    rmSync(join(credentials, 'facelatch-key'))
    writeFileSync(join(credentials, 'facelatch-key'), line(2), { mode: 0o440 })
    await store.close()
    t.equal((await (await open(t, path)).gallery('m')).length, 1)
  })
})

t.test('store.createKey false: a store without a key takes no templates', async (t) => {
  const path = databasePath(t)
  const store = await openStore({ path, log: memoryLog(), createKey: false })
  t.teardown(() => store.close())
  t.notOk(existsSync(`${path}.key`))
  await t.rejects(store.enrol('Ada', [face], []), { code: 'key', message: /is not there/ })
})

/** A store of every past version opens as what it was, with what newer versions promise. */
import { dirname } from 'node:path'
import t from 'tap'
import { applicationId, migrations } from '../../firmware/adapters/store-migrations.js'
import { chainHash, chainStart } from '../../firmware/adapters/store-schema.js'
import { firmware, script } from '../support/child.js'
import { tamper as change, databasePath, open, output } from '../support/database.js'
import { filesWith } from '../support/database-files.js'

t.setTimeout(180_000)

const embedding = Float32Array.from({ length: 32 }, (_, i) => Math.sin(i))
const blob = Buffer.from(embedding.buffer)

/** Rows as version 1 wrote them: names in the clear. */
const rows = [
  { type: 'started', person: null, detail: null },
  { type: 'enrolled', person: 'Quirinalia', detail: '{"templates":1}' },
  { type: 'known', person: 'Quirinalia', detail: null },
  { type: 'enrolled', person: 'Goneperson', detail: '{"note":"Goneperson, like quirinalia"}' },
  { type: 'renamed', person: 'Goneperson', detail: '{"to":"Othername"}' },
  { type: 'removed', person: 'Othername', detail: null },
].map((row, i) => ({
  seq: i + 1,
  id: `00000000-0000-4000-8000-00000000000${i}`,
  at: `2026-11-21T08:00:0${i}.000Z`,
  similarity: null,
  track: null,
  ...row,
}))

/** A file of that version, made by its own migrations. */
async function makeVersion(path: string, version: number, tamper = ''): Promise<void> {
  let hash: Buffer = chainStart
  const events = rows.map((row) => {
    hash = chainHash(hash, row)
    const values = [row.seq, row.id, row.at, row.type, row.person, null, null, row.detail].map((value) =>
      value === null ? 'NULL' : typeof value === 'number' ? value : `'${value}'`,
    )
    return `INSERT INTO event VALUES (${values.join(', ')}, x'${hash.toString('hex')}');`
  })
  const filling = `
    INSERT INTO person VALUES ('p1', 'Quirinalia', 'quirinalia', '2026-11-21T08:00:00.000Z');
    INSERT INTO template VALUES ('t1', 'p1', 'm', 32, x'${blob.toString('hex')}', 0.75, 'photos/Quirinalia/1.jpg', '2026-11-21T08:00:00.000Z');
    ${events.join('\n')}
    INSERT INTO outbox VALUES (6, 's', 1, 0);
    ${tamper}
    PRAGMA user_version = ${version};
    PRAGMA application_id = ${applicationId};`
  await output(
    script(`
      const { openDatabaseFile } = await import(${firmware('adapters/store-connection.js')})
      const { migrations } = await import(${firmware('adapters/store-migrations.js')})
      const { mkdirSync, writeFileSync } = await import('node:fs')
      mkdirSync(${JSON.stringify(dirname(path))}, { recursive: true })
      writeFileSync(${JSON.stringify(path)}, '')
      const { sql, close } = await openDatabaseFile(${JSON.stringify(path)}, 0)
      await sql.get('PRAGMA journal_mode = WAL')
      for (const migrate of migrations.slice(0, ${version})) await migrate(sql)
      await sql.exec(${JSON.stringify(filling)})
      await close()`),
  )
}

/** What a program of that version makes of an older file. */
const bring = (path: string, from: number, to: number) =>
  output(
    script(`
      const { openDatabaseFile } = await import(${firmware('adapters/store-connection.js')})
      const { migrations } = await import(${firmware('adapters/store-migrations.js')})
      const { sql, close } = await openDatabaseFile(${JSON.stringify(path)}, 0)
      for (const migrate of migrations.slice(${from}, ${to})) await migrate(sql)
      await sql.run('PRAGMA user_version = ${to}')
      await close()`),
  )

t.equal(migrations.length, 4, 'a new version needs a test here')

t.test(
  'version 2: old rows keep their names, which nothing vouches for; new rows have names that are proven',
  async (t) => {
    const path = databasePath(t)
    await makeVersion(path, 1)
    await bring(path, 1, 2)
    const store = await open(t, path)
    t.match(await store.verifyEvents(), { count: 6, fault: undefined, unproven: 3 })
    t.match((await store.events({}))[2], { person: 'Quirinalia' })
    await store.append({ type: 'known', person: 'QUIRINALIA', detail: { note: 'hello Quirinalia' } }, false)
    t.match((await store.events({})).at(-1), { person: 'Quirinalia', detail: { note: 'hello Quirinalia' } })
    t.match(await store.verifyEvents(), { count: 7, fault: undefined, unproven: 3 }, 'the new row is proven')
    await store.close()
    await change(path, `UPDATE moniker SET name = 'Another', name_key = 'another'; UPDATE person SET name = 'Another'`)
    const changed = await open(t, path)
    t.match(await changed.verifyEvents(), { fault: /^event 7 .*the name that it shows was changed/ })
    t.ok(await changed.removePerson('Quirinalia', []), 'and whoever it was can be forgotten')
    t.match(await changed.verifyEvents(), { count: 7, fault: undefined, unproven: undefined })
    t.same(filesWith(dirname(path), 'Another'), [])
  },
)

t.test('version 3: from now on it is noted who has changed', async (t) => {
  const path = databasePath(t)
  await makeVersion(path, 1)
  await bring(path, 1, 3)
  const store = await open(t, path)
  const whole = await store.galleryPart('m')
  t.match(whole, { scope: 'first', more: false, people: [{ id: 'p1', person: 'Quirinalia', embeddings: [embedding] }] })
  t.match(await store.galleryPart('m', whole.place), { scope: 'changes', more: false, people: [] })
  const other = await open(t, path)
  const { id } = await other.enrol('Ann', [{ embedder: 'm', embedding, quality: 1, source: 'x' }], [])
  const added = await store.galleryPart('m', whole.place)
  t.match(added, { scope: 'changes', more: false, people: [{ id, person: 'Ann', embeddings: [embedding] }] })
  await other.renamePerson('Quirinalia', 'Quirina', [])
  await other.removePerson('Ann', [])
  const { people, place } = await store.galleryPart('m', added.place)
  t.same(
    people.map(({ id, person, embeddings }) => [id, person, embeddings.length]),
    [
      ['p1', 'Quirina', 1],
      [id, undefined, 0],
    ],
  )
  t.match(await store.galleryPart('m', place), { scope: 'changes', people: [] })
  t.match(await other.galleryPart('m', place), { scope: 'first' }, 'a place is good for the store that gave it')
})

t.test('version 1: names leave the rows, templates are sealed, the chain holds', async (t) => {
  const path = databasePath(t)
  await makeVersion(path, 1)
  t.not(filesWith(dirname(path), blob).length, 0)
  const store = await open(t, path)
  t.match(await store.people(), [{ id: 'p1', name: 'Quirinalia', templates: { m: 1 } }])
  t.same(await store.templates('quirinalia'), [
    { embedder: 'm', embedding, quality: 0.75, source: 'photos/Quirinalia/1.jpg' },
  ])
  const events = await store.events({})
  t.same(
    events.map(({ id, at, type }) => [id, at, type]),
    rows.map(({ id, at, type }) => [id, at, type]),
  )
  t.match(events, [
    {},
    { person: 'Quirinalia', detail: { templates: 1 } },
    { person: 'Quirinalia' },
    { person: /^forgotten-/, detail: { note: `${events[3]!.person}, like Quirinalia` } },
    { person: events[3]!.person, detail: { to: events[5]!.person } },
    { person: /^forgotten-/ },
  ])
  t.match(await store.nextOutgoing(), { event: { seq: 6 }, replayed: true })
  t.match(await store.verifyEvents(), { count: 6, fault: undefined, unchecked: undefined, unproven: 3 })
  t.match(await store.append({ type: 'started' }, false), { seq: 7 })
  t.match(await store.verifyEvents(), { count: 7, fault: undefined })
  t.equal(await store.scrub(), true, 'the old rows are still in free pages')
  t.same(filesWith(dirname(path), blob), [])
  for (const name of ['Goneperson', 'Othername', 'photos/'])
    t.same(filesWith(dirname(path), name), [], `${name} is gone`)
  await store.close()
  t.match(await (await open(t, path)).verifyEvents(), { count: 7, fault: undefined }, 'once')
})

t.test('a log that was broken in version 1 is not healed by the migration', async (t) => {
  for (const tamper of [
    `UPDATE event SET type = 'exit' WHERE seq = 2;`,
    'DELETE FROM event WHERE seq = 3;',
    `UPDATE event SET detail = 'no json, Quirinalia' WHERE seq = 2;`,
  ]) {
    const path = databasePath(t)
    await makeVersion(path, 1, tamper)
    const store = await open(t, path)
    t.match(await store.verifyEvents(), { fault: /not whole when a newer version took it over|are missing/ }, tamper)
    t.equal((await store.events({})).length, tamper.startsWith('DELETE') ? 5 : 6)
  }
})

t.test('cut off by a kill at any statement, the migration begins again', async (t) => {
  const path = databasePath(t)
  for (let n = 3; ; n += 4) {
    await makeVersion(path, 1)
    const child = script(`
      const { openStore } = await import(${firmware('adapters/store-sqlite.js')})
      let n = 0
      const onStatement = () => { if (++n === ${n}) process.kill(process.pid, 'SIGKILL') }
      const log = { debug() {}, info() {}, warn() {}, error() {} }
      const store = await openStore({ path: ${JSON.stringify(path)}, log, onStatement })
      console.log(n)
      await store.close()`)
    const finished = await output(child).catch(() => '')
    const store = await open(t, path)
    t.match(await store.verifyEvents(), { count: 6, fault: undefined }, `killed at statement ${n}`)
    t.equal((await store.gallery('m')).length, 1)
    await store.close()
    if (finished !== '') break
  }
})

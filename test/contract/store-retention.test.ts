/** Old events are removed, and the audit log still proves what is left. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createCronScheduler } from '../../firmware/adapters/scheduler-cron.js'
import { databasePath, open, tamper } from '../support/database.js'
import { memoryLog, temporaryDirectory } from '../support/temp.js'

t.setTimeout(180_000)

const day = 86_400_000
const start = Date.parse('2026-01-01T00:00:00Z')

t.test('retention', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path, { clock: { wall: () => new Date(start + 100 * day) }, outboxLimit: 3 })
  for (let i = 0; i < 20; i++) await store.append({ type: 'unknown', track: i }, false, new Date(start + i * day))
  await store.sealEvents()
  t.equal(await store.removeEventsBefore(new Date(start + 8 * day)), 8)
  t.match(await store.verifyEvents(), { count: 12, removed: 8, fault: undefined })
  t.equal((await store.events({}))[0]!.seq, 9)
  t.equal(await store.removeEventsBefore(new Date(start + 8 * day)), 0)
  t.equal(await store.removeEventsBefore(new Date(start + 99 * day)), 9, 'not what is still to be sent')
  t.match(await store.verifyEvents(), { count: 3, removed: 17 })
  for (let seq = 18; seq <= 20; seq++) await store.outgoingSent(seq)
  t.equal(await store.removeEventsBefore(new Date(start + 99 * day)), 2, 'the last one stays')
  t.match(await store.append({ type: 'started' }, false), { seq: 21 })
  t.match(await store.verifyEvents(), { count: 2, removed: 19, fault: undefined })
  t.match(await store.events({ since: '2026-01-01' }), [{ seq: 20 }, { seq: 21 }])
  await store.close()

  for (const [what, sql, fault] of [
    [
      'rows removed beyond what was signed',
      'DELETE FROM event WHERE seq = 20',
      /events 20 to 20 before it are missing/,
    ],
    ['a checkpoint moved', "UPDATE checkpoint SET seq = 20 WHERE kind = 'retention'", /signature is wrong/],
    ['its count', "UPDATE checkpoint SET note = '3' WHERE kind = 'retention'", /signature is wrong/],
    ['a checkpoint removed', 'DELETE FROM checkpoint', /signatures were removed/],
    [
      'a checkpoint and its number removed',
      "DELETE FROM checkpoint; DELETE FROM sqlite_sequence WHERE name = 'checkpoint'",
      /events 1 to 19 before it are missing/,
    ],
    [
      'an old row put back',
      "INSERT INTO event SELECT 5, 'x', at, type, person, similarity, track, detail, hash FROM event WHERE seq = 20",
      /were removed for their age, and 5 is there again/,
    ],
  ] as const) {
    const copy = join(temporaryDirectory(t), 'copy.db')
    copyFileSync(path, copy)
    copyFileSync(`${path}.key`, `${copy}.key`)
    await tamper(copy, sql)
    t.match(await (await open(t, copy)).verifyEvents(), { fault }, what)
  }
})

t.test('in large numbers, in pieces, while others append', async (t) => {
  const store = await open(t)
  await store.append({ type: 'started' }, false, new Date(start))
  const path = databasePath(t)
  const many = await open(t, path, { outboxLimit: 0 })
  await Promise.all(
    Array.from({ length: 2500 }, (_, i) => many.append({ type: 'unknown' }, false, new Date(start + i))),
  )
  const [removed] = await Promise.all([
    many.removeEventsBefore(new Date(start + 2400)),
    many.append({ type: 'exit' }, false),
    many.append({ type: 'exit' }, false),
  ])
  t.equal(removed, 2400)
  t.match(await many.verifyEvents(), { count: 102, removed: 2400, fault: undefined })
})

t.test('a log written anew, hashes and all, contradicts what the night signed', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  for (let i = 0; i < 4; i++) await store.append({ type: 'granted', track: i }, false)
  await store.sealEvents()
  await store.append({ type: 'exit' }, false)
  const rows = await store.events({})
  await store.close()
  const { chainHash, chainStart } = await import('../../firmware/adapters/store-schema.js')
  let hash: Buffer = chainStart
  const sql = rows.map((row, i) => {
    const type = i === 1 ? 'exit' : row.type
    const changed = { ...row, type, person: null, similarity: null, track: row.track ?? null, detail: null }
    hash = chainHash(hash, changed)
    return `UPDATE event SET type = '${type}', hash = x'${hash.toString('hex')}' WHERE seq = ${row.seq};`
  })
  await tamper(path, sql.join('\n'))
  t.match(await (await open(t, path)).verifyEvents(), { fault: /event 4 .*is not what was signed/ })
  await tamper(path, `DELETE FROM event WHERE seq >= 3; UPDATE sqlite_sequence SET seq = 2 WHERE name = 'event'`)
  t.match(await (await open(t, path)).verifyEvents(), { fault: /events 3 to 4 at the end are missing/ })
})

t.test('cron expressions', async (t) => {
  const scheduler = createCronScheduler(memoryLog())
  const nightly = scheduler.schedule('27 3 * * *', () => {})
  const next = nightly.next()
  t.same([next.getHours(), next.getMinutes()], [3, 27])
  t.ok(next.getTime() > Date.now() && next.getTime() <= Date.now() + 25 * 3_600_000)
  nightly.stop()
  t.throws(() => scheduler.schedule('61 3 * * *', () => {}), /is no cron expression/)
  await new Promise<void>((resolve) => {
    const each = scheduler.schedule('* * * * * *', () => {
      each.stop()
      resolve()
    })
  })
  t.pass('a job is called at its time')
})

t.test('signatures removed together with the end of the log', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path, { clock: { wall: () => new Date(start) } })
  for (let i = 0; i < 5; i++) await store.append({ type: 'unknown', track: i }, false)
  t.equal((await store.verifyEvents()).signed, undefined, 'not signed yet')
  await store.sealEvents()
  await store.append({ type: 'unknown' }, false)
  const signed = { seq: 5, at: new Date(start).toISOString() }
  t.match(await store.verifyEvents(), { count: 6, fault: undefined, signed })
  await store.noteJob({ name: 'retention', ranAt: signed.at, nextAt: signed.at, ok: true, said: 'signed' })
  await store.close()
  const cut = `DELETE FROM event WHERE seq > 3; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'event'; DELETE FROM checkpoint`
  for (const [also, fault] of [
    ['', /signatures were removed: the night of 2026-01-01/],
    ["; DELETE FROM sqlite_sequence WHERE name = 'checkpoint'", /signatures were removed: the night of 2026-01-01/],
    ['; DELETE FROM job', /signatures were removed: 1 were given/],
  ] as const) {
    const copy = join(temporaryDirectory(t), 'copy.db')
    copyFileSync(path, copy)
    copyFileSync(`${path}.key`, `${copy}.key`)
    await tamper(copy, cut + also)
    t.match(await (await open(t, copy)).verifyEvents(), { fault }, also)
  }
})

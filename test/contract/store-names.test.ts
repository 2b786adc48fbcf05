/** Names stand outside the chain and are vouched for by it: each way to make a row show somebody else is found. */
import t from 'tap'
import { databasePath, open, tamper, template } from '../support/database.js'

t.setTimeout(180_000)

const face = template('m', 1, 2)

t.test('a name that was changed behind the store is found', async (t) => {
  const changes = {
    'another name': `UPDATE moniker SET name = 'Carl', name_key = 'carl' WHERE name = 'Ada'`,
    'another salt': `UPDATE moniker SET salt = x'00112233445566778899aabbccddeeff' WHERE name = 'Ada'`,
    'as if it were of before': `UPDATE moniker SET salt = NULL, name = 'Carl' WHERE name = 'Ada'`,
    'another person': `UPDATE moniker SET person_id = (SELECT id FROM person WHERE name = 'Bo') WHERE name = 'Ada'`,
    'another key for its search': `UPDATE moniker SET name_key = 'carl' WHERE name = 'Ada'`,
    'two exchanged': `UPDATE moniker SET name = CASE name WHEN 'Ada' THEN 'Bo' ELSE 'Ada' END`,
    'two rows exchanged': `CREATE TEMP TABLE old AS SELECT * FROM moniker; UPDATE moniker SET ref = 'x' || ref;
      UPDATE moniker SET ref = (SELECT old.ref FROM old WHERE old.name <> moniker.name)`,
    'taken away': `DELETE FROM moniker WHERE name = 'Ada'`,
    'in the table of people': `UPDATE person SET name = 'Carl', name_key = 'carl' WHERE name = 'Ada'`,
  }
  for (const [what, sql] of Object.entries(changes)) {
    const path = databasePath(t)
    const store = await open(t, path)
    await store.enrol('Ada', [face], [{ type: 'enrolled', person: 'Ada' }])
    await store.enrol('Bo', [face], [])
    await store.append({ type: 'refused', detail: { reason: 'looks like Ada' } }, false)
    t.match(await store.verifyEvents(), { count: 2, fault: undefined, unproven: undefined })
    await store.close()
    await tamper(path, sql)
    t.match(await (await open(t, path)).verifyEvents(), { fault: /shows was changed|past the audit log/ }, what)
  }
})

t.test('a name only in the fields of a row is proven too', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Ada', [face], [])
  await store.append({ type: 'refused', detail: { reason: 'looks like Ada' } }, false)
  await store.close()
  await tamper(path, `UPDATE moniker SET name = 'Bo', name_key = 'bo'; UPDATE person SET name = 'Bo'`)
  t.match(await (await open(t, path)).verifyEvents(), { fault: /^event 1 .*the name that it shows was changed/ })
})

t.test('nobody is made out of somebody forgotten, or out of a name that nobody had', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.enrol('Ada', [face], [{ type: 'enrolled', person: 'Ada' }])
  await store.enrol('Bo', [face], [])
  await store.renamePerson('Ada', 'Eve', [{ type: 'renamed', person: 'Ada', detail: { to: 'Eve' } }])
  await store.removePerson('Eve', [{ type: 'removed', person: 'Eve' }])
  await store.append({ type: 'known', person: 'Nobody' }, false)
  t.match(await store.verifyEvents(), { count: 4, fault: undefined, unproven: undefined }, 'forgetting leaves it whole')
  await store.close()
  for (const seq of [1, 3, 4]) {
    await tamper(
      path,
      `DELETE FROM moniker WHERE name = 'Mallory';
       INSERT INTO moniker SELECT event.person, person.id, 'Mallory', 'mallory', NULL FROM event, person WHERE seq = ${seq}`,
    )
    const changed = await open(t, path)
    t.equal((await changed.events({ after: seq - 1 }))[0]!.person, 'Mallory')
    t.match(await changed.verifyEvents(), { fault: /the name that it shows was changed/ }, `event ${seq}`)
    await changed.close()
  }
})

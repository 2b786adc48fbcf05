/** The Store port kept by real SQLite files. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { chainHash, chainStart, toRow } from '../../firmware/adapters/store-schema.js'
import { databasePath, inOtherProcess, open, tamper, template } from '../support/database.js'
import { memoryLog, temporaryDirectory } from '../support/temp.js'

// The runner's own 30 s are short for a slow disk.
t.setTimeout(180_000)

t.test('people and templates', async (t) => {
  t.test('are enrolled, listed, and read back as they were', async (t) => {
    const path = databasePath(t)
    const at = new Date('2026-11-21T08:00:00Z')
    const store = await open(t, path, { clock: { wall: () => at } })
    const ada = await store.enrol('Ada', [template('m192', 1, -0.5, Math.fround(0.1)), template('m128', 2, 3)], [])
    t.match(ada, { name: 'Ada', createdAt: at.toISOString(), templates: { m192: 1, m128: 1 } })
    await store.enrol('Bo', [template('m192', 0, 0, 1)], [])
    await store.enrol('Cy', [], [])
    t.same((await store.enrol('Ada', [template('m192', 0, 1, 0)], [])).templates, { m192: 2, m128: 1 })
    t.same(
      (await store.people()).map(({ name, templates }) => [name, templates]),
      [
        ['Ada', { m128: 1, m192: 2 }],
        ['Bo', { m192: 1 }],
        ['Cy', {}],
      ],
    )
    await store.close()
    const again = await open(t, path)
    t.same(
      (await again.gallery('m192')).map(({ person, embedding }) => [person, [...embedding]]),
      [
        ['Ada', [1, -0.5, Math.fround(0.1)]],
        ['Ada', [0, 1, 0]],
        ['Bo', [0, 0, 1]],
      ],
    )
    t.same(await again.gallery('other'), [])
    t.same(await again.templates('ada'), [
      template('m192', 1, -0.5, Math.fround(0.1)),
      template('m128', 2, 3),
      template('m192', 0, 1, 0),
    ])
    t.same(await again.templates('nobody'), [])
  })

  t.test('have one name however it is written', async (t) => {
    const store = await open(t)
    const first = await store.enrol(' Zoë  Brontë ', [], [])
    t.equal(first.name, 'Zoë Brontë')
    t.equal((await store.enrol('ZOE\u0308 bronte\u0308', [], [])).id, first.id)
    t.equal((await store.enrol('zoë\tbrontë', [], [])).name, 'Zoë Brontë', 'the first spelling stays')
    t.equal((await store.people()).length, 1)
    t.equal(await store.removePerson('zoË BRONTË', []), true)
    t.same(await store.people(), [])
    for (const bad of ['', '  ', 'a\u0000b', 'a\u001b[31m', 'x'.repeat(201)]) {
      await t.rejects(store.enrol(bad, [], []), { code: 'invalid' }, JSON.stringify(bad))
    }
    t.equal((await store.enrol('\ud800x', [], [])).name, '\ufffdx')
    t.equal(await store.removePerson('\ud800x', []), true)
  })

  t.test('are renamed, unless somebody has the name', async (t) => {
    const store = await open(t)
    const { id } = await store.enrol('ada', [template('m', 1)], [])
    await store.enrol('Bo', [], [])
    t.equal(await store.renamePerson('Ada', 'Ada', []), true, 'its own, in other letters')
    await t.rejects(store.renamePerson('Ada', 'BO', []), { code: 'taken', message: /somebody is called Bo/ })
    await t.rejects(store.renamePerson('Ada', ' ', []), { code: 'invalid' })
    t.equal(await store.renamePerson('nobody', 'Cy', []), false)
    t.equal(await store.renamePerson('ADA', 'Eve', []), true)
    t.match(await store.people(), [{ name: 'Bo' }, { id, name: 'Eve', templates: { m: 1 } }])
    t.match(await store.gallery('m'), [{ person: 'Eve' }])
  })

  t.test('are removed with their templates, not with their events', async (t) => {
    const store = await open(t)
    await store.enrol('Ada', [template('m', 1)], [{ type: 'enrolled', person: 'Ada' }])
    t.equal(await store.removePerson('Ada', [{ type: 'removed', person: 'Ada' }]), true)
    t.equal(await store.removePerson('Ada', [{ type: 'removed', person: 'Ada' }]), false)
    t.same(await store.gallery('m'), [])
    const told = await store.events({})
    t.match(told, [
      { type: 'enrolled', person: /^forgotten-/ },
      { type: 'removed', person: told[0]!.person },
    ])
    t.equal(told.length, 2)
  })

  t.test('a bad template undoes all that came with it', async (t) => {
    const store = await open(t)
    await store.enrol('Ada', [template('m', 1, 2)], [])
    for (const bad of [template('m', 1), template('m', Number.NaN, 1), template('n')]) {
      const events = [{ type: 'enrolled' as const }]
      await t.rejects(store.enrol('Bo', [template('m', 3, 4), bad], events), { code: 'invalid', message: /test\.jpg/ })
    }
    t.match(await store.people(), [{ name: 'Ada', templates: { m: 1 } }])
    t.equal((await store.people()).length, 1)
    t.same(await store.events({}), [])
  })

  t.test('are not enrolled on a judgement that is out of date', async (t) => {
    const path = databasePath(t)
    const [store, other] = [await open(t, path), await open(t, path)]
    const revision = await store.galleryRevision()
    await other.enrol('Ada', [template('m192', 1, 0)], [])
    const event = { type: 'enrolled', person: 'Bo' } as const
    await t.rejects(store.enrol('Bo', [template('m192', 0, 1)], [event], revision), { code: 'changed' })
    t.same(
      (await store.people()).map(({ name }) => name),
      ['Ada'],
    )
    t.same(await store.events({}), [], 'nor told')
    await store.enrol('Bo', [template('m192', 0, 1)], [event], await store.galleryRevision())
    t.equal((await store.people()).length, 2)
  })

  t.test('the revision tells of changes by any process, and of nothing else', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    let last = await store.galleryRevision()
    const changed = async () => {
      const now = await store.galleryRevision()
      const differs = now !== last
      last = now
      return differs
    }
    await store.append({ type: 'started' }, false)
    await store.people()
    t.notOk(await changed())
    await store.enrol('Ada', [], [])
    t.ok(await changed(), 'person')
    await store.enrol('Ada', [template('m', 1)], [])
    t.ok(await changed(), 'template')
    await store.renamePerson('Ada', 'Eve', [])
    t.ok(await changed(), 'name')
    await inOtherProcess(path, `await store.removePerson('Eve', [])`)
    t.ok(await changed(), 'other process')
    t.notOk(await changed())
    await t.rejects(store.enrol('Bo', [template('m', 1), template('m')], []))
    t.notOk(await changed(), 'undone')
  })
})

t.test('events', async (t) => {
  t.test('come back as appended, in order, by time and place', async (t) => {
    let seconds = -1 // the enrolment is before the first event
    const clock = { wall: () => new Date(Date.UTC(2026, 10, 21, 8, 0, seconds++)) }
    const store = await open(t, undefined, { clock })
    const person = 'Ada "the first" \u{1f600}'
    await store.enrol(person, [], [])
    const full = {
      type: 'known',
      person,
      similarity: 0.1 + 0.2,
      track: 7,
      detail: { b: true, a: 'x\u0000y', n: null, '10': -0.5, big: 2 ** 40 },
    } as const
    const first = await store.append(full, false)
    t.match(first, full)
    t.match(first, { seq: 1, at: '2026-11-21T08:00:00.000Z', id: /^[0-9a-f-]{36}$/ })
    const second = await store.append({ type: 'unknown', similarity: 1, track: 2 ** 40 }, false)
    t.same(Object.keys(second).sort(), ['at', 'id', 'seq', 'similarity', 'track', 'type'])
    const third = await store.append({ type: 'spoof' }, false)
    t.same(await store.events({}), [first, second, third])
    t.same(await store.events({ after: 1 }), [second, third])
    t.same(await store.events({ limit: 2 }), [first, second])
    t.same(await store.events({ since: '2026-11-21T08:00:01Z' }), [second, third])
    t.same(await store.events({ since: '2026-11-21T10:00:02+02:00' }), [third])
    t.same(await store.events({ since: '2026-11-21', after: 2, limit: 5 }), [third])
    await t.rejects(store.events({ since: 'yesterday' }), { code: 'invalid', message: /"yesterday" is no time/ })
    t.same(await store.verifyEvents(), { count: 3 })
  })

  t.test('odd numbers and broken text do not cost the row, nor the chain', async (t) => {
    const store = await open(t)
    await store.enrol('a\ud800b', [], [])
    const odd = { type: 'known', similarity: Number.NaN, track: 1.5, person: 'a\ud800b' } as const
    const event = await store.append({ ...odd, detail: { 'x\udfff': '\ud800', inf: Number.POSITIVE_INFINITY } }, false)
    t.same(Object.keys(event).sort(), ['at', 'detail', 'id', 'person', 'seq', 'type'])
    t.equal(event.person, 'a\ufffdb')
    await store.append({ type: 'known', similarity: -0 }, false)
    t.same((await store.events({}))[0], event)
    t.same(await store.verifyEvents(), { count: 2 })
  })

  t.test('many at once keep their order, and reads do not see half of them', async (t) => {
    const store = await open(t)
    const appended = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const event = await store.append({ type: 'unknown', track: i }, false)
        t.ok((await store.events({})).length >= event.seq)
        return event
      }),
    )
    t.same(
      appended.map(({ seq, track }) => [seq, track]),
      appended.map((_, i) => [i + 1, i]),
    )
    t.same(await store.verifyEvents(), { count: 50 })
  })

  t.test('what was changed, moved or removed is found', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    for (let i = 1; i <= 5; i++) await store.append({ type: 'granted', person: `p${i}`, detail: { i } }, false)
    await store.close()
    for (const [sql, fault] of [
      [`UPDATE event SET person = 'eve' WHERE seq = 3`, /^event 3 \(.*does not match its hash/],
      [`UPDATE event SET detail = NULL WHERE seq = 2`, /^event 2 /],
      [`UPDATE event SET detail = 'no json' WHERE seq = 2`, /^event 2 /],
      [`UPDATE event SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 1`, /^event 1 /],
      ['DELETE FROM event WHERE seq = 2', /^event 3 .*events 2 to 2 before it are missing/],
      ['DELETE FROM event WHERE seq <= 2', /^event 3 .*events 1 to 2 before it are missing/],
      ['DELETE FROM event WHERE seq >= 4', /^events 4 to 5 at the end are missing/],
      [
        'UPDATE event SET seq = 9 WHERE seq = 2; UPDATE event SET seq = 2 WHERE seq = 3; UPDATE event SET seq = 3 WHERE seq = 9',
        /^event 2 /,
      ],
      [`UPDATE event SET hash = x'00' WHERE seq = 5`, /^event 5 /],
    ] as const) {
      const copy = join(temporaryDirectory(t), 'copy.db')
      copyFileSync(path, copy)
      await tamper(copy, sql)
      const tampered = await open(t, copy)
      t.match(await tampered.verifyEvents(), { fault }, sql)
      await t.resolves(tampered.events({}), 'and yet it can be read')
      const { seq } = await tampered.append({ type: 'started' }, false)
      t.equal(seq, 6, 'a number is never given twice')
      t.match(await tampered.verifyEvents(), { fault: String }, 'and what follows does not heal it')
    }
  })

  t.test('a changed row with a hash made anew is given away by the next', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    const events = []
    for (let i = 1; i <= 3; i++) events.push(await store.append({ type: 'granted', person: `p${i}` }, false))
    await store.close()
    const row = { ...toRow(events[0]!, { ...events[0]!, person: 'eve', detail: null }) }
    const hash = chainHash(chainStart, row).toString('hex')
    await tamper(path, `UPDATE event SET person = 'eve', hash = x'${hash}' WHERE seq = 1`)
    const tampered = await open(t, path)
    t.match(await tampered.verifyEvents(), { count: 1, fault: /^event 2 .*does not match its hash/ })
  })
})

t.test('the outbox', async (t) => {
  t.test('hands out the oldest until it was sent', async (t) => {
    const store = await open(t)
    t.equal(await store.nextOutgoing(), undefined)
    const live = await store.append({ type: 'granted' }, false)
    const late = await store.append({ type: 'denied' }, true)
    await store.enrol('Ada', [], [{ type: 'enrolled', person: 'Ada' }])
    t.same(await store.nextOutgoing(), { event: live, replayed: false })
    await store.outgoingFailed(live.seq)
    t.same(await store.nextOutgoing(), { event: live, replayed: true })
    await store.outgoingSent(live.seq)
    t.same(await store.nextOutgoing(), { event: late, replayed: true })
    await store.outgoingSent(late.seq)
    t.match(await store.nextOutgoing(), { event: { type: 'enrolled' }, replayed: false })
    await store.outgoingSent(3)
    await store.outgoingSent(3)
    t.equal(await store.nextOutgoing(), undefined)
    t.equal((await store.events({})).length, 3, 'the log keeps them')
  })

  t.test('marks what an earlier run or another process left', async (t) => {
    const path = databasePath(t)
    const before = await open(t, path)
    const event = await before.append({ type: 'granted' }, false)
    await before.close()
    const store = await open(t, path)
    t.same(await store.nextOutgoing(), { event, replayed: true })
  })

  t.test('never gives up who passed', async (t) => {
    const store = await open(t, undefined, { outboxLimit: 3 })
    for (const type of ['granted', 'unknown', 'exit', 'known', 'denied', 'started', 'forced'] as const)
      await store.append({ type }, true)
    const waiting: string[] = []
    for (let next = await store.nextOutgoing(); next; next = await store.nextOutgoing()) {
      waiting.push(next.event.type)
      await store.outgoingSent(next.event.seq)
    }
    t.same(waiting, ['granted', 'exit', 'denied', 'forced'], 'more than the limit, and in order')
  })

  t.test('gives up the oldest when too many wait', async (t) => {
    const log = memoryLog()
    const store = await open(t, undefined, { log, outboxLimit: 3 })
    for (let i = 1; i <= 6; i++) await store.append({ type: 'unknown' }, true)
    t.match(await store.nextOutgoing(), { event: { seq: 4 } })
    t.equal((await store.events({})).length, 6)
    t.match(log.lines, [/warn: more events wait/])
    t.equal(log.lines.length, 1)
    const alone = await open(t, undefined, { log, outboxLimit: 0 })
    await alone.append({ type: 'unknown' }, true)
    t.equal(await alone.nextOutgoing(), undefined)
    t.equal(log.lines.length, 1, 'nothing to warn of where there is no broker')
  })
})

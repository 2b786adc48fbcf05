/** The Store port kept by real SQLite files, alone and with other processes at work on the same file. */
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { openStore, type StoreOptions } from '../../firmware/adapters/store-sqlite.js'
import type { NewTemplate, Store } from '../../firmware/ports.js'
import { spawnChild } from '../support/mosquitto.js'
import { memoryLog, temporaryDirectory, until } from '../support/temp.js'

// The runner's own 30 s are short for a slow disk.
t.setTimeout(180_000)

const adapter = new URL('../../firmware/adapters/store-sqlite.js', import.meta.url).href

const databasePath = (t: Test) => join(temporaryDirectory(t), 'data', 'facelatch.db')

async function open(t: Test, path = databasePath(t), more: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openStore({ path, log: memoryLog(), ...more })
  t.teardown(() => store.close())
  return store
}

function template(embedder: string, ...values: number[]): NewTemplate {
  return { embedder, embedding: Float32Array.from(values), quality: 0.9, source: 'test.jpg' }
}

/** Code of another process: has `store`. Answers what it prints. */
function otherProcess(path: string, code: string): string[] {
  return [
    '--input-type=module',
    '--eval',
    `const { openStore } = await import('${adapter}')
     const log = { debug() {}, info() {}, warn() {}, error() {} }
     const store = await openStore({ path: ${JSON.stringify(path)}, log })
     ${code}`,
  ]
}

async function inOtherProcess(path: string, code: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, otherProcess(path, `${code}\nawait store.close()`))
  return stdout
}

/** Changes the file behind the store's back, as an intruder with Python or the sqlite3 shell would. */
function tamper(path: string, sql: string): void {
  const code = `
    import { createRequire } from 'node:module'
    const sqlite3 = createRequire('${adapter}')('sqlite3')
    const db = new sqlite3.Database(${JSON.stringify(path)})
    db.exec(${JSON.stringify(sql)}, (error) => { if (error) throw error; db.close() })`
  execFileSync(process.execPath, ['--input-type=module', '--eval', code])
}

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
    t.equal(await store.renamePerson('Ada', 'Ada'), true, 'its own, in other letters')
    await t.rejects(store.renamePerson('Ada', 'BO'), { code: 'taken', message: /somebody is called Bo/ })
    await t.rejects(store.renamePerson('Ada', ' '), { code: 'invalid' })
    t.equal(await store.renamePerson('nobody', 'Cy'), false)
    t.equal(await store.renamePerson('ADA', 'Eve'), true)
    t.match(await store.people(), [{ name: 'Bo' }, { id, name: 'Eve', templates: { m: 1 } }])
    t.match(await store.gallery('m'), [{ person: 'Eve' }])
  })

  t.test('are removed with their templates, not with their events', async (t) => {
    const store = await open(t)
    await store.enrol('Ada', [template('m', 1)], [{ type: 'enrolled', person: 'Ada' }])
    t.equal(await store.removePerson('Ada', [{ type: 'removed', person: 'Ada' }]), true)
    t.equal(await store.removePerson('Ada', [{ type: 'removed', person: 'Ada' }]), false)
    t.same(await store.gallery('m'), [])
    t.match(await store.events({}), [
      { type: 'enrolled', person: 'Ada' },
      { type: 'removed', person: 'Ada' },
    ])
    t.equal((await store.events({})).length, 2)
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
    await store.renamePerson('Ada', 'Eve')
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
    let seconds = 0
    const clock = { wall: () => new Date(Date.UTC(2026, 10, 21, 8, 0, seconds++)) }
    const store = await open(t, undefined, { clock })
    const full = {
      type: 'known',
      person: 'Ada "the first"\n\u0000\u{1f600}',
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
    const odd = { type: 'known', similarity: Number.NaN, track: 1.5, person: 'a\ud800b' } as const
    const event = await store.append({ ...odd, detail: { 'x\udfff': '\ud800', inf: Number.POSITIVE_INFINITY } }, false)
    t.same(Object.keys(event).sort(), ['at', 'detail', 'id', 'person', 'seq', 'type'])
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
      tamper(copy, sql)
      const tampered = await open(t, copy)
      t.match(await tampered.verifyEvents(), { fault }, sql)
      await t.resolves(tampered.events({}), 'and yet it can be read')
      const { seq } = await tampered.append({ type: 'started' }, false)
      t.equal(seq, sql.includes('seq = 9') ? 10 : 6, 'a number is never given twice')
      t.match(await tampered.verifyEvents(), { fault: String }, 'and what follows does not heal it')
    }
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

  t.test('gives up the oldest when too many wait', async (t) => {
    const log = memoryLog()
    const store = await open(t, undefined, { log, outboxLimit: 3 })
    for (let i = 1; i <= 6; i++) await store.append({ type: 'unknown' }, true)
    t.match(await store.nextOutgoing(), { event: { seq: 4 } })
    t.equal((await store.events({})).length, 6)
    t.match(log.lines, [/warn: more events wait/])
    t.equal(log.lines.length, 1)
  })
})

t.test('two processes', async (t) => {
  t.test('make one new file at the same time', async (t) => {
    const path = databasePath(t)
    const code = `console.log((await store.append({ type: 'started' }, false)).seq)`
    const seqs = await Promise.all([1, 2, 3].map(() => inOtherProcess(path, code)))
    t.same(seqs.map(Number).sort(), [1, 2, 3])
    t.same(await (await open(t, path)).verifyEvents(), { count: 3 })
  })

  t.test('write to one file at the same time, without loss and without a break in the chain', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    const code = `for (let i = 0; i < 100; i++) await store.append({ type: 'unknown', person: String(process.pid) }, false)`
    const others = Promise.all([inOtherProcess(path, code), inOtherProcess(path, code)])
    for (let i = 0; i < 100; i++) await store.append({ type: 'known' }, false)
    await others
    t.same(await store.verifyEvents(), { count: 300 })
  })

  t.test('one that keeps the file locked is named, and the store goes on afterwards', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path, { busyTimeout: 50 })
    const code = `
      import { createRequire } from 'node:module'
      const sqlite3 = createRequire('${adapter}')('sqlite3')
      const db = new sqlite3.Database(${JSON.stringify(path)})
      db.exec('BEGIN IMMEDIATE', () => console.log('locked'))
      setInterval(() => {}, 1000)`
    const child = spawnChild(t, process.execPath, ['--input-type=module', '--eval', code])
    await once(child.stdout!, 'data')
    await t.rejects(store.append({ type: 'known' }, false), {
      code: 'locked',
      message: /another program keeps it locked/,
    })
    t.same(await store.events({}), [], 'reading needs no lock')
    child.kill('SIGKILL')
    await once(child, 'exit')
    t.match(await store.append({ type: 'known' }, false), { seq: 1 })
  })
})

t.test('kill -9 while appending loses no acknowledged row', async (t) => {
  const path = databasePath(t)
  const acknowledged = new Set<number>()
  for (let round = 0; round < 6; round++) {
    const code = `for (;;) {
      const events = await Promise.all([1, 2, 3].map(() => store.append({ type: 'unknown', detail: { round: ${round} } }, false)))
      for (const { seq } of events) console.log(seq)
      await store.enrol('p' + events[0].seq, [{ embedder: 'm', embedding: new Float32Array(8), quality: 1, source: 's' }], [])
    }`
    const child = spawnChild(t, process.execPath, otherProcess(path, code))
    let news = 0
    createInterface({ input: child.stdout! }).on('line', (line) => {
      acknowledged.add(Number(line))
      news += 1
    })
    await until('it has appended some', () => news >= 10)
    await sleep(round * 7)
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  const store = await open(t, path)
  const seqs = new Set((await store.events({})).map(({ seq }) => seq))
  t.ok(acknowledged.size >= 60)
  t.same(
    [...acknowledged].filter((seq) => !seqs.has(seq)),
    [],
  )
  t.same(await store.verifyEvents(), { count: seqs.size })
  t.ok((await store.people()).every(({ templates }) => templates.m === 1))
})

t.test('the file', async (t) => {
  t.test('is for its owner only, and its directory too', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    await store.append({ type: 'started' }, false)
    for (const suffix of ['', '-wal', '-shm']) t.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix)
    t.equal(statSync(dirname(path)).mode & 0o777, 0o700)
    await store.close()
    chmodSync(path, 0o644)
    await open(t, path)
    t.equal(statSync(path).mode & 0o777, 0o600, 'and made so again')
  })

  t.test('is left as it is when it is damaged or not ours', async (t) => {
    const good = databasePath(t)
    const store = await open(t, good)
    for (let i = 0; i < 200; i++) await store.append({ type: 'unknown', person: 'x'.repeat(100) }, false)
    await store.close()
    const cases: [string, (path: string) => void, RegExp][] = [
      [
        'corrupt',
        (path) => writeFileSync(path, 'no database at all, but a letter to somebody\n'.repeat(50)),
        /is damaged/,
      ],
      ['corrupt', (path) => overwrite(path, 8192, Buffer.alloc(8192, 0xa5)), /is damaged/],
      ['corrupt', (path) => writeFileSync(path, readFileSync(good).subarray(0, 20_000)), /is damaged/],
      ['newer', (path) => tamper(path, 'PRAGMA user_version = 99'), /written by a newer facelatch \(it has version 99/],
      ['foreign', (path) => tamper(path, 'PRAGMA application_id = 7'), /the database of another program/],
    ]
    for (const [code, damage, message] of cases) {
      const path = join(temporaryDirectory(t), 'facelatch.db')
      copyFileSync(good, path)
      damage(path)
      const before = readFileSync(path)
      await t.rejects(openStore({ path, log: memoryLog() }), { name: 'StoreError', code, message })
      t.ok(readFileSync(path).equals(before), 'not a byte of it changed')
    }
    const foreign = join(temporaryDirectory(t), 'photos.db')
    tamper(foreign, 'CREATE TABLE photo (id INTEGER)')
    await t.rejects(openStore({ path: foreign, log: memoryLog() }), { code: 'foreign' })
  })

  t.test('that is damaged while in use is an error with a remedy', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    for (let i = 0; i < 200; i++) await store.append({ type: 'unknown', person: 'x'.repeat(100) }, false)
    await store.close()
    const again = await open(t, path)
    overwrite(path, 4096, Buffer.alloc(statSync(path).size - 4096, 0xa5))
    await t.rejects(again.events({}), { code: 'corrupt', message: /keep this file aside and put back a backup/ })
  })

  t.test('that was removed or replaced while in use takes no rows that nobody would find', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    await store.append({ type: 'started' }, false)
    renameSync(path, `${path}.away`)
    await t.rejects(store.append({ type: 'known' }, false), { code: 'missing', message: /removed or replaced/ })
    writeFileSync(path, '')
    await t.rejects(store.append({ type: 'known' }, false), { code: 'missing' })
    renameSync(`${path}.away`, path)
    t.match(await store.append({ type: 'known' }, false), { seq: 2 })
  })

  t.test('that is a directory, or below a file, is named', async (t) => {
    const directory = temporaryDirectory(t)
    mkdirSync(join(directory, 'taken'))
    writeFileSync(join(directory, 'file'), '')
    for (const name of ['taken', 'file/facelatch.db']) {
      const failed = openStore({ path: join(directory, name), log: memoryLog() })
      await t.rejects(failed, { code: 'missing', message: /correct store\.path/ })
    }
  })

  t.test('that may not be written is named', async (t) => {
    const path = databasePath(t)
    await (await open(t, path)).close()
    // Permissions do not bind root: the attempt is made by nobody.
    const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
    const attempt = (path: string): string => {
      const code = `const { openStore } = await import('${adapter}')
        const log = { debug() {}, info() {}, warn() {}, error() {} }
        const code = await openStore({ path: ${JSON.stringify(path)}, log }).catch((error) => error.code + ' ' + error.message)
        console.log(code)`
      const [command, ...args] = [...asNobody, process.execPath, '--input-type=module', '--eval', code]
      return execFileSync(command!, args, { encoding: 'utf8' })
    }
    chmodSync(dirname(dirname(path)), 0o755)
    chmodSync(dirname(path), 0o555)
    chmodSync(path, 0o444)
    t.match(attempt(path), /^readonly store .*cannot be written: let this user write/)
    chmodSync(path, 0o666)
    t.match(attempt(path), /^readonly store .*: let this user write the file/)
    t.match(attempt(join(dirname(path), 'new.db')), /^readonly store /)
    chmodSync(dirname(path), 0o700)
  })

  t.test('on a full disk: the row is refused, and taken when there is room', async (t) => {
    const mount = temporaryDirectory(t)
    const code = `
      import { readFileSync, rmSync, writeFileSync } from 'node:fs'
      const filler = '${mount}/filler'
      writeFileSync(filler, Buffer.alloc(200000))
      let failure
      for (let i = 0; i < 2000 && !failure; i++) await store.append({ type: 'unknown', person: 'x'.repeat(500) }, false).catch((error) => { failure = error })
      console.log(failure?.code, failure?.message)
      const before = (await store.events({})).length
      rmSync(filler)
      await store.append({ type: 'unknown' }, false)
      const { count, fault } = await store.verifyEvents()
      console.log(count === before + 1 && !fault)`
    const script = ['mount -t tmpfs -o size=600k none "$0" && exec "$@"', mount, process.execPath]
    const args = [
      '--mount',
      '--map-root-user',
      'sh',
      '-c',
      ...script,
      ...otherProcess(join(mount, 'facelatch.db'), code),
    ]
    try {
      execFileSync('unshare', ['--mount', '--map-root-user', 'mount', '-t', 'tmpfs', 'none', mount], {
        stdio: 'ignore',
      })
    } catch {
      t.pass('this machine lets nobody mount')
      return
    }
    const { stdout } = await promisify(execFile)('unshare', args)
    t.match(stdout, /^full store .*: the disk is full: make room on it\ntrue\n$/)
  })

  t.test('is not used after close', async (t) => {
    const store = await open(t)
    const last = store.append({ type: 'stopped' }, false)
    await store.close()
    await store.close()
    t.match(await last, { seq: 1 }, 'what was under way is finished')
    await t.rejects(store.append({ type: 'known' }, false), { code: 'closed' })
    await t.rejects(store.people(), { code: 'closed' })
  })
})

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
}

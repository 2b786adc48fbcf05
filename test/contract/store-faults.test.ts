/** The store among other processes, when it is killed, and when file or disk fail it. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openStore } from '../../firmware/adapters/store-sqlite.js'
import { end, script, silentLog, spawnChild } from '../support/child.js'
import {
  adapter,
  databasePath,
  inOtherProcess,
  open,
  otherProcess,
  output,
  overwrite,
  rawDatabase,
  tamper,
  template,
} from '../support/database.js'
import { memoryLog, temporaryDirectory, until } from '../support/temp.js'

// The runner's own 30 s are short for a slow disk.
t.setTimeout(180_000)

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
    const lock = `db.exec('BEGIN IMMEDIATE', () => console.log('locked')); setInterval(() => {}, 1000)`
    const child = spawnChild(t, script(`${rawDatabase(path)}\n${lock}`))
    await once(child.stdout!, 'data')
    await t.rejects(store.append({ type: 'known' }, false), {
      code: 'locked',
      message: /another program keeps it locked/,
    })
    t.same(await store.events({}), [], 'reading needs no lock')
    await end(child, 'SIGKILL')
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
    const child = spawnChild(t, otherProcess(path, code))
    const closed = once(child, 'close')
    let news = 0
    createInterface({ input: child.stdout! }).on('line', (line) => {
      acknowledged.add(Number(line))
      news += 1
    })
    await until('it has appended some', () => news >= 10)
    await sleep(round * 7)
    child.kill('SIGKILL')
    // The last lines may still be in the pipe.
    await closed
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
    const cases: [string, (path: string) => unknown, RegExp][] = [
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
      await damage(path)
      const before = readFileSync(path)
      await t.rejects(openStore({ path, log: memoryLog() }), { name: 'StoreError', code, message })
      t.ok(readFileSync(path).equals(before), 'not a byte of it changed')
    }
    const foreign = join(temporaryDirectory(t), 'photos.db')
    await tamper(foreign, 'CREATE TABLE photo (id INTEGER)')
    await t.rejects(openStore({ path: foreign, log: memoryLog() }), { code: 'foreign' })
  })

  t.test('that is damaged while in use is an error with a remedy', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    // More than SQLite keeps in memory.
    const embedding = new Float32Array(1_000_000).fill(1)
    await store.enrol(
      'Ada',
      [1, 2, 3].map(() => ({ ...template('m'), embedding })),
      [],
    )
    await store.close()
    const again = await open(t, path)
    overwrite(path, 8192, Buffer.alloc(statSync(path).size - 8192, 0xa5))
    await t.rejects(again.gallery('m'), {
      code: 'corrupt',
      message: /^[^\n]*is damaged[^\n]*"facelatch store restore"[^\n]*$/,
    })
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
    // Permissions do not bind root: the attempt is made without the capability that overrides them. Another user might
    // not even be able to read this checkout.
    const bound = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
    const attempt = (path: string) => {
      const code = `
        const { openStore } = await import(${adapter})
        const opened = openStore({ path: ${JSON.stringify(path)}, log: ${silentLog} })
        console.log(await opened.catch((error) => error.code + ' ' + error.message))`
      return output([...bound, ...script(code)])
    }
    chmodSync(dirname(dirname(path)), 0o755)
    chmodSync(dirname(path), 0o555)
    chmodSync(path, 0o444)
    t.match(await attempt(path), /^readonly store .*cannot be written: let this user write/)
    chmodSync(path, 0o666)
    t.match(await attempt(path), /^readonly store .*: let this user write the file/)
    t.match(await attempt(join(dirname(path), 'new.db')), /^readonly store /)
    chmodSync(dirname(path), 0o700)
  })

  t.test('on a full disk: the row is refused, and taken when there is room', async (t) => {
    const mount = temporaryDirectory(t)
    const code = `
      const { rmSync, writeFileSync } = await import('node:fs')
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
    const inside = ['sh', '-c', 'mount -t tmpfs -o size=600k none "$0" && exec "$@"', mount]
    const command = [...inside, ...otherProcess(join(mount, 'facelatch.db'), code)]
    try {
      execFileSync('unshare', ['--mount', '--map-root-user', 'mount', '-t', 'tmpfs', 'none', mount], {
        stdio: 'ignore',
      })
    } catch {
      t.pass('this machine lets nobody mount')
      return
    }
    t.match(
      await output(['unshare', '--mount', '--map-root-user', ...command]),
      /^full store .*: the disk is full: make room on it\ntrue\n$/,
    )
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

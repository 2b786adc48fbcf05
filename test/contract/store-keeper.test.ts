/** Backups, and what becomes of a store that is damaged, gone, or on a full disk. */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import { listBackups, makeBackup, stamp } from '../../firmware/adapters/store-backup.js'
import { type KeptStore, keepStore } from '../../firmware/adapters/store-keeper.js'
import type { StoreOptions } from '../../firmware/adapters/store-sqlite.js'
import type { StoreReplaced } from '../../firmware/ports.js'
import { firmware, script, silentLog } from '../support/child.js'
import { databasePath, inOtherProcess, open, output, overwrite, template } from '../support/database.js'
import { filesWith } from '../support/database-files.js'
import { type MemoryLog, memoryLog, type Owner, temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(180_000)

const face = template('m', 1, 2, 3)

async function keep(
  t: Owner,
  path: string,
  more: Partial<StoreOptions> = {},
): Promise<{ store: KeptStore; log: MemoryLog; replaced: StoreReplaced[] }> {
  const log = memoryLog()
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const store = await keepStore({ path, log, ...more })
  t.teardown(() => store.close())
  const replaced: StoreReplaced[] = []
  store.onReplaced((one) => replaced.push(one))
  return { store, log, replaced }
}

/** Overwrites every page but the first. */
const spoil = (path: string) => overwrite(path, 4096, Buffer.alloc(statSync(path).size - 4096, 0xa5))
const asideOf = (path: string) => readdirSync(dirname(path)).filter((name) => name.includes('.damaged-'))

/** A process of its own, killed when the copy is made and not yet read through. */
async function backUpUntilKilled(path: string): Promise<void> {
  const child = script(`
    const { openStore } = await import(${firmware('adapters/store-sqlite.js')})
    const onStatement = (when, sql) => when === 'before' && sql.includes('integrity_check') && process.kill(process.pid, 'SIGKILL')
    const store = await openStore({ path: ${JSON.stringify(path)}, log: ${silentLog}, onStatement })
    await store.backup()`)
  await output(child).catch(() => {})
}

t.test('a backup', async (t) => {
  t.test('holds what the store holds, for its owner only, and the newest ones are kept', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path, { keepBackups: 2 })
    await store.enrol('Ada', [face], [{ type: 'enrolled', person: 'Ada' }])
    for (let i = 0; i < 4; i++) {
      await store.append({ type: 'unknown' }, false)
      const { path: made, seq, bytes } = await store.backup()
      t.equal(seq, i + 2)
      t.equal(statSync(made).size, bytes)
      t.equal(statSync(made).mode & 0o777, 0o600)
    }
    t.equal(statSync(join(dirname(path), 'backups')).mode & 0o777, 0o700)
    t.same(
      (await store.backups()).map(({ seq }) => seq),
      [5, 4],
    )
    const copy = join(temporaryDirectory(t), 'facelatch.db')
    copyFileSync((await store.backups())[0]!.path, copy)
    copyFileSync(`${path}.key`, `${copy}.key`)
    const restored = await open(t, copy)
    t.match(await restored.gallery('m'), [{ person: 'Ada' }])
    t.same(await restored.events({}), await store.events({}))
    t.match(await restored.append({ type: 'started' }, false), { seq: 6 })
    t.match(await restored.verifyEvents(), { count: 6, fault: undefined })
  })

  t.test('is made while others write, and of one moment', async (t) => {
    const path = databasePath(t)
    const store = await open(t, path)
    const writing = inOtherProcess(
      path,
      `for (let i = 0; i < 300; i++) await store.append({ type: 'unknown', detail: { text: 'x'.repeat(500) } }, false)`,
    )
    for (let i = 0; i < 5; i++) {
      const made = await store.backup()
      const copy = join(temporaryDirectory(t), 'facelatch.db')
      copyFileSync(made.path, copy)
      t.match(await (await open(t, copy)).verifyEvents(), { count: made.seq, fault: undefined })
    }
    await writing
  })

  t.test('that was cut off by a kill leaves no file with its name, and the next one tidies up', async (t) => {
    const path = databasePath(t)
    const folder = join(dirname(path), 'backups')
    const store = await open(t, path)
    await store.append({ type: 'started' }, false)
    await backUpUntilKilled(path)
    t.equal(readdirSync(folder).length, 1)
    t.same(listBackups(folder), [])
    await store.backup()
    t.equal(readdirSync(folder).length, 1)
    t.equal(listBackups(folder).length, 1)
  })

  t.test('that was cut off by a kill keeps nobody who is forgotten, nor anything over a start', async (t) => {
    const path = databasePath(t)
    const folder = join(dirname(path), 'backups')
    const store = await open(t, path)
    await store.enrol('Quirinalia', [face], [])
    await backUpUntilKilled(path)
    const [draft] = readdirSync(folder)
    copyFileSync(join(folder, draft!), join(folder, `${draft}-journal`))
    copyFileSync(join(folder, draft!), `${path}.restoring`)
    t.equal(filesWith(dirname(path), 'Quirinalia').length >= 3, true, 'it is there')
    await store.removePerson('Quirinalia', [])
    t.same(filesWith(dirname(path), 'Quirinalia'), [])
    t.same(listBackups(folder), [], 'there is no backup that would be changed')

    await store.enrol('Vertumna', [face], [])
    await backUpUntilKilled(path)
    t.equal(readdirSync(folder).length, 1)
    await store.close()
    await keep(t, path)
    t.same(readdirSync(folder), [])
  })

  t.test('that cannot be written is one line, and the store is not to blame', async (t) => {
    const path = databasePath(t)
    const { store, replaced } = await keep(t, path)
    await store.append({ type: 'started' }, false)
    writeFileSync(join(dirname(path), 'backups'), 'in the way')
    await t.rejects(store.backup(), { name: 'StoreError', message: /backups/ })
    t.same(replaced, [])
  })
})

t.test('a damaged store is set aside and the newest good backup takes its place', async (t) => {
  const path = databasePath(t)
  const first = await open(t, path)
  await first.enrol('Ada', [face], [{ type: 'enrolled', person: 'Ada' }])
  const good = await first.backup()
  await first.append({ type: 'known', person: 'Ada' }, false)
  const truncated = await first.backup()
  await first.append({ type: 'known', person: 'Ada' }, false)
  const spoilt = await first.backup()
  for (let i = 0; i < 100; i++) await first.append({ type: 'unknown' }, false)
  await first.close()
  truncateSync(truncated.path, statSync(truncated.path).size / 2)
  spoil(spoilt.path)
  spoil(path)
  const damaged = readFileSync(path)

  const { store, log, replaced } = await keep(t, path)
  t.match(replaced, [{ backup: { path: good.path }, reason: /is damaged/ }])
  t.match(basename(replaced[0]!.aside!), /^facelatch\.db\.damaged-\d{8}T\d{6}Z$/)
  t.ok(readFileSync(replaced[0]!.aside!).equals(damaged), 'not a byte of it changed')
  t.match(log.lines.join('\n'), /a backup cannot be used: facelatch-0+3-.*\n.*a backup cannot be used: facelatch-0+2-/)
  t.match(await store.gallery('m'), [{ person: 'Ada' }])
  t.match(await store.append({ type: 'store_replaced' }, false), { seq: 2 })
  t.match(await store.verifyEvents(), { count: 2, fault: undefined })
  await store.close()
  t.same((await keep(t, path)).replaced, [], 'once')
})

t.test('without a good backup it begins anew, and says so', async (t) => {
  const path = databasePath(t)
  await (await open(t, path)).close()
  writeFileSync(path, 'no database at all, but a letter to somebody\n'.repeat(50))
  const { store, replaced } = await keep(t, path)
  t.match(replaced, [{ backup: undefined, reason: /is damaged/ }])
  t.ok(existsSync(replaced[0]!.aside!))
  t.same(await store.people(), [])
  t.equal(await store.isNew(), false, 'who presses the button first is no first boot')
  t.equal(await (await open(t)).isNew(), true)
  t.match(await store.append({ type: 'started' }, false), { seq: 1 })
})

t.test('a store that is gone comes back from its backup', async (t) => {
  const path = databasePath(t)
  const first = await open(t, path)
  await first.enrol('Ada', [face], [])
  await first.append({ type: 'started' }, false)
  await first.backup()
  await first.close()
  rmSync(path)
  const { store, replaced } = await keep(t, path)
  t.match(replaced, [{ aside: undefined, reason: /was gone/ }])
  t.match(await store.gallery('m'), [{ person: 'Ada' }])
})

for (const [what, kill] of [
  ['was closed', false],
  ['was killed', true],
] as const)
  t.test(`a store of no bytes, which ${what}, is no new store`, async (t) => {
    const path = databasePath(t)
    const first = await open(t, path)
    await first.enrol('Ada', [face], [{ type: 'enrolled', person: 'Ada' }])
    const good = await first.backup()
    await first.close()
    const die = `await store.append({ type: 'exit' }, false); process.kill(process.pid, 'SIGKILL')`
    if (kill) await inOtherProcess(path, die).catch(() => {})
    t.equal(existsSync(`${path}-wal`), kill)
    truncateSync(path, 0)
    await t.rejects(open(t, path), { code: 'corrupt', message: /is damaged \(it is empty\): stop facelatch and run/ })
    t.equal(statSync(path).size, 0, 'a command leaves it as it is')
    const { store, replaced } = await keep(t, path)
    t.match(replaced, [{ backup: { path: good.path }, reason: /it is empty/ }])
    t.match(await store.gallery('m'), [{ person: 'Ada' }])
  })

/** What is left of a store that knew Ada, of which no backup was made; each by itself shows that there was one. */
const traces: Record<string, readonly string[]> = {
  'its key': ['.key'],
  'the list of the forgotten': ['.forgotten'],
  'its journal': ['-wal'],
  'all but a header': ['.key', '.forgotten', ''],
}
for (const [what, left] of Object.entries(traces))
  for (const instead of ['no bytes', 'nothing'])
    t.test(`${instead} in the place of a store, and ${what}: begun anew, told, and not new`, async (t) => {
      const path = databasePath(t)
      const enrolling = `await store.enrol('Ada', [{ embedder: 'm', embedding: new Float32Array(4), quality: 1, source: 's' }], [])`
      await inOtherProcess(path, `${enrolling}; process.kill(process.pid, 'SIGKILL')`).catch(() => {})
      for (const name of readdirSync(dirname(path)))
        if (!left.some((suffix) => name === basename(path) + suffix)) rmSync(join(dirname(path), name))
      if (!left.includes('')) {
        if (instead === 'no bytes') writeFileSync(path, '')
      } else if (instead === 'nothing') rmSync(path)
      const { store, replaced } = await keep(t, path)
      t.match(replaced, [{ backup: undefined, kept: 0, reason: /is damaged \(it|was gone/ }])
      t.equal(await store.isNew(), false)
      await store.close()
      t.equal(await (await keep(t, path)).store.isNew(), false, 'nor later')
    })

t.test('a first start that was cut is a first start still, wherever it was cut', async (t) => {
  let statements = 0
  for (let cut = 0, ended = false; !ended; cut++) {
    const path = databasePath(t)
    const code = `
      const { openStore } = await import(${firmware('adapters/store-sqlite.js')})
      let left = ${cut}
      const onStatement = () => left-- === 0 && process.kill(process.pid, 'SIGKILL')
      await (await openStore({ path: ${JSON.stringify(path)}, log: ${silentLog}, onStatement })).close()`
    ended = await output(script(code)).then(
      () => true,
      () => false,
    )
    const { store, replaced } = await keep(t, path)
    t.same(replaced, [], `cut at ${cut}`)
    t.equal(await store.isNew(), true)
    await store.close()
    statements = cut
  }
  t.ok(statements > 20)
  const path = databasePath(t)
  mkdirSync(dirname(path))
  writeFileSync(path, '')
  t.equal(await (await keep(t, path)).store.isNew(), true, 'and before the first of them')
})

t.test('a removal that a power cut ended between its mark and its commit is made', async (t) => {
  const path = databasePath(t)
  const killed = script(`
    const { openStore } = await import(${firmware('adapters/store-sqlite.js')})
    let removing = false
    const onStatement = (when, sql) => removing && when === 'before' && sql === 'COMMIT' && process.kill(process.pid, 'SIGKILL')
    const store = await openStore({ path: ${JSON.stringify(path)}, log: ${silentLog}, onStatement })
    const face = { embedder: 'm', embedding: new Float32Array(4), quality: 1, source: 's' }
    for (const name of ['Ada', 'Ben']) await store.enrol(name, [face], [])
    removing = true
    await store.removePerson('Ada', [{ type: 'removed', person: 'Ada' }])`)
  await t.rejects(output(killed))
  const still = await open(t, path)
  t.equal((await still.people()).length, 2, 'it was not made')
  await still.backup()
  await still.close()
  const { store, replaced } = await keep(t, path)
  t.match(await store.people(), [{ name: 'Ben' }])
  t.equal((await store.people()).length, 1)
  t.match((await store.events({})).at(-1), { type: 'removed', detail: { reason: 'the removal was cut off' } })
  t.match(await store.verifyEvents(), { fault: undefined })
  t.same(replaced, [])
  await store.close()
  t.same(filesWith(dirname(path), 'Ada'), [], 'nor is the name in a backup')
})

t.test('a folder that is missing', async (t) => {
  const path = databasePath(t)
  const first = await open(t, path)
  await first.enrol('Ada', [face], [])
  await first.close()
  const away = `${dirname(path)}.away`
  const start = async () => {
    const log = memoryLog()
    const store = await keepStore({ path, log })
    t.teardown(() => store.close())
    const replaced: StoreReplaced[] = []
    store.onReplaced((one) => replaced.push(one))
    t.match(log.lines, [/error: store .*: its folder \S+\/data is missing: create it, or mount the disk that it is on/])
    await t.rejects(store.append({ type: 'exit' }, false), { code: 'missing' })
    await t.rejects(store.isNew())
    t.notOk(existsSync(dirname(path)), 'is not made')
    return { store, replaced, isOpen: () => until('it is open', () => log.lines.some((line) => /is open/.test(line))) }
  }
  renameSync(dirname(path), away)
  const mounted = await start()
  renameSync(away, dirname(path))
  await mounted.isOpen()
  t.match(await mounted.store.gallery('m'), [{ person: 'Ada' }])
  t.same(mounted.replaced, [])
  await mounted.store.close()

  rmSync(dirname(path), { recursive: true })
  const made = await start()
  mkdirSync(dirname(path))
  await made.isOpen()
  t.match(made.replaced, [{ backup: undefined, reason: /folder was missing/ }])
  t.equal(await made.store.isNew(), false, 'the real one may be mounted over it yet')
})

t.test('damage found while in use', async (t) => {
  t.test('costs no person in memory: whom the backup lacks is put back', async (t) => {
    const path = databasePath(t)
    const { store, replaced } = await keep(t, path)
    await store.enrol('Ada', [face], [])
    await store.append({ type: 'started' }, false)
    await store.backup()
    await store.enrol('Bo', [template('m', 4, 5, 6)], [])
    // More than SQLite keeps in memory, so that the damage is met.
    await store.enrol('Big', [{ ...face, embedder: 'n', embedding: new Float32Array(1_500_000).fill(1) }], [])
    await store.people()
    await store.gallery('m')
    await store.optimize()
    spoil(path)
    t.same(
      (await store.gallery('n')).map(({ person }) => person),
      [],
    )
    t.match(replaced, [{ kept: 2, backup: { seq: 1 } }])
    t.same(
      (await store.gallery('m')).map(({ person, embedding }) => [person, [...embedding]]),
      [
        ['Ada', [1, 2, 3]],
        ['Bo', [4, 5, 6]],
      ],
    )
    t.equal(asideOf(path).length >= 1, true)
  })

  t.test('is found by the night at the latest', async (t) => {
    const path = databasePath(t)
    const { store, replaced } = await keep(t, path)
    for (let i = 0; i < 200; i++) await store.append({ type: 'unknown', detail: { text: 'x'.repeat(200) } }, false)
    await store.backup()
    await store.optimize()
    overwrite(path, statSync(path).size - 4096, Buffer.alloc(4096, 0x5a))
    await store.checkFile()
    t.equal(replaced.length, 1)
    t.match(await store.verifyEvents(), { count: 200, fault: undefined })
  })
})

t.test('a full disk', async (t) => {
  const mount = temporaryDirectory(t)
  try {
    execFileSync('unshare', ['--mount', '--map-root-user', 'mount', '-t', 'tmpfs', 'none', mount], { stdio: 'ignore' })
  } catch {
    t.pass('this machine lets nobody mount')
    return
  }
  const code = `
    const { keepStore } = await import(${firmware('adapters/store-keeper.js')})
    const { openStore } = await import(${firmware('adapters/store-sqlite.js')})
    const { rmSync, writeFileSync, readdirSync, existsSync } = await import('node:fs')
    const path = '${mount}/facelatch.db'
    const fill = () => { for (const size of [65536, 4096, 512]) try { for (let i = 0; ; i++) writeFileSync('${mount}/filler' + size + i, Buffer.alloc(size)) } catch {} }
    const room = () => { for (const name of readdirSync('${mount}')) if (name.startsWith('filler')) rmSync('${mount}/' + name) }
    const said = []
    const log = { debug() {}, info(text) { said.push(text) }, warn(text) { said.push(text) }, error(text) { said.push(text) } }
    const first = await openStore({ path, log })
    await first.enrol('Ada', [{ embedder: 'm', embedding: new Float32Array(8).fill(1), quality: 1, source: 's' }], [])
    await first.append({ type: 'started' }, false)
    await first.close()
    fill()
    // The door starts all the same.
    const store = await keepStore({ path, log })
    const failed = await store.append({ type: 'started' }, false).catch((error) => error.code)
    const backup = await store.backup().catch((error) => error.code)
    room()
    let row
    for (let i = 0; i < 100 && !row; i++) { row = await store.append({ type: 'exit' }, false).catch(() => {}); await new Promise((resolve) => setTimeout(resolve, 100)) }
    const gallery = await store.gallery('m')
    await store.people(); await store.galleryRevision()
    fill()
    // In use: what was known is known.
    let refused
    for (let i = 0; i < 200 && !refused; i++) refused = await store.append({ type: 'unknown', detail: { text: 'x'.repeat(3000) } }, false).catch((error) => error.code)
    const still = (await store.gallery('m')).length
    const half = await store.backup().catch((error) => error.code)
    room()
    const again = await store.append({ type: 'exit' }, false)
    const { fault } = await store.verifyEvents()
    const made = await store.backup()
    console.log(JSON.stringify({ failed, backup, row: row.type, gallery: gallery.length, refused, still, half, again: again.type, fault, made: existsSync(made.path) }))
    await store.close()`
  const inside = ['sh', '-c', 'mount -t tmpfs -o size=2M none "$0" && exec "$@"', mount]
  const answer = await output(['unshare', '--mount', '--map-root-user', ...inside, ...script(code)])
  t.same(JSON.parse(answer.trim().split('\n').at(-1)!), {
    ...{ failed: 'full', backup: 'full', row: 'exit', gallery: 1 },
    ...{ refused: 'full', still: 1, half: 'full', again: 'exit', made: true },
  })
})

t.test('names of backups sort by what they hold, not by a clock that was wrong', async (t) => {
  const path = databasePath(t)
  const store = await open(t, path)
  await store.append({ type: 'started' }, false)
  const options = { path, folder: join(dirname(path), 'backups'), busyTimeout: 1000 }
  await makeBackup(options, new Date('2038-01-01T00:00:00Z'))
  await store.append({ type: 'stopped' }, false)
  await makeBackup(options, new Date('1970-01-01T00:00:00Z'))
  t.match(await store.backups(), [{ seq: 2, at: '1970-01-01T00:00:00Z' }, { seq: 1 }])
  t.equal(stamp(new Date('2026-11-22T03:17:04.5Z')), '20261122T031704Z')
})

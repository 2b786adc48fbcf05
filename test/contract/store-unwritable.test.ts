/** Who is known from a store that nothing can be written to: its journal counts, and nothing of it is changed. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { keepStore } from '../../firmware/adapters/store-keeper.js'
import { end, firmware, script, spawnChild } from '../support/child.js'
import { databasePath, open, output, rawDatabase } from '../support/database.js'
import { memoryLog, temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(180_000)

/** `before` has `store` and may kill itself; `after` has the kept store, on the read-only disk. */
async function frozen(t: Test, before: string, after: string, more = 'true') {
  const mount = temporaryDirectory(t)
  const isolated = ['unshare', '--mount', '--map-root-user']
  try {
    execFileSync(isolated[0]!, [...isolated.slice(1), 'mount', '-t', 'tmpfs', 'none', mount], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  const path = `${mount}/facelatch.db`
  const log = `{ debug() {}, info() {}, warn(text) { said.push(text) }, error(text) { said.push(text) } }`
  const face = `(embedder, ...values) => ({ embedder, embedding: Float32Array.from(values), quality: 1, source: 's' })`
  const quoted = (code: string) => script(code).map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
  const first = quoted(`
    const { openStore } = await import(${firmware('adapters/store-sqlite.js')})
    const said = [], face = ${face}, die = () => process.kill(process.pid, 'SIGKILL')
    const onStatement = (when, sql) => globalThis.atStatement?.(when, sql)
    const store = await openStore({ path: '${path}', log: ${log}, onStatement })
    ${before}`)
  const second = quoted(`
    const { keepStore } = await import(${firmware('adapters/store-keeper.js')})
    const said = []
    const store = await keepStore({ path: '${path}', log: ${log} })
    const answer = await (async () => { ${after} })()
    console.log(JSON.stringify({ ...answer, said }))
    await store.close()`)
  const steps = [
    `mount -t tmpfs -o size=8M none ${mount}`,
    `(${first.join(' ')}; true) 2> /dev/null`,
    more.replaceAll('DISK', mount),
    `mount -o remount,ro ${mount}`,
    `before=$(cd ${mount} && sha256sum facelatch.db*)`,
    second.join(' '),
    `[ "$before" = "$(cd ${mount} && sha256sum facelatch.db*)" ] && echo unchanged`,
  ]
  const [answer, unchanged] = (await output([...isolated, 'bash', '-c', steps.join(' && ')])).trim().split('\n')
  t.equal(unchanged, 'unchanged')
  return JSON.parse(answer!)
}

const whoIsKnown = `
  const gallery = (await store.gallery('m')).map(({ person, embedding }) => [person, ...embedding])
  return { gallery, people: (await store.people()).map(({ name }) => name), other: await store.gallery('n'),
    revision: typeof (await store.galleryRevision()), isNew: await store.isNew().catch(({ code }) => code),
    append: await store.append({ type: 'exit' }, false).catch(({ code }) => code) }`
const ann = { gallery: [['Ann', 1, 2]], people: ['Ann'], other: [], revision: 'number', isNew: 'io', append: 'io' }

t.test('a store that was closed', async (t) => {
  const enrol = `await store.enrol('Ann', [face('m', 1, 2)], []); await store.close()`
  const known = await frozen(t, enrol, whoIsKnown)
  if (known) t.match(known, { ...ann, said: [/read-only/, /read and not written/] })
  else t.pass('this machine lets nobody mount')
})

for (const shared of ['with', 'without'] as const)
  t.test(`a store whose power was cut, ${shared} SQLite's shared file`, async (t) => {
    const cut = `
      await store.enrol('Ann', [face('m', 1, 2)], [])
      await store.enrol('Bo', [face('m', 3, 4)], [])
      await store.optimize()
      let removed = false
      globalThis.atStatement = (when, sql) => {
        removed ||= sql.startsWith('DELETE FROM person')
        if (removed && when === 'after' && sql === 'COMMIT') die()
      }
      await store.removePerson('Bo', [])`
    // What is synced outside the database must not be what the journal is judged by.
    const more = `rm DISK/facelatch.db.forgotten && [ -s DISK/facelatch.db-wal ]${shared === 'with' ? '' : ' && rm DISK/facelatch.db-shm'}`
    const known = await frozen(t, cut, whoIsKnown, more)
    if (known) t.match(known, ann, 'who was removed last is removed')
    else t.pass('this machine lets nobody mount')
  })

t.test('a damaged store, or one that is not there: nobody is known, and the door is guarded', async (t) => {
  for (const more of [
    'head -c 9000 /dev/zero > DISK/facelatch.db',
    'rm DISK/facelatch.db*; touch DISK/facelatch.db.x',
  ]) {
    const known = await frozen(
      t,
      'await store.close()',
      whoIsKnown.replace('const gallery', 'return {}; const gallery'),
      more,
    )
    if (known) t.match(known, { said: [/read-only/, /nobody is known until the store can be opened/] })
    else t.pass('this machine lets nobody mount')
  }
})

t.test('a store that takes long to open is not waited for', async (t) => {
  const path = databasePath(t)
  const first = await open(t, path)
  await first.append({ type: 'started' }, false)
  await first.close()
  // Whoever has the lock to itself keeps the opening waiting, as a disk would that does not answer.
  const code = `${rawDatabase(path)}
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE', (error) => { if (error) throw error; console.log('locked') })
    setInterval(() => {}, 1000)`
  const child = spawnChild(t, script(code))
  await once(child.stdout!, 'data')
  const log = memoryLog()
  const store = await keepStore({ path, log, busyTimeout: 60_000 })
  t.teardown(() => store.close())
  t.match(log.lines, [/takes long to open/])
  await t.rejects(store.append({ type: 'exit' }, false), { code: 'io' })
  await end(child, 'SIGKILL')
  await until('it is open', () => log.lines.some((line) => /the store is open/.test(line)))
  t.match(await store.append({ type: 'exit' }, false), { seq: 2 })
})

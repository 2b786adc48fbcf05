/**
 * `kill -9` at every statement of an enrolment, a grant, a forgetting and a backup: before it and after it. What was
 * acknowledged is there, nobody is half enrolled, the chain holds, and a backup's name stands for a good backup.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { checkDatabase, listBackups } from '../../firmware/adapters/store-backup.js'
import { firmware, script, silentLog } from '../support/child.js'
import { databasePath, open, template } from '../support/database.js'
import { temporaryDirectory } from '../support/temp.js'

t.setTimeout(300_000)

/** Answers what the child had acknowledged when it was killed at moment `n`; `done` when it came to its end. */
function run(path: string, n: number): Promise<{ acknowledged: string[]; done: boolean }> {
  const code = `
    const { openStore } = await import(${firmware('adapters/store-sqlite.js')})
    const { writeSync } = await import('node:fs')
    let moment = 0
    let armed = false
    const onStatement = () => { if (armed && ++moment === ${n}) process.kill(process.pid, 'SIGKILL') }
    const store = await openStore({ path: ${JSON.stringify(path)}, log: ${silentLog}, onStatement })
    const face = (i) => ({ embedder: 'm', embedding: new Float32Array(8).fill(i), quality: 1, source: 's' })
    const say = (what) => writeSync(1, what + '\\n')
    armed = true
    await store.enrol('Bo', [face(1), face(2)], [{ type: 'enrolled', person: 'Bo', detail: { by: 'Ada' } }])
    say('enrolled')
    const { seq } = await store.append({ type: 'granted', person: 'Ada', similarity: 0.9 }, false)
    say('granted ' + seq)
    await store.backup()
    say('backup')
    await store.outgoingSent(seq)
    await store.removePerson('Ada', [{ type: 'removed', person: 'Ada' }])
    say('removed')
    await store.close()`
  return new Promise((resolve) => {
    const [command, ...args] = script(code)
    execFile(command, args, (error, stdout) => {
      const lines = stdout.split('\n').filter(Boolean)
      resolve({ acknowledged: lines.map((line) => line.split(' ')[0]!), done: error === null })
    })
  })
}

t.test('killed before and after each statement', async (t) => {
  const original = databasePath(t)
  const first = await open(t, original)
  await first.enrol('Ada', [template('m', 1, 2, 3, 4, 5, 6, 7, 8)], [{ type: 'enrolled', person: 'Ada' }])
  await first.backup()
  await first.close()
  const [backup] = listBackups(join(dirname(original), 'backups'))

  /** Answers whether the child came to its end. */
  const at = async (n: number): Promise<boolean> => {
    const path = join(temporaryDirectory(t), 'facelatch.db')
    const folder = join(dirname(path), 'backups')
    mkdirSync(folder, { mode: 0o700 })
    copyFileSync(original, path)
    copyFileSync(`${original}.key`, `${path}.key`)
    copyFileSync(backup!.path, join(folder, backup!.path.split('/').at(-1)!))
    const { acknowledged, done } = await run(path, n)
    const store = await open(t, path)
    const events = (await store.events({})).map(({ type }) => type)
    const people = await store.people()
    const names = people.map(({ name }) => name)
    const wrong: string[] = []
    const must = (holds: boolean, what: string) => holds || wrong.push(what)
    for (const type of ['enrolled', 'granted', 'removed'])
      must(
        !acknowledged.includes(type) || events.lastIndexOf(type as never) > 0,
        `${type} was acknowledged and is lost`,
      )
    must(names.includes('Bo') === events.slice(1).includes('enrolled'), 'Bo without his event, or the other way round')
    for (const person of people) must(person.templates.m === (person.name === 'Bo' ? 2 : 1), `half of ${person.name}`)
    must(
      (await store.gallery('m')).length === (names.includes('Bo') ? 2 : 0) + (names.includes('Ada') ? 1 : 0),
      'templates',
    )
    must(names.includes('Ada') !== events.includes('removed'), 'Ada forgotten without an event')
    must((await store.verifyEvents()).fault === undefined, 'the chain')
    const backups = listBackups(folder)
    must(backups.length === 1 || backups.length === 2, 'backups')
    must(!acknowledged.includes('backup') || backups.length === 2, 'the backup was acknowledged and is lost')
    for (const { path, seq } of backups) must((await checkDatabase(path)) === seq, `backup ${path}`)
    await store.append({ type: 'started' }, false)
    must((await store.verifyEvents()).count === events.length + 1, 'it goes on')
    await store.close()
    t.same(wrong, [], `killed at moment ${n}, acknowledged: ${acknowledged.join(', ') || 'nothing'}`)
    return done
  }

  let moments = 0
  // Two at a time: most of each is a process that starts.
  for (let n = 1; ; n += 2) {
    const [one, other] = await Promise.all([at(n), at(n + 1)])
    moments = n
    if (one && other) break
  }
  t.ok(moments > 100, `${moments} moments`)
})

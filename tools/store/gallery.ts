/**
 * What it costs to begin with a gallery and to change it: `node dist/tools/store/gallery.js [TEMPLATES] [FOLDER]`, ten a
 * person. First each step by itself; then the real supervisor and recognizer, which judge frames meanwhile.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLog } from '../../firmware/adapters/log-journal.js'
import { residentMemory } from '../../firmware/adapters/process-memory.js'
import { loadRecognizer } from '../../firmware/adapters/recognizer-native.js'
import { askStatus, statusSockets } from '../../firmware/adapters/status-socket.js'
import { openDatabaseFile } from '../../firmware/adapters/store-connection.js'
import { sealingKey } from '../../firmware/adapters/store-custody.js'
import { findKey, Keyring } from '../../firmware/adapters/store-key.js'
import { plainTemplate, toBlob } from '../../firmware/adapters/store-schema.js'
import { openStore } from '../../firmware/adapters/store-sqlite.js'
import { sealTemplate } from '../../firmware/adapters/store-vault.js'
import type { Account } from '../../firmware/app/account.js'
import { clip } from '../../firmware/commands/clips.js'
import { startGuard } from '../../firmware/commands/guarded.js'
import { loadConfig } from '../../firmware/config.js'
import { nameKey } from '../../firmware/domain/names.js'
import { mebibytes } from '../../firmware/domain/units.js'
import { seeded } from '../../firmware/evaluation/random.js'
import { quantile } from '../../firmware/evaluation/statistics.js'
import { chooseModels } from '../../firmware/models.js'
import type { GalleryPlace, NewTemplate } from '../../firmware/ports.js'

const count = Number(process.argv[2] ?? 100_000)
const folder = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'facelatch-gallery-'))
const path = join(folder, 'facelatch.db')
const log = createLog({ level: 'warn', component: 'bench' })
const perPerson = 10
const rounds = 5

const setup = await chooseModels(loadConfig([], {}))
const recognizer = await loadRecognizer(setup)
const { embedder, dimensions } = recognizer
const random = seeded(1)
const template = (): NewTemplate => ({
  ...{ embedder, quality: 1, source: 'bench' },
  embedding: Float32Array.from({ length: dimensions }, () => 2 * random() - 1),
})

async function fill(): Promise<void> {
  await (await openStore({ path, log })).close()
  const keyring = new Keyring(findKey(path))
  const { sql, close } = await openDatabaseFile(path, 0)
  await sql.run('PRAGMA synchronous = OFF')
  const at = new Date().toISOString()
  const key = await sealingKey(sql, keyring)
  await sql.run('BEGIN')
  for (let i = 0; i < count / perPerson; i++) {
    const [id, name] = [randomUUID(), `Person ${i}`]
    await sql.run('INSERT INTO person VALUES (?, ?, ?, ?)', [id, name, nameKey(name), at])
    const rows = Array.from({ length: perPerson }, () => {
      const { source, embedding } = template()
      const place = { id: randomUUID(), person_id: id, embedder }
      const sealed = sealTemplate(key, place, plainTemplate(source, toBlob(embedding)))
      return [place.id, id, embedder, dimensions, 1, at, key.id, sealed]
    })
    await sql.run(`INSERT INTO template VALUES ${rows.map(() => '(?,?,?,?,?,?,?,?)').join(',')}`, rows.flat())
  }
  await sql.run('COMMIT')
  await close()
}

/** Prints the median, ms. */
function tell(what: string, times: readonly number[], more = ''): void {
  console.log(`${what.padEnd(58)} ${quantile(times, 0.5).toFixed(1).padStart(9)} ms${more}`)
}

async function timed(work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

async function stepByStep(): Promise<void> {
  const store = await openStore({ path, log })
  const steps: Record<string, number[]> = {}
  const step = async (what: string, work: () => unknown) => {
    steps[what] ??= []
    steps[what].push(await timed(work))
  }
  let place: GalleryPlace | undefined
  const take = async (what: string) => {
    for (let more = true; more; ) {
      let part: Awaited<ReturnType<typeof store.galleryPart>> | undefined
      await step(`${what}: read`, async () => {
        part = await store.galleryPart(embedder, place)
      })
      await step(`${what}: put into the search`, () => recognizer.changeGallery(part!.people, !part!.more))
      place = part!.place
      more = part!.more
    }
  }
  tell(
    'the whole gallery, read and put into the search in parts',
    [await timed(() => take('a part of the whole'))],
    `, ${mebibytes(residentMemory())}`,
  )
  for (let i = 0; i < rounds; i++) {
    await store.enrol(`New ${i}`, Array.from({ length: perPerson }, template), [])
    await step('who is enrolled, names only', () => store.people())
    await take('somebody added')
    await store.enrol(`New ${i}`, [template()], [])
    await take('a template added to somebody')
    // Not `removePerson`, which also rewrites the file so that nothing of him is left in it.
    await store.renamePerson(`New ${i}`, `Renamed ${i}`, [])
    await take('somebody renamed')
  }
  const { sql, close } = await openDatabaseFile(path, 5_000)
  for (let i = 0; i < rounds; i++) {
    await sql.run('PRAGMA foreign_keys = ON')
    await sql.run('DELETE FROM person WHERE name = ?', [`Renamed ${i}`])
    await take('somebody removed')
  }
  await close()
  await store.close()
  for (const [what, times] of Object.entries(steps)) tell(what, times)
}

/** From the commit until the recognizer has confirmed, a look once a second included. */
async function guarded(): Promise<void> {
  const guard = await startGuard({
    folder,
    config: { camera: { source: `file:${clip('cap13_edit2')}`, realtime: false, loop: true } },
  })
  const store = await openStore({ path, log })
  try {
    const confirmed = async () => {
      const revision = await store.galleryRevision()
      for (;;) {
        const account = (await askStatus(statusSockets(path))) as Account | undefined
        if ((account?.galleryRevision ?? -1) >= revision) return account!
        await sleep(10)
      }
    }
    let account: Account | undefined
    tell('from the start of the appliance until everybody is known', [
      await timed(async () => {
        account = await confirmed()
      }),
    ])
    await sleep(3_000)
    const [added, removed]: number[][] = [[], []]
    for (let i = 0; i < rounds; i++) {
      await store.enrol(`Guest ${i}`, Array.from({ length: perPerson }, template), [])
      added!.push(await timed(confirmed))
      await sleep(100 * i)
      const { sql, close } = await openDatabaseFile(path, 5_000)
      await sql.run('PRAGMA foreign_keys = ON')
      await sql.run('DELETE FROM person WHERE name = ?', [`Guest ${i}`])
      await close()
      removed!.push(await timed(confirmed))
    }
    account = await confirmed()
    tell('enrolled, until the recognizer has confirmed', added!)
    tell('removed, until the recognizer has confirmed', removed!)
    const health = account.topics.health
    console.log(
      `supervisor ${mebibytes(residentMemory(guard.process.pid!))}, event loop p99 ${health?.supervisor.eventLoopDelayMs.p99.toFixed(1)}, longest ${health?.supervisor.eventLoopDelayMs.max.toFixed(1)} ms; recognizer ${mebibytes(residentMemory(health!.supervisor.recognizerPid!))}`,
    )
  } finally {
    await store.close()
    await guard.stop()
  }
}

try {
  tell(`${count} templates sealed and stored`, [await timed(fill)])
  await stepByStep()
  await recognizer.close()
  await guarded()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

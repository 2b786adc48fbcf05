/**
 * A store of many events, measured: `node dist/tools/store/bench.js [EVENTS] [FOLDER]`. Rows are written by the store's
 * own chain, in large transactions; everything measured goes through the store as it is.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openDatabaseFile } from '../../firmware/adapters/store-connection.js'
import { chainHash, chainStart, type EventRow } from '../../firmware/adapters/store-schema.js'
import { openStore } from '../../firmware/adapters/store-sqlite.js'
import { mebibytes } from '../../firmware/domain/units.js'

const count = Number(process.argv[2] ?? 1_000_000)
const parent = process.argv[3] ?? tmpdir()
const people = 100
const templates = 10

const folder = mkdtempSync(join(parent, 'facelatch-bench-'))
const path = join(folder, 'facelatch.db')
const log = { debug() {}, info() {}, warn: console.error, error: console.error }
const peak = () => Math.round(process.resourceUsage().maxRSS / 1024)
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()

/** Prints milliseconds, the longest that the event loop was held up, and the peak of memory so far. */
async function measure<T>(what: string, work: () => Promise<T>): Promise<T> {
  delay.reset()
  const begun = performance.now()
  const result = await work()
  const took = performance.now() - begun
  // The histogram holds whole intervals of 1 ms.
  const held = Math.max(0, delay.max / 1e6 - 1)
  console.log(
    `${what.padEnd(34)} ${took.toFixed(0).padStart(8)} ms  loop ${held.toFixed(1).padStart(6)} ms  peak ${peak()} MiB`,
  )
  return result
}

async function fill(): Promise<void> {
  const store = await openStore({ path, log })
  for (let i = 0; i < people; i++) {
    const faces = Array.from({ length: templates }, (_, j) => ({
      ...{ embedder: 'bench', quality: 1, source: 'bench' },
      embedding: Float32Array.from({ length: 192 }, (_, k) => Math.sin(i * 31 + j * 7 + k)),
    }))
    await store.enrol(`Person ${i}`, faces, [])
  }
  await store.close()
  const { sql, close } = await openDatabaseFile(path, 0)
  await sql.exec('PRAGMA synchronous = OFF')
  const refs = (await sql.all<{ ref: string }>('SELECT ref FROM moniker')).map(({ ref }) => ref)
  const start = Date.now() - count * 60_000
  let hash: Buffer = chainStart
  for (let seq = 1; seq <= count; ) {
    await sql.run('BEGIN')
    for (const end = Math.min(count, seq + 9999); seq <= end; ) {
      const values: (string | number | null | Buffer)[] = []
      const from = seq
      for (; seq <= end && seq < from + 100; seq++) {
        const row: EventRow = {
          ...{ seq, id: randomUUID(), at: new Date(start + seq * 60_000).toISOString(), type: 'granted' },
          ...{ person: refs[seq % refs.length]!, similarity: 0.8, track: seq % 1000, detail: '{"by":"face"}' },
        }
        hash = chainHash(hash, row)
        values.push(row.seq, row.id, row.at, row.type, row.person, row.similarity, row.track, row.detail, hash)
      }
      await sql.run(
        `INSERT INTO event VALUES ${Array(seq - from)
          .fill('(?,?,?,?,?,?,?,?,?)')
          .join(',')}`,
        values,
      )
    }
    await sql.run('COMMIT')
  }
  await close()
}

try {
  await measure(`made ${count} events`, fill)
  console.log(`file ${mebibytes(statSync(path).size)}`)
  const store = await measure('open, as the supervisor', () => openStore({ path, log }))
  await measure('gallery, 1000 templates', () => store.gallery('bench'))
  await measure('append', () => store.append({ type: 'granted', person: 'Person 7', detail: { by: 'face' } }, false))
  const since = (ms: number) => new Date(Date.now() - ms).toISOString()
  const day = 86_400_000
  await measure('events of the last day, first 1000', () => store.events({ since: since(day), limit: 1000 }))
  await measure('events since the beginning, first 1000', () =>
    store.events({ since: since(10_000 * day), limit: 1000 }),
  )
  await measure('night: sign', () => store.sealEvents())
  await measure('night: read the file through', () => store.checkFile())
  const { fault } = await measure('night: verify the chain', () => store.verifyEvents())
  if (fault !== undefined) throw new Error(fault)
  const backing = measure('night: backup', () => store.backup())
  let slowest = 0
  let appended = 0
  let over = false
  void backing.finally(() => {
    over = true
  })
  while (!over) {
    const begun = performance.now()
    await store.append({ type: 'granted', person: 'Person 7', detail: { by: 'face' } }, false)
    slowest = Math.max(slowest, performance.now() - begun)
    appended += 1
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await backing
  console.log(`while it was made: ${appended} events appended, the slowest took ${slowest.toFixed(0)} ms`)
  await measure('night: remove a tenth for its age', () =>
    store.removeEventsBefore(new Date(Date.now() - count * 60_000 * 0.9)),
  )
  await measure('night: optimize', () => store.optimize())
  await measure('forget a person, one backup', () =>
    store.removePerson('Person 8', [{ type: 'removed', person: 'Person 8' }]),
  )
  const report = await measure('verify the chain again', () => store.verifyEvents())
  console.log(JSON.stringify(report))
  await store.close()
  await measure('open, reading the file through', async () =>
    (await openStore({ path, log, checkUpTo: Number.MAX_SAFE_INTEGER })).close(),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}

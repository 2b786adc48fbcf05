/** People, templates, the audit log and the outbox in one SQLite file. */
import { randomUUID } from 'node:crypto'
import { accessEvents, type NewEvent, type StoredEvent } from '../domain/events.js'
import { type Clock, type Log, type NewTemplate, type Person, type Store, StoreError } from '../ports.js'
import { openConnection, type Statements } from './store-connection.js'
import * as schema from './store-schema.js'

export interface StoreOptions {
  /** The database; made when missing, with its directory. SQLite keeps `-wal` and `-shm` beside it. */
  readonly path: string
  readonly clock?: Pick<Clock, 'wall'>
  readonly log: Log
  /**
   * Events that may wait to be sent. Beyond it the oldest telemetry is given up, in the outbox only; access events wait
   * as long as it takes. 0 where there is no broker.
   */
  readonly outboxLimit?: number
  /** Milliseconds to wait for another process that is writing. */
  readonly busyTimeout?: number
}

type ChainedRow = schema.EventRow & { readonly hash: Buffer }

/** Rejects with StoreError. Reads the whole file once, to learn of damage before the door depends on it. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { path, clock = { wall: () => new Date() }, log, outboxLimit = 10_000, busyTimeout = 5000 } = options
  const { read, write, close } = await openConnection(path, busyTimeout)
  /** Rows of the outbox that another run of the program left are late, whatever they say. */
  const session = randomUUID()
  let dropping = false

  const now = (): string => clock.wall().toISOString()

  const insertEvent = async (sql: Statements, event: NewEvent, waiting: boolean, at?: Date): Promise<StoredEvent> => {
    const last = await sql.get<{ seq: number; hash: Buffer }>('SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1')
    // Not simply the row after the last: rows cut off the end must leave a gap that `verifyEvents` sees.
    const seq = Math.max(last?.seq ?? 0, await lastIssued(sql)) + 1
    const row = schema.toRow(event, { seq, id: randomUUID(), at: at?.toISOString() ?? now() })
    await sql.run('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', [
      ...[row.seq, row.id, row.at, row.type, row.person, row.similarity, row.track, row.detail],
      schema.chainHash(last?.hash ?? schema.chainStart, row),
    ])
    await sql.run('INSERT INTO outbox (seq, session, waiting) VALUES (?, ?, ?)', [seq, session, waiting ? 1 : 0])
    const dropped = await makeRoom(sql)
    if (dropped > 0 && !dropping && outboxLimit > 0) {
      log.warn('more events wait for the broker than are kept for it: the oldest telemetry will not be sent', {
        outboxLimit,
      })
    }
    dropping = dropped > 0
    return schema.fromRow(row)
  }

  /** Answers how many were given up. */
  const makeRoom = async (sql: Statements): Promise<number> => {
    if (outboxLimit === 0) return sql.run('DELETE FROM outbox')
    const { count } = (await sql.get<{ count: number }>('SELECT count(*) AS count FROM outbox'))!
    if (count <= outboxLimit) return 0
    return sql.run(
      `DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox JOIN event USING (seq)
       WHERE type NOT IN (${accessEvents.map(() => '?').join(', ')}) ORDER BY seq LIMIT ?)`,
      [...accessEvents, count - outboxLimit],
    )
  }

  /** SQLite's own note of the greatest `seq` ever given; https://www.sqlite.org/autoinc.html */
  const lastIssued = async (sql: Statements): Promise<number> =>
    (await sql.get<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'event'"))?.seq ?? 0

  const findPerson = (sql: Statements, name: string) =>
    sql.get<{ id: string; name: string }>('SELECT id, name FROM person WHERE name_key = ?', [schema.nameKey(name)])

  const nameOf = (name: string): string => {
    const clean = schema.cleanName(name)
    if (clean !== undefined) return clean
    throw new StoreError('invalid', `${JSON.stringify(name)} is no name: give 1 to 200 characters in one line`)
  }

  const insertTemplate = async (sql: Statements, person: string, template: NewTemplate): Promise<void> => {
    const { embedder, embedding, quality, source } = template
    const wrong = (what: string) => new StoreError('invalid', `template from ${source} ${what}: make it again`)
    if (embedding.length === 0 || !embedding.every(Number.isFinite)) throw wrong('is not a vector of numbers')
    const others = 'SELECT dimensions FROM template WHERE embedder = ? LIMIT 1'
    const known = await sql.get<{ dimensions: number }>(others, [embedder])
    if (known && known.dimensions !== embedding.length) {
      throw wrong(`has ${embedding.length} dimensions, others of ${embedder} have ${known.dimensions}`)
    }
    await sql.run('INSERT INTO template VALUES (?, ?, ?, ?, ?, ?, ?, ?)', [
      ...[randomUUID(), person, embedder, embedding.length, schema.toBlob(embedding)],
      ...[Number.isFinite(quality) ? quality : 0, source, now()],
    ])
  }

  const galleryRevision = async (sql: Statements): Promise<number> =>
    (await sql.get<{ revision: number }>('SELECT revision FROM gallery'))?.revision ?? 0

  const people = async (sql: Statements, id?: string): Promise<Person[]> => {
    const rows = await sql.all<{
      id: string
      name: string
      created_at: string
      embedder: string | null
      count: number
    }>(
      `SELECT person.id, name, person.created_at, embedder, count(template.id) AS count
       FROM person LEFT JOIN template ON person_id = person.id
       WHERE ?1 IS NULL OR person.id = ?1 GROUP BY person.id, embedder ORDER BY name_key, embedder`,
      [id ?? null],
    )
    const byId = new Map<string, { id: string; name: string; createdAt: string; templates: Record<string, number> }>()
    for (const row of rows) {
      const person = byId.get(row.id) ?? { id: row.id, name: row.name, createdAt: row.created_at, templates: {} }
      if (row.embedder !== null) person.templates[row.embedder] = row.count
      byId.set(row.id, person)
    }
    return [...byId.values()]
  }

  return {
    people: () => read((sql) => people(sql)),
    enrol: (name, templates, events, revision) =>
      write(async (sql) => {
        const clean = nameOf(name)
        if (revision !== undefined && revision !== (await galleryRevision(sql)))
          throw new StoreError('changed', 'people were changed meanwhile: look at them again')
        let id = (await findPerson(sql, clean))?.id
        if (id === undefined) {
          id = randomUUID()
          await sql.run('INSERT INTO person VALUES (?, ?, ?, ?)', [id, clean, schema.nameKey(clean), now()])
        }
        for (const template of templates) await insertTemplate(sql, id, template)
        for (const event of events) await insertEvent(sql, event, false)
        return (await people(sql, id))[0]!
      }),
    removePerson: (name, events) =>
      write(async (sql) => {
        const person = await findPerson(sql, nameOf(name))
        if (!person) return false
        await sql.run('DELETE FROM person WHERE id = ?', [person.id])
        for (const event of events) await insertEvent(sql, event, false)
        return true
      }),
    renamePerson: (name, to, events) =>
      write(async (sql) => {
        const person = await findPerson(sql, nameOf(name))
        if (!person) return false
        const clean = nameOf(to)
        const other = await findPerson(sql, clean)
        if (other && other.id !== person.id) {
          throw new StoreError('taken', `somebody is called ${other.name} already: choose another name`)
        }
        await sql.run('UPDATE person SET name = ?, name_key = ? WHERE id = ?', [
          ...[clean, schema.nameKey(clean), person.id],
        ])
        for (const event of events) await insertEvent(sql, event, false)
        return true
      }),
    templates: (name) =>
      read(async (sql) => {
        const rows = await sql.all<Omit<NewTemplate, 'embedding'> & { embedding: Buffer }>(
          `SELECT embedder, embedding, quality, source FROM template JOIN person ON person.id = person_id
           WHERE name_key = ? ORDER BY template.rowid`,
          [schema.nameKey(nameOf(name))],
        )
        return rows.map((row) => ({ ...row, embedding: schema.fromBlob(row.embedding) }))
      }),
    gallery: (embedder) =>
      read(async (sql) => {
        const rows = await sql.all<{ person: string; embedding: Buffer }>(
          `SELECT name AS person, embedding FROM template JOIN person ON person.id = person_id
           WHERE embedder = ? ORDER BY name_key, template.rowid`,
          [embedder],
        )
        return rows.map(({ person, embedding }) => ({ person, embedding: schema.fromBlob(embedding) }))
      }),
    galleryRevision: () => read(galleryRevision),

    append: (event, waiting, at) => write((sql) => insertEvent(sql, event, waiting, at)),
    events: ({ since, after = 0, limit = -1 }) =>
      read(async (sql) => {
        const from = since === undefined ? null : new Date(since)
        if (from && Number.isNaN(from.getTime())) {
          throw new StoreError('invalid', `${JSON.stringify(since)} is no time: write it like 2026-11-21T08:00:00Z`)
        }
        const rows = await sql.all<schema.EventRow>(
          'SELECT * FROM event WHERE seq > ?1 AND (?2 IS NULL OR at >= ?2) ORDER BY seq LIMIT ?3',
          [after, from?.toISOString() ?? null, limit],
        )
        return rows.map(schema.fromRow)
      }),
    verifyEvents: async () => {
      let previous: Pick<ChainedRow, 'seq' | 'hash'> = { seq: 0, hash: schema.chainStart }
      let count = 0
      for (;;) {
        // In pieces, so that the door's own rows need not wait for all of it.
        const { issued, rows } = await read(async (sql) => ({
          issued: await lastIssued(sql),
          rows: await sql.all<ChainedRow>('SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT 1000', [previous.seq]),
        }))
        for (const row of rows) {
          if (row.seq !== previous.seq + 1) {
            const gap = `${previous.seq + 1} to ${row.seq - 1}`
            return { count, fault: `event ${row.seq} (${row.at}): events ${gap} before it are missing` }
          }
          if (!schema.chainHash(previous.hash, row).equals(row.hash)) {
            return { count, fault: `event ${row.seq} (${row.at}): does not match its hash, it was changed or moved` }
          }
          previous = row
          count += 1
        }
        if (rows.length > 0) continue
        if (issued <= previous.seq) return { count }
        return { count, fault: `events ${previous.seq + 1} to ${issued} at the end are missing` }
      }
    },
    nextOutgoing: () =>
      read(async (sql) => {
        const row = await sql.get<schema.EventRow & { replayed: number }>(
          `SELECT event.*, waiting OR attempts > 0 OR session <> ? AS replayed
           FROM outbox JOIN event USING (seq) ORDER BY seq LIMIT 1`,
          [session],
        )
        return row && { event: schema.fromRow(row), replayed: row.replayed !== 0 }
      }),
    outgoingFailed: async (seq) => {
      await write((sql) => sql.run('UPDATE outbox SET attempts = attempts + 1 WHERE seq = ?', [seq]))
    },
    outgoingSent: async (seq) => {
      await write((sql) => sql.run('DELETE FROM outbox WHERE seq = ?', [seq]))
    },
    close,
  }
}

/** The audit log and the outbox. Each function runs inside a turn of the connection; those that change, in a transaction. */
import { accessEvents, type NewEvent, type StoredEvent } from '../domain/events.js'
import { type EventQuery, type Outgoing, StoreError } from '../ports.js'
import type { Statements } from './store-connection.js'
import { refer, referDetail, showNames } from './store-names.js'
import { chainHash, chainStart, type EventRow, toRow } from './store-schema.js'

export interface ChainEnd {
  readonly seq: number
  readonly hash: Buffer
}

/** SQLite's own note of the greatest number ever given in a table; https://www.sqlite.org/autoinc.html */
export const lastIssued = async (sql: Statements, table: 'event' | 'checkpoint' = 'event'): Promise<number> =>
  (await sql.get<{ seq: number }>('SELECT seq FROM sqlite_sequence WHERE name = ?', [table]))?.seq ?? 0

/** What the next row is chained to: the last row, or what was said of it before all rows were removed for their age. */
export async function chainEnd(sql: Statements): Promise<ChainEnd> {
  const last = await sql.get<ChainEnd>('SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1')
  if (last) return last
  const removed = await sql.get<ChainEnd>(
    `SELECT seq, hash FROM checkpoint WHERE kind = 'retention' ORDER BY seq DESC LIMIT 1`,
  )
  return removed ?? { seq: 0, hash: chainStart }
}

export interface Insertion {
  readonly event: NewEvent
  /** Unique for ever. */
  readonly id: string
  readonly at: string
  /** Nobody could be told at once. */
  readonly waiting: boolean
  /** The run of the program. */
  readonly session: string
}

export async function insertEvent(
  sql: Statements,
  { event, id, at, waiting, session }: Insertion,
): Promise<StoredEvent> {
  const last = await chainEnd(sql)
  // Not simply the row after the last: rows cut off the end must leave a gap that `verifyChain` sees.
  const seq = Math.max(last.seq, await lastIssued(sql)) + 1
  const person = event.person === undefined ? null : await refer(sql, event.person)
  const detail = event.detail === undefined ? null : await referDetail(sql, event.detail)
  const row = toRow(event, { seq, id, at, person, detail })
  await sql.run('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)', [
    ...[row.seq, row.id, row.at, row.type, row.person, row.similarity, row.track, row.detail],
    chainHash(last.hash, row),
  ])
  await sql.run('INSERT INTO outbox (seq, session, waiting) VALUES (?, ?, ?)', [seq, session, waiting ? 1 : 0])
  return (await showNames(sql, [row]))[0]!
}

/** Gives up the oldest telemetry beyond `limit`, and never an access event; with 0 nothing waits. Answers how many. */
export async function limitOutbox(sql: Statements, limit: number): Promise<number> {
  if (limit === 0) return sql.run('DELETE FROM outbox')
  const { count } = (await sql.get<{ count: number }>('SELECT count(*) AS count FROM outbox'))!
  if (count <= limit) return 0
  return sql.run(
    `DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox JOIN event USING (seq)
     WHERE type NOT IN (${accessEvents.map(() => '?').join(', ')}) ORDER BY seq LIMIT ?)`,
    [...accessEvents, count - limit],
  )
}

export async function listEvents(
  sql: Statements,
  { since, after = 0, limit = -1 }: EventQuery,
): Promise<StoredEvent[]> {
  const from = since === undefined ? undefined : new Date(since)
  if (from && Number.isNaN(from.getTime())) {
    throw new StoreError('invalid', `${JSON.stringify(since)} is no time: write it like 2026-11-21T08:00:00Z`)
  }
  let first = after + 1
  if (from) {
    // The sign makes SQLite look in the index of times; without it, it reads all rows before the first match.
    const found = await sql.get<{ seq: number | null }>('SELECT min(+seq) AS seq FROM event WHERE at >= ?', [
      from.toISOString(),
    ])
    if (found?.seq == null) return []
    first = Math.max(first, found.seq)
  }
  const rows = await sql.all<EventRow>(
    // The sign keeps SQLite from the index of times, whose order is not that of the rows.
    'SELECT * FROM event WHERE seq >= ?1 AND (?2 IS NULL OR +at >= ?2) ORDER BY seq LIMIT ?3',
    [first, from?.toISOString() ?? null, limit],
  )
  return await showNames(sql, rows)
}

export async function nextOutgoing(sql: Statements, session: string, after = 0): Promise<Outgoing | undefined> {
  const row = await sql.get<EventRow & { replayed: number }>(
    `SELECT event.*, waiting OR attempts > 0 OR session <> ? AS replayed
     FROM outbox JOIN event USING (seq) WHERE seq > ? ORDER BY seq LIMIT 1`,
    [session, after],
  )
  return row && { event: (await showNames(sql, [row]))[0]!, replayed: row.replayed !== 0 }
}

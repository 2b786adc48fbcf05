/**
 * The audit log over years: what may be removed for its age, and how the chain still proves the rest.
 *
 * A checkpoint states a row's place and hash, signed with the store's key. `seal`: the chain had come so far when the
 * night's job looked; who later makes a row and all hashes after it anew, and has not the key, contradicts it.
 * `retention`: rows up to here were removed for their age; the first row kept is chained to it. `migration`: rows up to
 * here were written anew by a newer version. `replacement`: a backup that ended here took the store's place, and
 * numbers up to the note's were given to rows that are lost: no number is given twice. Who has the key can sign anything: a checkpoint proves knowledge of the key.
 */
import type { Connection, Statements } from './store-connection.js'
import { sealingKey } from './store-custody.js'
import { chainEnd, lastIssued } from './store-events.js'
import type { Keyring } from './store-key.js'
import { checkNames, foreignNames } from './store-name-proofs.js'
import { chainHash, chainStart, type EventRow } from './store-schema.js'
import { isSigned, type Statement, signStatement } from './store-vault.js'

/** Rows read, or removed, at a time: the door's own rows wait no longer than for these. */
const page = 250
const removedAtOnce = 2000

export interface ChainReport {
  /** Rows in order. */
  readonly count: number
  /** The first thing that is wrong. */
  readonly fault?: string
  /** Rows removed for their age, as a signed checkpoint says. */
  readonly removed?: number
  /** Checkpoints whose signature could not be looked at, since their key is not here. */
  readonly unchecked?: number
  /** How far a signature that holds covers the log; undefined where none does. */
  readonly signed?: { readonly seq: number; readonly at: string }
  /** Rows that show a name for which nothing vouches: a version before wrote them. */
  readonly unproven?: number
}

interface CheckpointRow extends Statement {
  readonly id: number
  readonly key_id: string | null
  readonly mac: Buffer | null
}

async function sign(sql: Statements, keyring: Keyring, statement: Statement): Promise<void> {
  const key = await sealingKey(sql, keyring)
  const { kind, seq, hash, at, note } = statement
  await sql.run('INSERT INTO checkpoint (kind, seq, hash, at, note, key_id, mac) VALUES (?, ?, ?, ?, ?, ?, ?)', [
    ...[kind, seq, hash, at, note],
    ...[key.id, signStatement(key, statement)],
  ])
}

/** Inside a transaction: states how far the chain has come. */
export async function sealChain(sql: Statements, keyring: Keyring, at: string): Promise<void> {
  const { seq, hash } = await chainEnd(sql)
  const known = await sql.get(`SELECT 1 FROM checkpoint WHERE seq >= ? AND kind <> 'retention'`, [seq])
  if (seq > 0 && !known) await sign(sql, keyring, { kind: 'seal', seq, hash, at, note: '' })
}

/** Inside a transaction: goes on above `last`, which is signed for. Answers how many events are lost. */
export async function continueAfter(sql: Statements, keyring: Keyring, last: number, at: string): Promise<number> {
  const { seq, hash } = await chainEnd(sql)
  const from = Math.max(seq, await lastIssued(sql))
  if (last <= from) return 0
  await sign(sql, keyring, { kind: 'replacement', seq, hash, at, note: String(last) })
  await sql.run(`DELETE FROM sqlite_sequence WHERE name = 'event'`)
  await sql.run(`INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ?)`, [last])
  return last - from
}

/** Where the next row's number may begin after a row, if a replacement was signed for there. */
const gapAfter = (stated: ReadonlyMap<number, readonly CheckpointRow[]>, seq: number): number | undefined => {
  const gap = stated.get(seq)?.findLast(({ kind, mac }) => kind === 'replacement' && mac !== null)
  return gap && Number(gap.note)
}

/**
 * Removes rows older than `before` from the beginning of the log, except what is still to be sent, in pieces that are
 * each signed for. Answers how many. Rejects with StoreError `key` without a key: nothing is removed unsigned.
 */
export async function removeOldEvents(
  { write }: Pick<Connection, 'write'>,
  keyring: Keyring,
  before: string,
  now: () => string,
): Promise<number> {
  let removed = 0
  for (;;) {
    const count = await write(async (sql) => {
      const kept = await sql.get<{ seq: number | null }>(
        `SELECT min(seq) AS seq FROM (SELECT min(seq) AS seq FROM event WHERE at >= ?
         UNION ALL SELECT min(seq) FROM outbox UNION ALL SELECT max(seq) FROM event)`,
        [before],
      )
      if (kept?.seq == null) return 0
      const last = await sql.get<{ seq: number; hash: Buffer }>(
        `SELECT seq, hash FROM (SELECT seq, hash FROM event WHERE seq < ? ORDER BY seq LIMIT ?) ORDER BY seq DESC LIMIT 1`,
        [kept.seq, removedAtOnce],
      )
      if (!last) return 0
      const earlier = await sql.get<{ note: string }>(`SELECT note FROM checkpoint WHERE kind = 'retention'`)
      const count = await sql.run('DELETE FROM event WHERE seq <= ?', [last.seq])
      await sql.run(`DELETE FROM checkpoint WHERE kind = 'retention' OR seq < ?`, [last.seq])
      const note = String(Number(earlier?.note ?? 0) + count)
      await sign(sql, keyring, { kind: 'retention', seq: last.seq, hash: last.hash, at: now(), note })
      return count
    })
    if (count === 0) return removed
    removed += count
  }
}

/** Recomputes the chain over the whole log, and compares it with what was signed. */
export async function verifyChain(connection: Pick<Connection, 'read'>, keyring: Keyring): Promise<ChainReport> {
  for (;;) {
    const before = await lastRemoval(connection)
    const report = await verifyOnce(connection, keyring)
    // Another process may have removed old rows in the meantime: what is missing then is not missing.
    if (report.fault === undefined || before === (await lastRemoval(connection))) return report
  }
}

const lastRemoval = ({ read }: Pick<Connection, 'read'>) =>
  read(async (sql) => (await sql.get<{ id: number }>(`SELECT id FROM checkpoint WHERE kind = 'retention'`))?.id)

async function verifyOnce({ read }: Pick<Connection, 'read'>, keyring: Keyring): Promise<ChainReport> {
  const { points, first, pointsIssued, sealing, foreign } = await read(async (sql) => ({
    foreign: await foreignNames(sql),
    pointsIssued: await lastIssued(sql, 'checkpoint'),
    sealing: await sql.get<{ at: string }>(`SELECT ran_at AS at FROM job WHERE name = 'retention' AND ok = 1`),
    points: await sql.all<CheckpointRow>('SELECT * FROM checkpoint ORDER BY seq, id'),
    first: (await sql.get<{ seq: number | null }>('SELECT min(seq) AS seq FROM event'))?.seq ?? null,
  }))
  // The newest signature always has the highest number that was given.
  if (pointsIssued > Math.max(0, ...points.map(({ id }) => id)) || (sealing && points.length === 0)) {
    const proof = sealing ? `the night of ${sealing.at} signed` : `${pointsIssued} were given`
    return { count: 0, fault: `signatures were removed: ${proof}, and the last ones are not there` }
  }
  let unchecked = 0
  let signed: ChainReport['signed']
  for (const point of points) {
    const key = point.key_id === null ? undefined : keyring.find(point.key_id)
    if (!key || point.mac === null) unchecked += 1
    else if (isSigned(key, point, point.mac)) signed = { seq: point.seq, at: point.at }
    else
      return {
        count: 0,
        fault: `checkpoint ${point.id} (${point.kind} ${point.at}): its signature is wrong, it was changed`,
      }
  }
  const start = points.find(({ kind }) => kind === 'retention')
  const more = {
    ...(start && { removed: Number(start.note) }),
    ...(unchecked > 0 && { unchecked }),
    ...(signed && { signed }),
  }
  let previous = start ? { seq: start.seq, hash: start.hash } : { seq: 0, hash: chainStart }
  if (start && first !== null && first <= start.seq)
    return {
      count: 0,
      ...more,
      fault: `events up to ${start.seq} were removed for their age, and ${first} is there again`,
    }
  const stated = new Map<number, CheckpointRow[]>()
  for (const point of points) stated.set(point.seq, [...(stated.get(point.seq) ?? []), point])
  let count = 0
  let unproven = 0
  for (;;) {
    // In pieces, so that the door's own rows need not wait for all of it.
    const { issued, rows, names } = await read(async (sql) => {
      const rows = await sql.all<EventRow & { hash: Buffer }>(
        'SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT ?',
        [previous.seq, page],
      )
      // In the same turn: a row that is appended a moment later is not missing.
      return { rows, issued: rows.length > 0 ? 0 : await lastIssued(sql), names: await checkNames(sql, rows) }
    })
    for (const row of rows) {
      const before = gapAfter(stated, previous.seq)
      const expected = row.seq - 1 === before ? { ...previous, seq: before } : previous
      const fault =
        faultOf(row, expected, stated.get(row.seq) ?? []) ??
        (row.seq === names.changed ? 'the name that it shows was changed' : undefined)
      if (fault !== undefined) return { count, ...more, fault: `event ${row.seq} (${row.at}): ${fault}` }
      previous = row
      count += 1
    }
    unproven += names.unproven
    if (rows.length > 0) continue
    const last = Math.max(issued, ...points.map(({ seq }) => seq))
    if (last <= (gapAfter(stated, previous.seq) ?? previous.seq)) break
    return { count, ...more, fault: `events ${previous.seq + 1} to ${last} at the end are missing` }
  }
  if (foreign > 0) return { count, ...more, fault: `the names of ${foreign} people were changed past the audit log` }
  return { count, ...more, ...(unproven > 0 && { unproven }) }
}

function faultOf(
  row: EventRow & { readonly hash: Buffer },
  previous: { readonly seq: number; readonly hash: Buffer },
  stated: readonly CheckpointRow[],
): string | undefined {
  if (row.seq !== previous.seq + 1) return `events ${previous.seq + 1} to ${row.seq - 1} before it are missing`
  if (!chainHash(previous.hash, row).equals(row.hash)) return 'does not match its hash, it was changed or moved'
  const contradiction = stated.find(({ hash }) => !hash.equals(row.hash))
  if (contradiction) return `is not what was signed on ${contradiction.at}: the log was written anew`
  const migrated = stated.find(({ kind }) => kind === 'migration')
  if (migrated && JSON.parse(migrated.note).whole === false)
    return 'the log was not whole when a newer version took it over'
  return undefined
}

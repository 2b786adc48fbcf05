/**
 * Version 2 of the tables: names leave the chained rows, and templates get the shape in which they are sealed.
 *
 * Rows that change must be chained anew. A checkpoint keeps what the chain was before: its last hash, and whether it was
 * whole, so that the migration heals nothing that was broken.
 */

import { randomUUID } from 'node:crypto'
import { nameKey } from '../domain/names.js'
import type { Statements } from './store-connection.js'
import { type KnownName, tokenizeDetail } from './store-names.js'
import { chainHash, chainStart, type EventRow, plainTemplate } from './store-schema.js'

/** Rows read at a time. */
const page = 1000

export async function migrateNames(sql: Statements): Promise<void> {
  await sql.run(`INSERT INTO moniker SELECT lower(hex(randomblob(16))), id, name, name_key FROM person`)
  await copyTemplates(sql)
  const names = await knownNames(sql)
  const all = [...names.values()]
  let before: Buffer = chainStart
  let after: Buffer = chainStart
  let seq = 0
  let whole = true
  for (;;) {
    const rows = await sql.all<EventRow & { hash: Buffer }>('SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT ?', [
      seq,
      page,
    ])
    if (rows.length === 0) break
    for (const row of rows) {
      // Each row is asked only whether it continues the one before it: a break is noted and does not spread.
      whole &&= row.seq === seq + 1 && chainHash(before, row).equals(row.hash)
      const person = row.person === null ? null : names.get(nameKey(row.person))!.ref
      const changed = { ...row, person, detail: row.detail === null ? null : tokenizeDetail(row.detail, all) }
      after = chainHash(after, changed)
      before = row.hash
      seq = row.seq
      await sql.run('UPDATE event SET person = ?, detail = ?, hash = ? WHERE seq = ?', [
        ...[changed.person, changed.detail],
        ...[after, seq],
      ])
    }
  }
  if (seq === 0) return
  const note = JSON.stringify({ reason: 'names left the rows', before: before.toString('hex'), whole })
  await sql.run(`INSERT INTO checkpoint (kind, seq, hash, at, note) VALUES ('migration', ?, ?, ?, ?)`, [
    ...[seq, after, new Date().toISOString(), note],
  ])
}

/** Names of people enrolled now, and of people in the log who are not any more: those get a `ref` that leads nowhere. */
async function knownNames(sql: Statements): Promise<Map<string, KnownName>> {
  const names = new Map<string, KnownName>()
  for (const { ref, name_key: key } of await sql.all<{ ref: string; name_key: string }>('SELECT * FROM moniker'))
    names.set(key, { ref, key })
  const told = await sql.all<{ name: string | null }>(
    `SELECT DISTINCT person AS name FROM event
     UNION SELECT DISTINCT json_extract(detail, '$.to') FROM event WHERE type = 'renamed' AND json_valid(detail)`,
  )
  for (const { name } of told) {
    if (name === null) continue
    const key = nameKey(String(name))
    if (!names.has(key)) names.set(key, { ref: randomUUID(), key })
  }
  return names
}

async function copyTemplates(sql: Statements): Promise<void> {
  const rows = await sql.all<{ id: string; source: string; embedding: Buffer }>(
    'SELECT id, source, embedding FROM template ORDER BY rowid',
  )
  for (const { id, source, embedding } of rows)
    await sql.run(
      `INSERT INTO sealed_template SELECT id, person_id, embedder, dimensions, quality, created_at, NULL, ?
       FROM template WHERE id = ?`,
      [plainTemplate(source, embedding), id],
    )
}

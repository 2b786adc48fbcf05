/**
 * Names stay out of the audit log, so that a person can be forgotten and the chain still holds.
 *
 * A chained row says `ref` (see store-name-proofs.ts); the name stands in `moniker`, one row for each spelling that a person had, and is put back
 * when rows are shown. In the fields of `detail`, a name is replaced by a token wherever it stands as a word. A `ref`
 * without a name belongs to somebody forgotten, or to a name nobody has.
 */
import type { Detail, StoredEvent } from '../domain/events.js'
import { nameKey, oneSpelling, visitorNumber } from '../domain/names.js'
import type { Statements } from './store-connection.js'
import { fact, setFact } from './store-custody.js'
import { commitment, emptyRef, newSalt, refsOf, tokens } from './store-name-proofs.js'
import { asStored, canonical, type EventRow, fromRow } from './store-schema.js'

export interface KnownName {
  readonly ref: string
  /** See `nameKey`. */
  readonly key: string
}

const tokenOf = (ref: string) => `{name:${ref}}`
const forgotten = (ref: string) => `forgotten-${ref.slice(0, 8)}`

/**
 * The highest number that a visitor-N ever had. A number says nobody's name, so it stays when he is forgotten: the next
 * one must not be taken for him in what the home has kept.
 */
export async function lastVisitor(sql: Statements): Promise<number> {
  const noted = Number((await fact(sql, 'visitor')) ?? 0)
  // Names of before that was noted.
  const known = await sql.all<{ key: string }>(
    `SELECT name_key AS key FROM moniker WHERE name_key GLOB 'visitor-[0-9]*'`,
  )
  return Math.max(noted, ...known.map(({ key }) => visitorNumber(key)))
}

/** Notes a spelling of the person's name. */
export async function noteName(sql: Statements, person: string, name: string): Promise<void> {
  const number = visitorNumber(name)
  if (number > Number((await fact(sql, 'visitor')) ?? 0)) await setFact(sql, 'visitor', String(number))
  const salt = newSalt()
  await sql.run('INSERT OR IGNORE INTO moniker (ref, person_id, name, name_key, salt) VALUES (?, ?, ?, ?, ?)', [
    ...[commitment(salt, person, name), person, name, nameKey(name), salt],
  ])
}

/** The `ref` of a name. A name that nobody has gets a new one, which leads nowhere. */
export async function refer(sql: Statements, name: string): Promise<string> {
  const clean = oneSpelling(asStored(name))
  const found = await sql.get<{ ref: string }>(
    `SELECT ref FROM moniker JOIN person ON person.id = person_id WHERE moniker.name_key = ?1
     ORDER BY person.name_key = ?1 DESC, moniker.name = ?2 DESC, moniker.name = person.name DESC,
       salt IS NOT NULL DESC LIMIT 1`,
    [nameKey(clean), clean],
  )
  return found?.ref ?? emptyRef()
}

/** Canonical JSON of a detail, with tokens for the names that people have or had. */
export async function referDetail(sql: Statements, detail: Detail): Promise<string> {
  const text = asStored(canonical(detail))
  const words = Object.values(detail).filter((value) => typeof value === 'string')
  if (words.length === 0) return text
  const names = await sql.all<KnownName>(
    `SELECT ref, moniker.name_key AS key FROM moniker JOIN person ON person.id = person_id
     WHERE instr(?, moniker.name_key) > 0 ORDER BY person.name_key = moniker.name_key, salt IS NOT NULL`,
    [nameKey(words.join('\n'))],
  )
  return tokenizeDetail(text, names)
}

/** `json`: a detail as it is stored; text that is none was put there by somebody else, and loses its names as well. */
export function tokenizeDetail(json: string, names: readonly KnownName[]): string {
  if (names.length === 0) return json
  const refs = new Map(names.map(({ key, ref }) => [key, ref]))
  const longestFirst = [...refs.keys()].sort((a, b) => b.length - a.length)
  const words = longestFirst.map((key) => key.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join('|')})(?![\\p{L}\\p{N}])`, 'giu')
  const without = (text: string) =>
    text.normalize('NFC').replace(pattern, (name) => {
      const ref = refs.get(nameKey(name))
      return ref === undefined ? name : tokenOf(ref)
    })
  let detail: unknown
  try {
    detail = JSON.parse(json)
  } catch {
    return without(json)
  }
  if (typeof detail !== 'object' || detail === null) return without(json)
  const entries = Object.entries(detail as Detail)
  return canonical(
    Object.fromEntries(entries.map(([key, value]) => [key, typeof value === 'string' ? without(value) : value])),
  )
}

/** Rows with their names put back. */
export async function showNames(sql: Statements, rows: readonly EventRow[]): Promise<StoredEvent[]> {
  const refs = new Set(rows.flatMap(refsOf))
  const names = new Map<string, string>()
  if (refs.size > 0) {
    const known = await sql.all<{ ref: string; name: string }>(
      'SELECT ref, name FROM moniker WHERE ref IN (SELECT value FROM json_each(?))',
      [JSON.stringify([...refs])],
    )
    for (const { ref, name } of known) names.set(ref, name)
  }
  const nameOf = (ref: string) => names.get(ref) ?? forgotten(ref)
  return rows.map((row) =>
    fromRow({
      ...row,
      person: row.person === null ? null : nameOf(row.person),
      detail: row.detail?.replace(tokens, (_, ref: string) => JSON.stringify(nameOf(ref)).slice(1, -1)) ?? null,
    }),
  )
}

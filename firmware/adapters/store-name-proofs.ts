/**
 * Names in the audit log: outside the chain, so that they can be forgotten, and yet vouched for by it.
 *
 * The `ref` in a chained row is a commitment: the digest of a random salt, the person and the name. Salt and name stand
 * in `moniker` and go together when somebody is forgotten; what is left in the chain tells nobody's name, since nobody
 * can guess the salt. Whoever rewrites a name would have to find another name and salt of the same digest.
 */
import { createHash, randomBytes } from 'node:crypto'
import { nameKey } from '../domain/names.js'
import type { Statements } from './store-connection.js'
import type { EventRow } from './store-schema.js'

const saltLength = 16
/** A commitment in hexadecimal; refs of version 2 of the tables were shorter, and random. */
const commitmentLength = 64

export const newSalt = () => randomBytes(saltLength)

export const commitment = (salt: Buffer, person: string, name: string): string =>
  createHash('sha256').update('facelatch name\n').update(salt).update(`${person}\n${name}`, 'utf8').digest('hex')

/** For a name that nobody has: looks like a commitment, and no name will ever fit. */
export const emptyRef = () => randomBytes(commitmentLength / 2).toString('hex')

/** The refs that a row names people by, in `detail` as tokens. */
export const refsOf = ({ person, detail }: Pick<EventRow, 'person' | 'detail'>): string[] => [
  ...(person === null ? [] : [person]),
  ...[...(detail?.matchAll(tokens) ?? [])].map(([, ref]) => ref!),
]

export const tokens = /\{name:([0-9a-f-]{32,64})\}/g

interface Moniker {
  readonly ref: string
  readonly person_id: string
  readonly name: string
  readonly name_key: string
  readonly salt: Buffer | null
}

const holds = ({ ref, person_id, name, name_key, salt }: Moniker): boolean =>
  name_key === nameKey(name) &&
  (salt === null ? ref.length < commitmentLength : commitment(salt, person_id, name) === ref)

export interface NamesFound {
  /** `seq` of the first row that shows another name than it was written with. */
  readonly changed?: number
  /** Rows that show a name of before version 3, for which nothing vouches. */
  readonly unproven: number
}

export async function checkNames(sql: Statements, rows: readonly EventRow[]): Promise<NamesFound> {
  const refs = [...new Set(rows.flatMap(refsOf))]
  if (refs.length === 0) return { unproven: 0 }
  const known = await sql.all<Moniker>('SELECT * FROM moniker WHERE ref IN (SELECT value FROM json_each(?))', [
    JSON.stringify(refs),
  ])
  const changed = new Set(known.filter((one) => !holds(one)).map(({ ref }) => ref))
  const older = new Set(known.flatMap(({ ref, salt }) => (salt === null ? [ref] : [])))
  const first = rows.find((row) => refsOf(row).some((ref) => changed.has(ref)))
  return {
    unproven: rows.filter((row) => refsOf(row).some((ref) => older.has(ref))).length,
    ...(first && { changed: first.seq }),
  }
}

/** Names of people that were changed past `changeName`: no spelling of theirs is noted. */
export const foreignNames = async (sql: Statements): Promise<number> =>
  (await sql.get<{ count: number }>(
    `SELECT count(*) AS count FROM person WHERE NOT EXISTS
     (SELECT 1 FROM moniker WHERE person_id = person.id AND moniker.name = person.name)`,
  ))!.count

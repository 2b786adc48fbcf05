/** The gallery in parts, for who keeps it in memory: everybody once, then whoever has changed. */
import type { GalleryPart, GalleryPlace, PersonTemplates } from '../ports.js'
import type { Statements } from './store-connection.js'
import { openRow } from './store-custody.js'
import type { Keyring } from './store-key.js'
import { galleryRevision } from './store-people.js'
import { readTemplate } from './store-schema.js'

/** Templates in a part, but for somebody who has more alone: opening them holds the event loop for a few milliseconds. */
const templatesAPart = 200
const peopleAPart = 100

interface Whose {
  readonly id: string
  readonly revision: number
  readonly count: number
}

/**
 * Inside one turn, so that a part is of one moment. `shut`: templates in it that no known key opens.
 *
 * `+embedder` keeps SQLite from its index (https://www.sqlite.org/optoverview.html#unary): nearly all rows have that one,
 * and each part would look at all of them.
 */
export async function readPart(
  sql: Statements,
  keyring: Keyring,
  { embedder, store, after }: { embedder: string; store: string; after: GalleryPlace | undefined },
): Promise<GalleryPart & { readonly shut: number }> {
  const now = await galleryRevision(sql)
  const known = after?.store === store && after.revision <= now ? after : undefined
  if (known === undefined || known.told !== undefined) {
    const told = known?.told ?? ''
    // Whoever changes while the others are told of is told of as a change afterwards.
    const revision = known?.revision ?? now
    const { whose, more } = within(
      await sql.all<Whose>(
        `SELECT person_id AS id, 0 AS revision, count(*) AS count FROM template
         WHERE person_id > ? AND +embedder = ? GROUP BY person_id ORDER BY person_id LIMIT ?`,
        [told, embedder, peopleAPart],
      ),
    )
    const place = { store, revision, ...(more && { told: whose.at(-1)!.id }) }
    return { ...(await opened(sql, keyring, embedder, whose)), scope: told === '' ? 'first' : 'rest', more, place }
  }
  const { whose, more } = within(
    await sql.all<Whose>(
      `SELECT person_id AS id, revision,
         (SELECT count(*) FROM template WHERE template.person_id = gallery_change.person_id AND embedder = ?) AS count
       FROM gallery_change WHERE revision > ? ORDER BY revision LIMIT ?`,
      [embedder, known.revision, peopleAPart],
    ),
  )
  const place = { store, revision: more ? whose.at(-1)!.revision : now }
  return { ...(await opened(sql, keyring, embedder, whose)), scope: 'changes', more, place }
}

/** As many of them as make a part, and whether there may be others. */
function within(found: readonly Whose[]): { whose: readonly Whose[]; more: boolean } {
  let templates = 0
  const end = found.findIndex(({ count }, i) => {
    templates += count
    return i > 0 && templates > templatesAPart
  })
  const whose = end < 0 ? found : found.slice(0, end)
  return { whose, more: end >= 0 || found.length === peopleAPart }
}

async function opened(sql: Statements, keyring: Keyring, embedder: string, whose: readonly Whose[]) {
  const rows = await sql.all<{
    id: string
    person_id: string
    name: string
    embedder: string
    key_id: string | null
    sealed: Buffer
  }>(
    `SELECT template.id, person_id, name, embedder, key_id, sealed FROM template JOIN person ON person.id = person_id
     WHERE +embedder = ? AND person_id IN (SELECT value FROM json_each(?)) ORDER BY template.rowid`,
    [embedder, JSON.stringify(whose.map(({ id }) => id))],
  )
  const found = new Map<string, { person: string; embeddings: Float32Array[] }>()
  let shut = 0
  for (const row of rows) {
    const plain = openRow(row, keyring)
    if (plain === undefined) {
      shut += 1
      continue
    }
    const one = found.get(row.person_id) ?? { person: row.name, embeddings: [] }
    one.embeddings.push(readTemplate(plain).embedding)
    found.set(row.person_id, one)
  }
  const people = whose.map(({ id }): PersonTemplates => ({ id, ...(found.get(id) ?? { embeddings: [] }) }))
  return { people, shut }
}

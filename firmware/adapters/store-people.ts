/** People and their templates. Each function runs inside a turn of the connection; those that change, in a transaction. */
import { randomUUID } from 'node:crypto'
import { nameKey, nameLook } from '../domain/names.js'
import { type NewTemplate, type Person, StoreError, type Template } from '../ports.js'
import type { Statements } from './store-connection.js'
import { openRow, sealingKey } from './store-custody.js'
import type { Keyring } from './store-key.js'
import { noteName } from './store-names.js'
import { cleanName, plainTemplate, readTemplate, toBlob } from './store-schema.js'
import { sealTemplate } from './store-vault.js'

/** Templates opened at a time: each piece holds the event loop for a few milliseconds. */
const page = 200

export const findPerson = (sql: Statements, name: string) =>
  sql.get<{ id: string; name: string }>('SELECT id, name FROM person WHERE name_key = ?', [nameKey(name)])

export const galleryRevision = async (sql: Statements): Promise<number> =>
  (await sql.get<{ revision: number }>('SELECT revision FROM gallery'))?.revision ?? 0

/** The name as it is kept. @throws StoreError `invalid`. */
export function checkName(name: string): string {
  const clean = cleanName(name)
  if (clean !== undefined) return clean
  throw new StoreError('invalid', `${JSON.stringify(name)} is no name: give 1 to 200 characters in one line`)
}

/** Those whom `id` names, or everybody. Templates that cannot be opened are not counted: who has none enrols again. */
export async function listPeople(sql: Statements, keyring: Keyring, id?: string): Promise<Person[]> {
  const rows = await sql.all<{ id: string; name: string; created_at: string; embedder: string | null; count: number }>(
    `SELECT person.id, name, person.created_at, embedder, count(template.id) AS count
     FROM person LEFT JOIN template
       ON person_id = person.id AND (key_id IS NULL OR key_id IN (SELECT value FROM json_each(?2)))
     WHERE ?1 IS NULL OR person.id = ?1 GROUP BY person.id, embedder ORDER BY name_key, embedder`,
    [id ?? null, JSON.stringify(keyring.keys.map((key) => key.id))],
  )
  const byId = new Map<string, { id: string; name: string; createdAt: string; templates: Record<string, number> }>()
  for (const row of rows) {
    const person = byId.get(row.id) ?? { id: row.id, name: row.name, createdAt: row.created_at, templates: {} }
    if (row.embedder !== null) person.templates[row.embedder] = row.count
    byId.set(row.id, person)
  }
  return [...byId.values()]
}

/** Answers the person's id, a new one where nobody has the name. */
export async function savePerson(
  sql: Statements,
  keyring: Keyring,
  name: string,
  templates: readonly NewTemplate[],
  at: string,
): Promise<string> {
  const clean = checkName(name)
  let id = (await findPerson(sql, clean))?.id
  if (id === undefined) {
    await refuseLookAlike(sql, clean)
    id = randomUUID()
    await sql.run('INSERT INTO person VALUES (?, ?, ?, ?)', [id, clean, nameKey(clean), at])
    await noteName(sql, id, clean)
  }
  for (const template of templates) await insertTemplate(sql, keyring, id, template, at)
  return id
}

/** Rejects with StoreError `taken`: whoever reads the event could not say which of the two it was. */
async function refuseLookAlike(sql: Statements, name: string, but?: string): Promise<void> {
  const look = nameLook(name)
  const others = await sql.all<{ id: string; name: string }>('SELECT id, name FROM person')
  const other = others.find((one) => one.id !== but && nameLook(one.name) === look)
  if (other)
    throw new StoreError('taken', `"${name}" looks like ${other.name}, who is enrolled already: choose another name`)
}

export async function insertTemplate(
  sql: Statements,
  keyring: Keyring,
  person: string,
  { embedder, embedding, quality, source }: NewTemplate,
  at: string,
): Promise<void> {
  const wrong = (what: string) => new StoreError('invalid', `template from ${source} ${what}: make it again`)
  if (embedding.length === 0 || !embedding.every(Number.isFinite)) throw wrong('is not a vector of numbers')
  const others = 'SELECT dimensions FROM template WHERE embedder = ? LIMIT 1'
  const known = await sql.get<{ dimensions: number }>(others, [embedder])
  if (known && known.dimensions !== embedding.length) {
    throw wrong(`has ${embedding.length} dimensions, others of ${embedder} have ${known.dimensions}`)
  }
  const key = await sealingKey(sql, keyring)
  const place = { id: randomUUID(), person_id: person, embedder }
  await sql.run('INSERT INTO template VALUES (?, ?, ?, ?, ?, ?, ?, ?)', [
    ...[place.id, person, embedder, embedding.length, Number.isFinite(quality) ? quality : 0, at],
    ...[key.id, sealTemplate(key, place, plainTemplate(source, toBlob(embedding)))],
  ])
}

/** Also of the event log's spellings; the person goes on `forgotten`, until the backups have forgotten, too. */
export async function deletePerson(sql: Statements, id: string, at: string): Promise<void> {
  await sql.run('DELETE FROM person WHERE id = ?', [id])
  await sql.run('INSERT INTO forgotten VALUES (?, ?)', [id, at])
}

/** Rejects with StoreError `taken` when somebody else has the name. */
export async function changeName(sql: Statements, id: string, to: string): Promise<void> {
  const clean = checkName(to)
  const other = await findPerson(sql, clean)
  if (other && other.id !== id) {
    throw new StoreError('taken', `somebody is called ${other.name} already: choose another name`)
  }
  await refuseLookAlike(sql, clean, id)
  await sql.run('UPDATE person SET name = ?, name_key = ? WHERE id = ?', [clean, nameKey(clean), id])
  await noteName(sql, id, clean)
}

interface TemplateRow {
  readonly row: number
  readonly id: string
  readonly person_id: string
  readonly name: string
  readonly embedder: string
  readonly quality: number
  readonly key_id: string | null
  readonly sealed: Buffer
}

/** By name, whatever the order in which they were made. */
export function inGalleryOrder<T extends { readonly person: string }>(templates: readonly T[]): T[] {
  const keys = new Map(templates.map(({ person }) => [person, nameKey(person)]))
  return templates.toSorted((a, b) => (keys.get(a.person)! < keys.get(b.person)! ? -1 : a.person === b.person ? 0 : 1))
}

export interface OpenedTemplate extends NewTemplate, Template {
  readonly personId: string
}

/** Of one embedder, of one name, or all; by person, oldest first. `shut`: how many no known key opened. */
export async function openTemplates(
  sql: Statements,
  keyring: Keyring,
  of: { readonly embedder?: string; readonly name?: string },
): Promise<{ templates: OpenedTemplate[]; shut: number }> {
  const templates: OpenedTemplate[] = []
  let shut = 0
  const key = of.name === undefined ? null : nameKey(checkName(of.name))
  for (let last: TemplateRow | undefined; ; ) {
    const rows: TemplateRow[] = await sql.all<TemplateRow>(
      `SELECT template.rowid AS row, template.id, person_id, name, embedder, quality, key_id, sealed
       FROM template JOIN person ON person.id = person_id
       WHERE (?1 IS NULL OR embedder = ?1) AND (?2 IS NULL OR name_key = ?2) AND template.rowid > ?3
       ORDER BY template.rowid LIMIT ?4`,
      [of.embedder ?? null, key, last?.row ?? 0, page],
    )
    for (const row of rows) {
      const plain = openRow(row, keyring)
      if (plain) {
        const { embedder, quality, name: person, person_id: personId } = row
        templates.push({ person, personId, embedder, quality, ...readTemplate(plain) })
      } else shut += 1
    }
    last = rows.at(-1)
    if (rows.length < page) break
  }
  return { templates, shut }
}

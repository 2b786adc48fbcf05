/**
 * What outlives a damaged store: who was forgotten, for ever; and of the people in memory, whoever was not.
 *
 * `PATH.forgotten` has one person's random id a line. It is on the disk before a forgetting is acknowledged, so that
 * neither a backup nor the memory of a running facelatch brings anybody back, whatever becomes of the database then.
 */

import { closeSync, constants, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { NewEvent } from '../domain/events.js'
import { nameKey } from '../domain/names.js'
import { syncFolder } from '../durable-file.js'
import type { Log, NewTemplate, Person, Template } from '../ports.js'
import type { Statements } from './store-connection.js'
import type { Keyring } from './store-key.js'
import { noteName } from './store-names.js'
import { findPerson, insertTemplate } from './store-people.js'

/** Whose template it is, whatever that person is called by now. */
export interface OwnedTemplate extends Template {
  readonly personId: string
}

export interface Salvage {
  readonly people: readonly Person[]
  /** By embedder. */
  readonly galleries: ReadonlyMap<string, readonly OwnedTemplate[]>
}

export interface Salvaged {
  /** People whom the store did not know. */
  readonly kept: number
  readonly renamed: number
}

export const forgottenFile = (path: string) => `${path}.forgotten`

/** Makes the file where there is none: it shows from now on that there was a store. @throws what the file system says. */
export function beginForgotten(path: string): void {
  const name = forgottenFile(path)
  if (existsSync(name)) return
  closeSync(openSync(name, 'a', 0o600))
  syncFolder(name)
}

/** @throws what the file system says: the forgetting must not be acknowledged then. */
export function markForgotten(path: string, person: string): void {
  const name = forgottenFile(path)
  beginForgotten(path)
  const file = openSync(name, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600)
  try {
    // A line of its own even after one that a power cut left without its end.
    writeSync(file, `\n${person}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Of a removal that did not happen. Written over in its place, since the disk may be full. @throws what the file system says. */
export function unmarkForgotten(path: string, person: string): void {
  const name = forgottenFile(path)
  const file = openSync(name, 'r+')
  try {
    const at = readFileSync(file, 'latin1').lastIndexOf(`\n${person}\n`)
    if (at < 0) return
    writeSync(file, '-'.repeat(person.length), at + 1, 'latin1')
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Ids of everybody who was ever forgotten. @throws what the file system says. */
export function readForgotten(path: string): ReadonlySet<string> {
  const name = forgottenFile(path)
  if (!existsSync(name)) return new Set()
  return new Set(
    readFileSync(name, 'utf8')
      .split('\n')
      .filter((line) => line !== ''),
  )
}

/** Takes the forgotten out of a copy of the store; answers whether there were any. */
export const removeForgotten = async (sql: Statements, forgotten: ReadonlySet<string>): Promise<boolean> =>
  forgotten.size > 0 &&
  (await sql.run('DELETE FROM person WHERE id IN (SELECT value FROM json_each(?))', [JSON.stringify([...forgotten])])) >
    0

/**
 * Inside a transaction. Puts people back under the ids they had: whom the store does not know, and newer names of those
 * whom it knows. A name that somebody else has in the store stays that person's.
 */
export async function putBack(
  sql: Statements,
  { people, galleries }: Salvage,
  {
    keyring,
    log,
    record,
    at,
  }: { keyring: Keyring; log: Log; record: (event: NewEvent) => Promise<unknown>; at: string },
): Promise<Salvaged> {
  const rows = await sql.all<{ id: string; name: string }>('SELECT id, name FROM person')
  const known = new Map(rows.map(({ id, name }) => [id, name]))
  const others = people.filter(({ id, name }) => known.has(id) && known.get(id) !== name)
  for (const { id, name } of others)
    await record({ type: 'renamed', person: known.get(id)!, detail: { to: name, from: 'memory' } })
  // Out of each other's way first: names may have been exchanged.
  for (const { id } of others) await sql.run('UPDATE person SET name_key = id WHERE id = ?', [id])
  let [kept, renamed] = [0, 0]
  for (const { id, name } of others) {
    const free = (await findPerson(sql, name)) === undefined
    const chosen = free ? name : known.get(id)!
    await sql.run('UPDATE person SET name = ?, name_key = ? WHERE id = ?', [chosen, nameKey(chosen), id])
    if (!free) continue
    await noteName(sql, id, name)
    renamed += 1
  }
  for (const { id, name, createdAt } of people) {
    if (known.has(id)) continue
    if (await findPerson(sql, name)) {
      log.error(`${name} in memory was not put back: the backup has somebody else of that name`)
      continue
    }
    await sql.run('INSERT INTO person VALUES (?, ?, ?, ?)', [id, name, nameKey(name), createdAt])
    await noteName(sql, id, name)
    let templates = 0
    for (const [embedder, gallery] of galleries)
      for (const { embedding, personId } of gallery) {
        if (personId !== id) continue
        const template: NewTemplate = { embedder, embedding, quality: 0.5, source: 'memory' }
        await insertTemplate(sql, keyring, id, template, at)
        templates += 1
      }
    await record({ type: 'enrolled', person: name, detail: { templates, from: 'memory' } })
    kept += 1
  }
  return { kept, renamed }
}

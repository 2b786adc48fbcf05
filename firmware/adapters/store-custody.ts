/**
 * Which key the store is sealed with, and how rows come under it.
 *
 * `fact` names the key (`key_id`). Writers look it up inside their own transaction, so that a change of keys by another
 * process cannot leave rows under a key that is about to be thrown away.
 */
import { existsSync } from 'node:fs'
import { StoreError } from '../ports.js'
import type { Statements } from './store-connection.js'
import { createSecret, type Keyring } from './store-key.js'
import {
  isSigned,
  openTemplate,
  type Statement,
  sealTemplate,
  signStatement,
  type TemplatePlace,
  type VaultKey,
} from './store-vault.js'

export const fact = async (sql: Statements, name: string): Promise<string | undefined> =>
  (await sql.get<{ value: string }>('SELECT value FROM fact WHERE name = ?', [name]))?.value

export const setFact = (sql: Statements, name: string, value: string) =>
  sql.run('INSERT INTO fact VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2', [name, value])

export const dropFact = (sql: Statements, name: string) => sql.run('DELETE FROM fact WHERE name = ?', [name])

/** Why templates cannot be opened, in one line with its remedy; undefined when they can. */
export async function keyProblem(sql: Statements, keyring: Keyring): Promise<string | undefined> {
  const id = await fact(sql, 'key_id')
  if (id !== undefined && keyring.find(id)) return undefined
  if (keyring.problem !== undefined) return keyring.problem
  const { path } = keyring.source
  return id === undefined
    ? `key ${path}: is not in use yet: start facelatch`
    : `key ${path}: is not the key this store is sealed with: put the right one back, or see "Keys" in README.md`
}

/** The key for what is sealed now. Rejects with StoreError `key`. */
export async function sealingKey(sql: Statements, keyring: Keyring): Promise<VaultKey> {
  const id = await fact(sql, 'key_id')
  const key = id === undefined ? undefined : keyring.find(id)
  if (key) return key
  throw new StoreError('key', (await keyProblem(sql, keyring)) ?? 'the store has no key')
}

/** Whether `settleKey` has something to do. */
export async function isUnsettled(sql: Statements): Promise<boolean> {
  const row = await sql.get<{ open: number }>(
    `SELECT NOT EXISTS (SELECT 1 FROM fact WHERE name = 'key_id')
         OR EXISTS (SELECT 1 FROM template WHERE key_id IS NULL)
         OR EXISTS (SELECT 1 FROM checkpoint WHERE mac IS NULL) AS open`,
  )
  return row?.open === 1
}

/**
 * Inside a transaction. Gives a new store its key, making one where there is none and `create` allows it; seals what an
 * older version left in the clear, and signs its checkpoints. Without a key it leaves everything as it is.
 */
export async function settleKey(sql: Statements, keyring: Keyring, create: boolean): Promise<void> {
  let id = await fact(sql, 'key_id')
  if (id === undefined) {
    const { path, credential } = keyring.source
    if (create && !credential && !existsSync(path)) createSecret(keyring.source)
    id = keyring.keys[0]?.id
    if (id === undefined) return
    await setFact(sql, 'key_id', id)
  }
  const key = keyring.find(id)
  if (key) await reseal(sql, keyring, key)
}

type SealedRow = TemplatePlace & { readonly key_id: string | null; readonly sealed: Buffer }

/** A template's content, or undefined when no key that is known opens it. */
export function openRow(row: SealedRow, keyring: Pick<Keyring, 'find'>): Buffer | undefined {
  if (row.key_id === null) return row.sealed
  const key = keyring.find(row.key_id)
  return key && openTemplate(key, row, row.sealed)
}

/**
 * Inside a transaction. Brings every template and checkpoint under one key. What no known key opens, and a checkpoint
 * whose signature does not hold, stay as they are: a change of keys heals nothing. Answers how many could not be opened.
 */
export async function reseal(sql: Statements, keyring: Pick<Keyring, 'find'>, key: VaultKey): Promise<number> {
  let shut = 0
  const templates = await sql.all<SealedRow>(
    'SELECT id, person_id, embedder, key_id, sealed FROM template WHERE key_id IS NOT ?',
    [key.id],
  )
  for (const row of templates) {
    const plain = openRow(row, keyring)
    if (plain) {
      const sealed = sealTemplate(key, row, plain)
      await sql.run('UPDATE template SET key_id = ?, sealed = ? WHERE id = ?', [key.id, sealed, row.id])
    } else shut += 1
  }
  const checkpoints = await sql.all<Statement & { id: number; key_id: string | null; mac: Buffer | null }>(
    'SELECT * FROM checkpoint WHERE key_id IS NOT ?',
    [key.id],
  )
  for (const row of checkpoints) {
    const signer = row.key_id === null ? undefined : keyring.find(row.key_id)
    // A gap that nobody signed stays unsigned, and counts for nothing.
    const unsigned = row.mac === null && row.kind !== 'replacement'
    const holds = row.key_id === null ? unsigned : signer && row.mac && isSigned(signer, row, row.mac)
    if (holds)
      await sql.run('UPDATE checkpoint SET key_id = ?, mac = ? WHERE id = ?', [key.id, signStatement(key, row), row.id])
  }
  return shut
}

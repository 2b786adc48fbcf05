/** Databases of the store's tests, seen through the store, by other processes, and behind its back. */
import { execFile } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type OpenStore, openStore, type StoreOptions } from '../../firmware/adapters/store-sqlite.js'
import type { NewTemplate } from '../../firmware/ports.js'
import { firmware, script, silentLog } from './child.js'
import { memoryLog, type Owner, temporaryDirectory } from './temp.js'

/** Address of the adapter, for the code of a script. */
export const adapter = firmware('adapters/store-sqlite.js')

export const databasePath = (t: Owner) => join(temporaryDirectory(t), 'data', 'facelatch.db')

export async function open(t: Owner, path = databasePath(t), more: Partial<StoreOptions> = {}): Promise<OpenStore> {
  const store = await openStore({ path, log: memoryLog(), ...more })
  t.teardown(() => store.close())
  return store
}

export function template(embedder: string, ...values: number[]): NewTemplate {
  return { embedder, embedding: Float32Array.from(values), quality: 0.9, source: 'test.jpg' }
}

/** Command line of another process on the same file; its code has `store`. */
export function otherProcess(path: string, code: string): [string, ...string[]] {
  return script(`
    const { openStore } = await import(${adapter})
    const store = await openStore({ path: ${JSON.stringify(path)}, log: ${silentLog} })
    ${code}`)
}

/** Answers what it prints. */
export async function output([command, ...args]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command!, args)).stdout
}

export const inOtherProcess = (path: string, code: string) => output(otherProcess(path, `${code}\nawait store.close()`))

/** For the code of a script: `db`, opened behind the store's back, as an intruder would. */
export function rawDatabase(path: string): string {
  return `
    const { createRequire } = await import('node:module')
    const sqlite3 = createRequire(${adapter})('sqlite3')
    const db = new sqlite3.Database(${JSON.stringify(path)})`
}

export async function tamper(path: string, sql: string): Promise<void> {
  const change = `db.exec(${JSON.stringify(sql)}, (error) => { if (error) throw error; db.close() })`
  await output(script(`${rawDatabase(path)}\n${change}`))
}

/** Damages a file. */
export function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, offset)
  closeSync(file)
}

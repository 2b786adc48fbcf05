/**
 * Copies of the store: made while it is in use, checked after they were written, and changed when somebody is forgotten.
 *
 * INVARIANTS
 * - A file with a backup's name was written out, synced and read through before it got that name.
 * - Names sort by the last event held, not by the clock, which may have been wrong.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { copyFile, open as openFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { syncFolder } from '../durable-file.js'
import { StoreError } from '../ports.js'
import { checkOwner, type DatabaseFile, openDatabaseFile, type StatementHook, transaction } from './store-connection.js'
import { corrupt, expectMounted, inWords, withoutRemedy } from './store-errors.js'
import { readForgotten, removeForgotten } from './store-salvage.js'

export interface BackupFile {
  readonly path: string
  /** Of the last event in it. */
  readonly seq: number
  /** Wall clock when it was made, ISO 8601. */
  readonly at: string
  readonly bytes: number
}

export interface BackupOptions {
  /** The store. */
  readonly path: string
  readonly folder: string
  readonly busyTimeout: number
  readonly onStatement?: StatementHook | undefined
}

const draftSuffix = '.tmp'
const damagedSuffix = '.damaged'
const pattern = /^facelatch-(\d{12})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.db$/

/** `2026-11-22T03:17:00.000Z` as it stands in names of files. */
export const stamp = (at: Date) => `${at.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`

/** Newest first; none where there is no such folder. */
export function listBackups(folder: string): BackupFile[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .reverse()
    .flatMap((name) => {
      const parts = pattern.exec(name)
      if (!parts) return []
      const [, seq, year, month, day, hour, minute, second] = parts
      const path = join(folder, name)
      const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
      return [{ path, seq: Number(seq), at: `${year}-${month}-${day}T${hour}:${minute}:${second}Z`, bytes }]
    })
}

/**
 * Copies the store into a new file and reads that through. The store can be read and written meanwhile; nothing of this
 * runs on the event loop but the waiting. Rejects with StoreError.
 */
export async function makeBackup(options: BackupOptions, at: Date): Promise<BackupFile> {
  const { path, folder, busyTimeout, onStatement } = options
  const draft = join(folder, `facelatch-${process.pid}${draftSuffix}`)
  expectMounted(folder, 'backups')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    removeDrafts(folder)
    // For its owner only from its first byte; SQLite writes into a file that is there and empty.
    closeSync(openSync(draft, 'wx', 0o600))
    const source = await openDatabaseFile(path, busyTimeout, onStatement)
    try {
      await source.sql.run('VACUUM INTO ?', [draft])
    } finally {
      await source.close()
    }
    const seq = await checkDatabase(draft, onStatement).catch((error: Error) => {
      // The copy's fault, not the store's: nothing may be set aside for it.
      throw new StoreError(
        'io',
        `backups ${folder}: a copy did not read back well (${withoutRemedy(error.message)}): check the disk`,
      )
    })
    const backup = join(folder, `facelatch-${String(seq).padStart(12, '0')}-${stamp(at)}.db`)
    await publish(draft, backup)
    return { path: backup, seq, at: at.toISOString(), bytes: statSync(backup).size }
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (existsSync(draft)) rmSync(draft, { force: true })
    const failure = inWords(error, folder)
    if (syscall === undefined || !(failure instanceof StoreError) || failure.code === 'full') throw failure
    const remedy = 'let this user write that folder, or correct store.backups'
    throw new StoreError(failure.code, `backups ${folder}: cannot be written (${code}): ${remedy}`, { cause: error })
  }
}

/** Removes all but the newest; answers how many. */
export function pruneBackups(folder: string, keep: number): number {
  const old = listBackups(folder).slice(keep)
  for (const { path } of old) rmSync(path, { force: true })
  return old.length
}

/** What this process, or one that was killed, left behind: it has names and templates. */
export function removeDrafts(folder: string): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (draftOwner(name) !== undefined && !isDraftOfOther(name)) rmSync(join(folder, name), { force: true })
  }
}

/** With SQLite's own files beside it. */
const draftOwner = (name: string) => /^facelatch-(\d+)\.tmp/.exec(name)?.[1]

/** What a restoring that was cut off left beside the store. Where no other process restores. */
export function removeRestoring(path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(`${path}.restoring${suffix}`, { force: true })
}

/** Whether another process, which is running, writes to that file. */
export function isDraftOfOther(name: string): boolean {
  const owner = Number(draftOwner(name) ?? process.pid)
  return owner !== process.pid && isRunning(owner)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Durable, then under its name. */
async function publish(draft: string, path: string): Promise<void> {
  const file = await openFile(draft, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  renameSync(draft, path)
  syncFolder(path)
}

/** Reads a database through. Answers its last event's `seq`; rejects with StoreError when it cannot be used. */
export async function checkDatabase(path: string, onStatement?: StatementHook): Promise<number> {
  const file = await openDatabaseFile(path, 0, onStatement)
  try {
    if ((await checkOwner(file.sql, path)) === 0) throw new StoreError('corrupt', `store ${path}: is empty`)
    const [answer] = await file.sql.all<{ integrity_check: string }>('PRAGMA integrity_check(1)')
    if (answer?.integrity_check !== 'ok') {
      throw corrupt(path, answer?.integrity_check ?? 'no answer')
    }
    return (await file.sql.get<{ seq: number | null }>('SELECT max(seq) AS seq FROM event'))?.seq ?? 0
  } catch (error) {
    throw inWords(error, path)
  } finally {
    await file.close()
  }
}

/**
 * Changes every backup: each is copied, changed in its copy, read through and put in the place of the old one. One that
 * cannot be read is removed: nobody could restore it, and it may hold what must go. Answers how many were changed.
 */
export async function changeBackups(
  folder: string,
  change: (sql: DatabaseFile['sql']) => Promise<boolean>,
  onStatement?: StatementHook,
): Promise<number> {
  let changed = 0
  for (const { path } of listBackups(folder)) {
    const draft = join(folder, `facelatch-${process.pid}${draftSuffix}`)
    removeDrafts(folder)
    try {
      await copyFile(path, draft)
      if (await changeDatabase(draft, change, onStatement)) {
        await checkDatabase(draft, onStatement)
        await publish(draft, path)
        changed += 1
      }
    } catch (error) {
      const failure = inWords(error, path)
      if (!(failure instanceof StoreError && failure.code === 'corrupt')) throw failure
      rmSync(path, { force: true })
    } finally {
      removeDrafts(folder)
    }
  }
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (name.endsWith(damagedSuffix)) rmSync(join(folder, name), { force: true })
  return changed
}

async function changeDatabase(
  path: string,
  change: (sql: DatabaseFile['sql']) => Promise<boolean>,
  onStatement?: StatementHook,
): Promise<boolean> {
  const file = await openDatabaseFile(path, 0, onStatement)
  try {
    await file.sql.run('PRAGMA foreign_keys = ON')
    // A copy that is half changed is thrown away: nothing need be undone, nor kept in memory for it.
    await file.sql.get('PRAGMA journal_mode = OFF')
    const did = await transaction(file.sql, () => change(file.sql))
    if (did) await file.sql.exec('VACUUM')
    return did
  } finally {
    await file.close()
  }
}

export interface Restored {
  /** Where the damaged files lie now; undefined where there was none. */
  readonly aside: string | undefined
  /** What was put in their place; undefined when there was no good backup. */
  readonly backup: BackupFile | undefined
  /** Backups that could not be used, with the reason. */
  readonly refused: readonly string[]
}

/**
 * Sets the store's files aside and puts the newest good backup in their place. To be called while nobody has the store
 * open. Where no backup is good, there is no store afterwards: whoever opens it makes a new one, and has to say so;
 * with `must`, nothing is touched then.
 */
export async function restoreNewest(path: string, folder: string, at: Date, must = false): Promise<Restored> {
  const refused: string[] = []
  let backup: BackupFile | undefined
  const draft = `${path}.restoring`
  const forgotten = readForgotten(path)
  for (const candidate of listBackups(folder)) {
    try {
      rmSync(draft, { force: true })
      await copyFile(candidate.path, draft)
      await checkDatabase(draft)
      // A forgetting that was cut off before it had changed the backups.
      if (await changeDatabase(draft, (sql) => removeForgotten(sql, forgotten))) await checkDatabase(draft)
      backup = candidate
      break
    } catch (error) {
      const failure = inWords(error, candidate.path)
      if (!(failure instanceof StoreError) || !['corrupt', 'foreign', 'newer'].includes(failure.code)) throw failure
      refused.push(`${basename(candidate.path)}: ${withoutRemedy(failure.message).split(': ').at(-1)}`)
      renameSync(candidate.path, `${candidate.path}${damagedSuffix}`)
    }
  }
  if (!backup && must) return { aside: undefined, backup, refused }
  const aside = setAside(path, at)
  if (backup) await publish(draft, path)
  rmSync(draft, { force: true })
  return { aside, backup, refused }
}

/** `PATH.damaged-TIME`, and its companions. The journal first: an old journal must never meet a new database. */
function setAside(path: string, at: Date): string | undefined {
  if (!existsSync(path)) return undefined
  let aside = `${path}${damagedSuffix}-${stamp(at)}`
  for (let n = 2; existsSync(aside); n++) aside = `${path}${damagedSuffix}-${stamp(at)}-${n}`
  for (const suffix of ['-wal', '-shm', '-journal', '']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  }
  syncFolder(path)
  return aside
}

/** Paths of everything that was ever set aside for this store. */
export function listSetAside(path: string): string[] {
  const folder = dirname(path)
  const names = existsSync(folder) ? readdirSync(folder) : []
  return names.filter((name) => name.startsWith(`${basename(path)}${damagedSuffix}-`)).map((name) => join(folder, name))
}

/**
 * One connection to one SQLite file: opened safely, used by one at a time, its errors in words.
 *
 * INVARIANTS
 * - Statements can only be run inside a turn, and turns follow one another: sqlite3 would otherwise run the statements
 *   of two callers in between each other, inside each other's transactions.
 * - A writing turn begins IMMEDIATE: it waits for another process at its start, and never fails half-way for a lock.
 * - A damaged or foreign file is reported and left as it is.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database, RunResult } from 'sqlite3'
import { StoreError, type StoreErrorCode } from '../ports.js'
import { applicationId, migrations } from './store-schema.js'

export type Value = string | number | null | Buffer

export interface Statements {
  get<T>(sql: string, values?: readonly Value[]): Promise<T | undefined>
  all<T>(sql: string, values?: readonly Value[]): Promise<T[]>
  /** Answers the number of rows changed. */
  run(sql: string, values?: readonly Value[]): Promise<number>
}

export interface Connection {
  /** Rejects with StoreError, after the turns before it whatever became of them. */
  read<T>(work: (sql: Statements) => Promise<T>): Promise<T>
  /** A transaction: durable when it resolves, undone when `work` rejects. */
  write<T>(work: (sql: Statements) => Promise<T>): Promise<T>
  /** After the turns before it; later ones are refused. */
  close(): Promise<void>
}

/**
 * Makes file and directory when missing, and brings the tables up to date. `busyTimeout`: milliseconds to wait for
 * another process. Reads the whole file, to learn of damage before anything depends on it. Rejects with StoreError.
 */
export async function openConnection(path: string, busyTimeout: number): Promise<Connection> {
  const inode = prepareFile(path)
  const db = await connect(path, busyTimeout)
  const sql = statements(db)
  try {
    await prepare(db, sql, path, busyTimeout)
  } catch (error) {
    await call((done) => db.close(done)).catch(() => {})
    throw inWords(error, path)
  }

  let turns: Promise<unknown> = Promise.resolve()
  let closed = false
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    if (closed) return Promise.reject(new StoreError('closed', `store ${path}: used after it was closed`))
    const result = turns.then(work)
    turns = result.catch(() => {})
    return result.catch((error) => {
      throw inWords(error, path)
    })
  }
  return {
    read: (work) => inTurn(() => work(sql)),
    write: (work) =>
      inTurn(async () => {
        // SQLite goes on writing to a file that has lost its name, and nobody would ever read it.
        if (statSync(path, { throwIfNoEntry: false })?.ino !== inode) {
          throw new StoreError('missing', `store ${path}: was removed or replaced while in use: restart facelatch`)
        }
        return transaction(sql, () => work(sql))
      }),
    async close() {
      if (closed) return
      const last = inTurn(() => call((done) => db.close(done)))
      closed = true
      await last
    },
  }
}

/** Answers the inode. The file is there before SQLite opens it, since `-wal` and `-shm` take their mode from it. */
function prepareFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'a', 0o600))
    const { ino, mode } = statSync(path)
    if ((mode & 0o077) !== 0) chmodSync(path, 0o600)
    return ino
  } catch (error) {
    throw inWords(error, path)
  }
}

async function connect(path: string, busyTimeout: number): Promise<Database> {
  // Loaded here and not above: where its binding is broken, the commands that need no store still work.
  const { default: sqlite3 } = await import('sqlite3').catch((error: Error) => {
    const message = error.message.split('\n', 1)[0]
    throw new StoreError('driver', `sqlite3 does not load (${message}): run npm rebuild sqlite3`, { cause: error })
  })
  const db = await new Promise<Database>((resolve, reject) => {
    const opened = new sqlite3.Database(path, sqlite3.OPEN_READWRITE, (error) => {
      if (error) reject(inWords(error, path))
      else resolve(opened)
    })
  })
  db.configure('busyTimeout', busyTimeout)
  return db
}

async function prepare(db: Database, sql: Statements, path: string, busyTimeout: number): Promise<void> {
  await checkOwner(sql, path)
  // SQLite does not wait for the lock that the change to WAL takes: two processes may make the same new file.
  const deadline = performance.now() + busyTimeout
  for (;;) {
    try {
      await sql.get('PRAGMA journal_mode = WAL')
      break
    } catch (error) {
      if (codeOf(error) !== 'SQLITE_BUSY' || performance.now() > deadline) throw error
      await sleep(20)
    }
  }
  // In WAL mode only FULL syncs at each commit: https://www.sqlite.org/pragma.html#pragma_synchronous
  await sql.run('PRAGMA synchronous = FULL')
  await sql.run('PRAGMA foreign_keys = ON')
  const [check] = await sql.all<{ quick_check: string }>('PRAGMA quick_check(1)')
  if (check?.quick_check !== 'ok') throw corrupt(path, check?.quick_check ?? 'no answer')
  if ((await checkOwner(sql, path)) === migrations.length) return
  await transaction(sql, async () => {
    // Again: another process may have done it while this one waited.
    for (let version = await checkOwner(sql, path); version < migrations.length; version++) {
      await call((done) => db.exec(migrations[version]!, done))
      await sql.run(`PRAGMA user_version = ${version + 1}`)
    }
    await sql.run(`PRAGMA application_id = ${applicationId}`)
  })
}

/** Answers the version of the tables: 0 for a file that is still empty. */
async function checkOwner(sql: Statements, path: string): Promise<number> {
  const { owner, version, tables } = (await sql.get<{ owner: number; version: number; tables: number }>(
    `SELECT application_id AS owner, user_version AS version, (SELECT count(*) FROM sqlite_schema) AS tables
     FROM pragma_application_id, pragma_user_version`,
  ))!
  if (owner !== applicationId && (owner !== 0 || version !== 0 || tables !== 0)) {
    throw new StoreError('foreign', `store ${path}: is the database of another program: correct store.path`)
  }
  if (version > migrations.length) {
    const versions = `it has version ${version}, this program knows ${migrations.length}`
    throw new StoreError('newer', `store ${path}: was written by a newer facelatch (${versions}): update this one`)
  }
  return version
}

function statements(db: Database): Statements {
  return {
    get: <T>(sql: string, values: readonly Value[] = []) =>
      call<T | undefined>((done) => db.get<T>(sql, [...values], done)),
    all: <T>(sql: string, values: readonly Value[] = []) => call<T[]>((done) => db.all<T>(sql, [...values], done)),
    run: (sql, values = []) =>
      new Promise((resolve, reject) => {
        db.run(sql, [...values], function (this: RunResult, error: Error | null) {
          if (error) reject(error)
          else resolve(this.changes)
        })
      }),
  }
}

function call<T = void>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error)
      else resolve(value as T)
    })
  })
}

async function transaction<T>(sql: Statements, work: () => Promise<T>): Promise<T> {
  await sql.run('BEGIN IMMEDIATE')
  try {
    const result = await work()
    await sql.run('COMMIT')
    return result
  } catch (error) {
    // After a full disk SQLite may have rolled back by itself: https://www.sqlite.org/lang_transaction.html
    await sql.run('ROLLBACK').catch(() => {})
    throw error
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code)

function corrupt(path: string, reason: string): StoreError {
  const remedy = 'stop facelatch, keep this file aside and put back a backup, or begin anew without it'
  return new StoreError('corrupt', `store ${path}: is damaged (${reason}): ${remedy}`)
}

/** Codes of SQLite and of the file system; the rest is a fault of the program and stays as it is. */
function inWords(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error
  const because = (code: StoreErrorCode, text: string) =>
    new StoreError(code, `store ${path}: ${text}`, { cause: error })
  switch (codeOf(error)) {
    case 'SQLITE_NOTADB':
    case 'SQLITE_CORRUPT':
      return corrupt(path, error.message)
    case 'SQLITE_FULL':
    case 'ENOSPC':
    case 'EDQUOT':
      return because('full', 'the disk is full: make room on it')
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED':
      return because('locked', 'another program keeps it locked: end that program or try again')
    case 'SQLITE_CANTOPEN':
      if (!existsSync(path)) return because('missing', 'is gone: restart facelatch or correct store.path')
      return because(
        'readonly',
        'cannot be opened: let this user write the file, its -wal and -shm and their directory',
      )
    case 'SQLITE_READONLY':
    case 'SQLITE_PERM':
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return because('readonly', 'cannot be written: let this user write the file and its directory')
    case 'EISDIR':
    case 'ENOTDIR':
    case 'EEXIST':
      return because('missing', `is no file (${error.message}): correct store.path`)
    case 'ENOENT':
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return because('missing', `cannot be made there (${codeOf(error)}): correct store.path`)
    case 'SQLITE_IOERR':
    case 'EIO':
      return because('io', `the disk fails (${error.message}): look at the kernel log and replace it`)
    default:
      return codeOf(error).startsWith('SQLITE_') ? because('io', `${error.message}: report this`) : error
  }
}

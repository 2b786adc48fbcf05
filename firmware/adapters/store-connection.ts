/**
 * One connection to one SQLite file: opened safely, used by one at a time, its errors in words.
 *
 * INVARIANTS
 * - Statements can only be run inside a turn, and turns follow one another: sqlite3 would otherwise run the statements
 *   of two callers in between each other, inside each other's transactions.
 * - A writing turn begins IMMEDIATE: it waits for another process at its start, and never fails half-way for a lock.
 * - A damaged or foreign file is reported and left as it is.
 */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Database, RunResult } from 'sqlite3'
import { StoreError } from '../ports.js'
import { setFact } from './store-custody.js'
import { codeOf, corrupt, inWords } from './store-errors.js'
import { applicationId, migrations } from './store-migrations.js'

export type Value = string | number | null | Buffer

export interface Statements {
  get<T>(sql: string, values?: readonly Value[]): Promise<T | undefined>
  all<T>(sql: string, values?: readonly Value[]): Promise<T[]>
  /** Answers the number of rows changed. */
  run(sql: string, values?: readonly Value[]): Promise<number>
  /** Several statements without values. */
  exec(sql: string): Promise<void>
}

/** Called around every statement: how a test ends the process at each of them. */
export type StatementHook = (when: 'before' | 'after', sql: string) => void

export interface ConnectionOptions {
  readonly path: string
  /** Milliseconds to wait for another process. */
  readonly busyTimeout: number
  /** A larger file is not read through at opening, bytes: whoever opened it has it checked later. */
  readonly checkUpTo: number
  /** There was a store before: an empty file is a damaged one, and where none is, another is begun that is not new. */
  readonly expected: boolean
  readonly onStatement?: StatementHook
}

export interface Connection {
  /** Rejects with StoreError, after the turns before it whatever became of them. */
  read<T>(work: (sql: Statements) => Promise<T>): Promise<T>
  /** A transaction: durable when it resolves, undone when `work` rejects. */
  write<T>(work: (sql: Statements) => Promise<T>): Promise<T>
  /** After the turns before it; later ones are refused. */
  close(): Promise<void>
  /** False when the file was too large to be read through at opening. */
  readonly checked: boolean
}

/**
 * Makes file and directory when missing, and brings the tables up to date. Reads a file of moderate size through, to
 * learn of damage before anything depends on it. Rejects with StoreError.
 */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { path } = options
  const { inode, isFresh } = prepareFile(options)
  const checked = statSync(path).size <= options.checkUpTo
  const db = await connect(path, options.busyTimeout)
  const sql = statements(db, options.onStatement)
  try {
    await prepare(sql, options, { readThrough: checked, isFresh })
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
    checked,
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

export interface DatabaseFile {
  readonly sql: Statements
  close(): Promise<void>
}

/**
 * A file as it is: a second connection to the store, or a backup. Its caller is its only user and takes no turns.
 * Rejects with StoreError.
 */
export async function openDatabaseFile(
  path: string,
  busyTimeout: number,
  onStatement?: StatementHook,
): Promise<DatabaseFile> {
  const db = await connect(path, busyTimeout)
  return { sql: statements(db, onStatement), close: () => call((done) => db.close(done)) }
}

/**
 * A store whose file system takes no writes: read as it is, its journal included, and nothing is written anywhere. Where
 * another program writes to it all the same, what is read may be of two moments. Rejects with StoreError.
 *
 * SQLite keeps the journal's index in a file beside the store, which cannot be made or grown there. A connection that
 * is alone keeps it to itself (https://www.sqlite.org/wal.html#noshm), and to be alone it must not ask for locks, which
 * need a file open for writing. Without a journal the file must be called immutable, or SQLite insists on making one.
 */
export async function openReadOnly(path: string): Promise<DatabaseFile> {
  const journal = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const how = journal > 0 ? 'vfs=unix-none' : 'immutable=1'
  const db = await connect(path, 0, `${pathToFileURL(resolve(path)).href}?mode=ro&${how}`)
  const sql = statements(db)
  await sql.get('PRAGMA locking_mode = EXCLUSIVE')
  return { sql, close: () => call((done) => db.close(done)) }
}

/** The file is there before SQLite opens it, since `-wal` and `-shm` take their mode from it. */
function prepareFile({ path, expected }: ConnectionOptions): { inode: number; isFresh: boolean } {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const before = statSync(path, { throwIfNoEntry: false })
    // SQLite would throw away the journal beside it: https://www.sqlite.org/walformat.html
    if (expected && before?.size === 0) throw corrupt(path, 'it is empty')
    closeSync(openSync(path, 'a', 0o600))
    const { ino, mode } = statSync(path)
    if ((mode & 0o077) !== 0) chmodSync(path, 0o600)
    return { inode: ino, isFresh: before === undefined }
  } catch (error) {
    throw inWords(error, path)
  }
}

/** `uri`: how to open it for reading only; https://www.sqlite.org/uri.html */
async function connect(path: string, busyTimeout: number, uri?: string): Promise<Database> {
  // Loaded here and not above: where its binding is broken, the commands that need no store still work.
  const { default: sqlite3 } = await import('sqlite3').catch((error: Error) => {
    const message = error.message.split('\n', 1)[0]
    throw new StoreError('driver', `sqlite3 does not load (${message}): run npm rebuild sqlite3`, { cause: error })
  })
  const db = await new Promise<Database>((resolve, reject) => {
    const mode = uri === undefined ? sqlite3.OPEN_READWRITE : sqlite3.OPEN_READONLY | sqlite3.OPEN_URI
    const opened = new sqlite3.Database(uri ?? path, mode, (error) => {
      if (error) reject(inWords(error, path))
      else resolve(opened)
    })
  })
  db.configure('busyTimeout', busyTimeout)
  return db
}

async function prepare(
  sql: Statements,
  { path, busyTimeout, expected }: ConnectionOptions,
  { readThrough, isFresh }: { readThrough: boolean; isFresh: boolean },
): Promise<void> {
  if ((await checkOwner(sql, path)) === 0 && expected && !isFresh) throw corrupt(path, 'it has no tables')
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
  // KiB; by default a log that grows fills four times as much with pages that the kernel keeps for us anyway.
  await sql.run('PRAGMA cache_size = -512')
  await sql.run('PRAGMA foreign_keys = ON')
  // What was deleted is overwritten: https://www.sqlite.org/pragma.html#pragma_secure_delete
  await sql.get('PRAGMA secure_delete = ON')
  if (readThrough) {
    const [check] = await sql.all<{ quick_check: string }>('PRAGMA quick_check(1)')
    if (check?.quick_check !== 'ok') throw corrupt(path, check?.quick_check ?? 'no answer')
  }
  if ((await checkOwner(sql, path)) === migrations.length) return
  await transaction(sql, async () => {
    // Again: another process may have done it while this one waited.
    for (let version = await checkOwner(sql, path); version < migrations.length; version++) {
      await migrations[version]!(sql)
      await sql.run(`PRAGMA user_version = ${version + 1}`)
    }
    await sql.run(`PRAGMA application_id = ${applicationId}`)
    // With the tables or not at all: a power cut must not leave a store that looks new.
    if (expected && isFresh) await setFact(sql, 'old', 'begun anew')
  })
}

/** Answers the version of the tables: 0 for a file that is still empty. Rejects with StoreError `foreign`, `newer`. */
export async function checkOwner(sql: Statements, path: string): Promise<number> {
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

function statements(db: Database, onStatement: StatementHook = () => {}): Statements {
  const hooked = async <T>(sql: string, start: () => Promise<T>): Promise<T> => {
    onStatement('before', sql)
    const result = await start()
    onStatement('after', sql)
    return result
  }
  return {
    get: <T>(sql: string, values: readonly Value[] = []) =>
      hooked(sql, () => call<T | undefined>((done) => db.get<T>(sql, [...values], done))),
    all: <T>(sql: string, values: readonly Value[] = []) =>
      hooked(sql, () => call<T[]>((done) => db.all<T>(sql, [...values], done))),
    exec: (sql) => hooked(sql, () => call((done) => db.exec(sql, done))),
    run: (sql, values = []) =>
      hooked(
        sql,
        () =>
          new Promise((resolve, reject) => {
            db.run(sql, [...values], function (this: RunResult, error: Error | null) {
              if (error) reject(error)
              else resolve(this.changes)
            })
          }),
      ),
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

/** Undone when `work` rejects. */
export async function transaction<T>(sql: Statements, work: () => Promise<T>): Promise<T> {
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

/** What nights and administrators ask of the store: backups, retention, forgetting to its end, changes of keys. */
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type StoreCare, StoreError } from '../ports.js'
import * as backups from './store-backup.js'
import { removeOldEvents, sealChain } from './store-checkpoints.js'
import { type Connection, openDatabaseFile, type StatementHook, type Statements } from './store-connection.js'
import { dropFact, fact, keyProblem, reseal, setFact } from './store-custody.js'
import { corrupt, inWords } from './store-errors.js'
import { type Keyring, newSecret, readSecrets, writeSecrets } from './store-key.js'
import { deriveKey, type VaultKey } from './store-vault.js'

export interface CareOptions {
  readonly connection: Connection
  readonly keyring: Keyring
  readonly path: string
  readonly folder: string
  readonly keepBackups: number
  readonly busyTimeout: number
  readonly wall: () => Date
  readonly onStatement?: StatementHook | undefined
}

/** Another process's backup that is under way gets this long, ms. */
const othersBackupMs = 600_000

/** Inside a transaction: the file, its journal and its backups still hold what was deleted, until `scrub` is done. */
export const markForScrub = (sql: Statements) => setFact(sql, 'scrub', randomUUID())

export function createCare(options: CareOptions): StoreCare {
  const { connection, keyring, path, folder, wall, busyTimeout, onStatement } = options
  const { read, write } = connection
  // One at a time: a backup must not be made of what is just being forgotten.
  let last: Promise<unknown> = Promise.resolve()
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }

  const compact = () =>
    read(async (sql) => {
      await sql.exec('VACUUM')
      await truncateJournal(sql, path)
    })

  const scrub = async (): Promise<boolean> => {
    const due = await read(async (sql) => {
      const mark = await fact(sql, 'scrub')
      const people = await sql.all<{ person_id: string }>('SELECT person_id FROM forgotten')
      return mark === undefined ? undefined : { mark, people: JSON.stringify(people.map((row) => row.person_id)) }
    })
    if (!due) return false
    // Nobody could take a name out of a damaged file.
    for (const aside of backups.listSetAside(path)) rmSync(aside, { force: true })
    await compact()
    const those = 'IN (SELECT value FROM json_each(?))'
    await othersDone(folder)
    backups.removeDrafts(folder)
    backups.removeRestoring(path)
    await backups.changeBackups(
      folder,
      async (sql) => (await sql.run(`DELETE FROM person WHERE id ${those}`, [due.people])) > 0,
      onStatement,
    )
    await write(async (sql) => {
      await sql.run(`DELETE FROM forgotten WHERE person_id ${those}`, [due.people])
      await sql.run(`DELETE FROM fact WHERE name = 'scrub' AND value = ?`, [due.mark])
    })
    return true
  }

  /** Live store first, then backups: what a backup is sealed with must be known until all of them are done. */
  const resealAll = async (key: VaultKey) => {
    await write(async (sql) => {
      await reseal(sql, keyring, key)
      await setFact(sql, 'key_id', key.id)
      await markForScrub(sql)
    })
    await scrub()
    await backups.changeBackups(
      folder,
      async (sql) => {
        if ((await fact(sql, 'key_id')) === key.id) return false
        await reseal(sql, keyring, key)
        await setFact(sql, 'key_id', key.id)
        await dropFact(sql, 'scrub')
        return true
      },
      onStatement,
    )
  }

  return {
    keyProblem: () => read((sql) => keyProblem(sql, keyring)),
    backup: () =>
      alone(async () => {
        const made = await backups.makeBackup({ path, folder, busyTimeout, onStatement }, wall())
        backups.pruneBackups(folder, options.keepBackups)
        return made
      }),
    backups: async () => backups.listBackups(folder),
    removeEventsBefore: (time) =>
      alone(() => removeOldEvents(connection, keyring, time.toISOString(), () => wall().toISOString())),
    sealEvents: () => write((sql) => sealChain(sql, keyring, wall().toISOString())),
    checkFile: async () => {
      // A connection of its own: the door's rows need not wait for it.
      const file = await openDatabaseFile(path, busyTimeout)
      try {
        const [answer] = await file.sql.all<{ quick_check: string }>('PRAGMA quick_check(1)')
        if (answer?.quick_check !== 'ok') throw corrupt(path, answer?.quick_check ?? 'no answer')
      } catch (error) {
        throw inWords(error, path)
      } finally {
        await file.close()
      }
    },
    optimize: () =>
      read(async (sql) => {
        await sql.exec('PRAGMA optimize')
        await truncateJournal(sql, path)
      }),
    scrub: () => alone(scrub),
    rotateKey: () =>
      alone(async () => {
        const { source } = keyring
        const id = await read((sql) => fact(sql, 'key_id'))
        let secrets = readSecrets(source) ?? []
        const first = secrets[0]
        if (first === undefined || id === undefined || !keyring.find(id))
          throw new StoreError('key', (await read((sql) => keyProblem(sql, keyring))) ?? 'the store has no key')
        // More than one line: a change that was cut off, or one that an administrator prepared.
        if (secrets.length === 1) {
          secrets = [newSecret(), first]
          writeSecrets(source, secrets)
        }
        await resealAll(deriveKey(secrets[0]!))
        if (source.credential)
          return `take the second line out of the credential facelatch-key: nothing is sealed with it any more`
        writeSecrets(source, secrets.slice(0, 1))
        return undefined
      }),
    replaceKey: () =>
      alone(async () => {
        if ((await read((sql) => keyProblem(sql, keyring))) === undefined)
          throw new StoreError('key', `key ${keyring.source.path}: is there: use rotate-key to change it`)
        const secrets = [newSecret(), ...(readSecrets(keyring.source) ?? [])]
        writeSecrets(keyring.source, secrets)
        const key = deriveKey(secrets[0]!)
        await write(async (sql) => {
          await reseal(sql, keyring, key)
          await setFact(sql, 'key_id', key.id)
        })
      }),
    markOld: async () => {
      await write((sql) => setFact(sql, 'old', 'begun anew'))
    },
    jobs: () =>
      read(async (sql) => {
        const rows = await sql.all<{ name: string; ran_at: string; next_at: string; ok: number; said: string }>(
          'SELECT * FROM job ORDER BY name',
        )
        return rows.map(({ name, ran_at, next_at, ok, said }) => ({
          ...{ name, ranAt: ran_at, nextAt: next_at },
          ...{ ok: ok !== 0, said },
        }))
      }),
    noteJob: async ({ name, ranAt, nextAt, ok, said }) => {
      await write((sql) =>
        sql.run(
          'INSERT INTO job VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET ran_at = ?2, next_at = ?3, ok = ?4, said = ?5',
          [name, ranAt, nextAt, ok ? 1 : 0, said],
        ),
      )
    },
  }
}

/** Everything into the file, and the journal to no bytes. Rejects when another process still reads the old state. */
async function truncateJournal(sql: Statements, path: string): Promise<void> {
  const answer = await sql.get<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)')
  if (answer?.busy !== 0)
    throw new StoreError('locked', `store ${path}: another program is reading it: it is tidied when that is done`)
}

/** A backup that another process began before somebody was forgotten would bring that person back. */
async function othersDone(folder: string): Promise<void> {
  const deadline = performance.now() + othersBackupMs
  const others = () => existsSync(folder) && readdirSync(folder).some((name) => backups.isDraftOfOther(name))
  while (others()) {
    if (performance.now() > deadline)
      throw new StoreError(
        'locked',
        `backups ${folder}: another program is making one: they are tidied when it is done`,
      )
    await sleep(100)
  }
}

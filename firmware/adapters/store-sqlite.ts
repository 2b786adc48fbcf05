/** People, templates, the audit log and the outbox in one SQLite file: the Store port put together from its parts. */

import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { NewEvent, StoredEvent } from '../domain/events.js'
import { type Clock, type Log, type Store, type StoreCare, StoreError } from '../ports.js'
import { createCare, markForScrub } from './store-care.js'
import { continueAfter, verifyChain } from './store-checkpoints.js'
import { openConnection, type StatementHook, type Statements } from './store-connection.js'
import { fact, isUnsettled, keyProblem, settleKey } from './store-custody.js'
import { expectMounted } from './store-errors.js'
import * as log from './store-events.js'
import { readPart } from './store-gallery.js'
import { findKey, Keyring } from './store-key.js'
import { lastVisitor } from './store-names.js'
import * as people from './store-people.js'
import {
  beginForgotten,
  markForgotten,
  putBack,
  type Salvage,
  type Salvaged,
  unmarkForgotten,
} from './store-salvage.js'
import { hadStore } from './store-traces.js'

export interface StoreOptions {
  /** The database; made when missing, with its directory. SQLite keeps `-wal` and `-shm` beside it. */
  readonly path: string
  readonly clock?: Pick<Clock, 'wall'>
  readonly log: Log
  /**
   * Events that may wait to be sent. Beyond it the oldest telemetry is given up, in the outbox only; access events wait
   * as long as it takes. 0 where there is no broker.
   */
  readonly outboxLimit?: number
  /** Milliseconds to wait for another process that is writing. */
  readonly busyTimeout?: number
  /** File of the key; "" or none takes the systemd credential `facelatch-key`, else `PATH.key`. */
  readonly keyFile?: string
  /** Whether a new store may make itself a key where there is none; true unless given. */
  readonly createKey?: boolean
  /** Where backups lie; "" or none takes `backups` beside the store. */
  readonly backups?: string
  readonly keepBackups?: number
  /** A larger file is not read through at opening, bytes. */
  readonly checkUpTo?: number
  /** Whether there was a store before, where nothing beside it says so. */
  readonly expected?: boolean
  readonly onStatement?: StatementHook
}

export type OpenStore = Store &
  StoreCare & {
    readonly checked: boolean
    /** Into a backup that took the store's place. */
    putBack(salvage: Salvage): Promise<Salvaged>
    /** Goes on above that number, which was given before; answers how many events are lost. */
    continueAfter(seq: number): Promise<number>
  }

/** What fits into half a second of a slow card. */
export const checkUpTo = 32 * 2 ** 20

export const backupFolder = ({ path, backups }: Pick<StoreOptions, 'path' | 'backups'>): string =>
  backups || join(dirname(path), 'backups')

/** Rejects with StoreError. Reads a file of moderate size through, to learn of damage before the door depends on it. */
export async function openStore(options: StoreOptions): Promise<OpenStore> {
  const { path, outboxLimit = 10_000, busyTimeout = 5000, keepBackups = 7, onStatement } = options
  expectMounted(path)
  const wall = () => options.clock?.wall() ?? new Date()
  const now = () => wall().toISOString()
  const keyring = new Keyring(findKey(path, options.keyFile))
  const folder = backupFolder(options)
  const connection = await openConnection({
    path,
    expected: options.expected ?? hadStore(path, folder),
    busyTimeout,
    checkUpTo: options.checkUpTo ?? checkUpTo,
    ...(onStatement && { onStatement }),
  })
  const { read, write, close, checked } = connection
  const care = createCare({
    ...{ connection, keyring, path, wall, busyTimeout, keepBackups, onStatement },
    folder,
  })
  try {
    beginForgotten(path)
  } catch (error) {
    options.log.warn(`the list of the forgotten could not be begun: ${(error as Error).message}`)
  }
  /** Rows of the outbox that another run of the program left are late, whatever they say; and places in the gallery void. */
  const session = randomUUID()
  let dropping = false
  let shutBefore = 0
  let shutInParts = 0

  try {
    if (await read(isUnsettled)) await write((sql) => settleKey(sql, keyring, options.createKey ?? true))
  } catch (error) {
    // The audit log needs no key, and the exit button needs neither.
    options.log.error(`templates cannot be sealed: ${(error as Error).message}`)
  }

  const insertEvent = async (
    sql: Statements,
    event: NewEvent,
    waiting: boolean,
    at?: Date,
    id: string = randomUUID(),
  ): Promise<StoredEvent> => {
    const stored = await log.insertEvent(sql, { event, id, waiting, session, at: at?.toISOString() ?? now() })
    const dropped = await log.limitOutbox(sql, outboxLimit)
    if (dropped > 0 && !dropping && outboxLimit > 0) {
      options.log.warn('more events wait for the broker than are kept for it: the oldest telemetry will not be sent', {
        outboxLimit,
      })
    }
    dropping = dropped > 0
    return stored
  }

  const tellShut = async (sql: Statements, shut: number) => {
    if (shut > 0 && shut !== shutBefore) {
      const why = (await keyProblem(sql, keyring)) ?? 'they were changed, or sealed with a key that is lost'
      options.log.error(`${shut} templates cannot be opened, their people are not recognised: ${why}`)
    }
    shutBefore = shut
  }

  const opened = async (sql: Statements, of: { embedder?: string; name?: string }) => {
    const { templates, shut } = await people.openTemplates(sql, keyring, of)
    await tellShut(sql, shut)
    return templates
  }

  /** The mark of a removal whose commit failed, where the file says that the person has stayed. */
  const takeBack = (person: string) =>
    write(async (sql) => {
      if (await sql.get('SELECT 1 FROM person WHERE id = ?', [person])) unmarkForgotten(path, person)
    }).catch((error: Error) => {
      options.log.error(`a removal that failed stays marked, a restore would drop that person: ${error.message}`)
    })

  return {
    ...care,
    checked,
    people: () => read((sql) => people.listPeople(sql, keyring)),
    enrol: (name, templates, events, revision) =>
      write(async (sql) => {
        if (revision !== undefined && revision !== (await people.galleryRevision(sql)))
          throw new StoreError('changed', 'people were changed meanwhile: look at them again')
        const id = await people.savePerson(sql, keyring, name, templates, now())
        for (const event of events) await insertEvent(sql, event, false)
        return (await people.listPeople(sql, keyring, id))[0]!
      }),
    removePerson: async (name, events) => {
      let marked: string | undefined
      const removed = await write(async (sql) => {
        const person = await people.findPerson(sql, people.checkName(name))
        if (!person) return false
        // Told while the name still leads to the person, so that the rows are about the same nobody as those before.
        for (const event of events) await insertEvent(sql, event, false)
        await people.deletePerson(sql, person.id, now())
        await markForScrub(sql)
        // Last, so that a refusal above leaves no mark of somebody who stays.
        marked = person.id
        markForgotten(path, person.id)
        return true
      }).catch(async (error) => {
        if (marked !== undefined) await takeBack(marked)
        throw error
      })
      if (!removed) return false
      await care.scrub().catch((error: Error) => {
        options.log.warn(`${error.message}; the name is taken out of the file and its backups tonight`)
      })
      return true
    },
    renamePerson: (name, to, events) =>
      write(async (sql) => {
        const person = await people.findPerson(sql, people.checkName(name))
        if (!person) return false
        await people.changeName(sql, person.id, to)
        for (const event of events) await insertEvent(sql, event, false)
        return true
      }),
    templates: (name) =>
      read(async (sql) => (await opened(sql, { name })).map(({ person: _, personId: __, ...template }) => template)),
    gallery: (embedder) =>
      read(async (sql) => {
        const templates = people.inGalleryOrder(await opened(sql, { embedder }))
        return templates.map(({ person, personId, embedding }) => ({ person, personId, embedding }))
      }),
    galleryPart: (embedder, after) =>
      read(async (sql) => {
        const { shut, ...part } = await readPart(sql, keyring, { embedder, store: session, after })
        shutInParts = part.scope === 'rest' ? shutInParts + shut : shut
        if (part.scope !== 'changes' ? !part.more : shut > 0) await tellShut(sql, shutInParts)
        return part
      }),
    putBack: (salvage) =>
      write((sql) =>
        putBack(sql, salvage, {
          ...{ keyring, log: options.log, at: now() },
          record: (event) => insertEvent(sql, event, false),
        }),
      ),
    continueAfter: (seq) => write((sql) => continueAfter(sql, keyring, seq, now())),
    isNew: () => read(async (sql) => (await fact(sql, 'old')) === undefined),
    lastVisitor: () => read(lastVisitor),
    galleryRevision: () => read(people.galleryRevision),

    append: (event, waiting, at, id) => write((sql) => insertEvent(sql, event, waiting, at, id)),
    events: (query) => read((sql) => log.listEvents(sql, query)),
    verifyEvents: () => verifyChain(connection, keyring),
    nextOutgoing: (after) => read((sql) => log.nextOutgoing(sql, session, after)),
    outgoingFailed: async (seq) => {
      await write((sql) => sql.run('UPDATE outbox SET attempts = attempts + 1 WHERE seq = ?', [seq]))
    },
    outgoingSent: async (seq) => {
      await write((sql) => sql.run('DELETE FROM outbox WHERE seq = ?', [seq]))
    },
    close,
  }
}

/** What facelatch asks of its memory: people, templates, the audit log, and their care. Part of ports.ts. */
import type { NewEvent, StoredEvent } from './domain/events.js'
import type { Template } from './ports.js'

export interface Person {
  readonly id: string
  readonly name: string
  readonly createdAt: string
  /** Templates per embedder. */
  readonly templates: Readonly<Record<string, number>>
}

export interface NewTemplate {
  readonly embedder: string
  readonly embedding: Float32Array
  readonly quality: number
  /** Where it came from, for people: a file's name or `camera`. */
  readonly source: string
}

/** Somebody's templates as they are now. */
export interface PersonTemplates {
  readonly id: string
  /** The name; absent where nobody is to be recognised by that id any more. */
  readonly person?: string
  readonly embeddings: readonly Float32Array[]
}

/** How far somebody has come who keeps a gallery. */
export interface GalleryPlace {
  /** Which opening of which store said so. */
  readonly store: string
  /** What he has is of this revision, but for whom he is still to be told of. */
  readonly revision: number
  /** While he is being told of everybody: the last one told of. */
  readonly told?: string
}

export interface GalleryPart {
  /** Each person as a whole. */
  readonly people: readonly PersonTemplates[]
  /** `first` and `rest`: of the whole gallery, in which nobody is who is in none of its parts. */
  readonly scope: 'first' | 'rest' | 'changes'
  /** There is more to be asked for at once. */
  readonly more: boolean
  readonly place: GalleryPlace
}

export interface Outgoing {
  readonly event: StoredEvent
  /** True when the event was not delivered at once: it waited for the broker, a restart, or an attempt failed. */
  readonly replayed: boolean
}

export interface EventQuery {
  /** Wall clock, ISO 8601; events at or after it. */
  readonly since?: string
  /** Events with a greater `seq`. */
  readonly after?: number
  readonly limit?: number
}

/**
 * `invalid`: what was asked for cannot be stored · `taken`: another person has that name, or one that looks the same · `changed`: people are not what the
 * caller has seen any more · `missing`, `readonly`,
 * `full`, `locked`, `io`: the machine · `corrupt`: the file is damaged and was left as it is · `foreign`: it belongs to
 * another program · `newer`: to a newer facelatch · `driver`: sqlite3 does not load · `closed`: used after `close` ·
 * `key`: the key that seals templates is lost, or not to be trusted.
 */
export type StoreErrorCode =
  | 'invalid'
  | 'taken'
  | 'changed'
  | 'missing'
  | 'readonly'
  | 'full'
  | 'locked'
  | 'io'
  | 'corrupt'
  | 'foreign'
  | 'newer'
  | 'driver'
  | 'closed'
  | 'key'

/** One line: what happened, to which file, what to do about it. */
export class StoreError extends Error {
  override readonly name = 'StoreError'

  constructor(
    readonly code: StoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** Everything resolves after the row is durable (WAL, synchronous FULL). Errors are StoreError. */
export interface Store {
  people(): Promise<Person[]>
  /**
   * Adds the person if the name is new, then the templates, and the audit events given, in one transaction. Names are
   * the same when they differ only in case, in surrounding blanks or in Unicode composition; the first spelling stays.
   * `revision`: the gallery's that the caller has judged by; StoreError `changed` when it is another one by now.
   */
  enrol(
    name: string,
    templates: readonly NewTemplate[],
    events: readonly NewEvent[],
    revision?: number,
  ): Promise<Person>
  /**
   * False when nobody has that name. Templates and every spelling of the name go from the store, its backups and damaged
   * files set aside; events stay, of somebody without a name.
   */
  removePerson(name: string, events: readonly NewEvent[]): Promise<boolean>
  /** False when nobody has that name; StoreError `taken` when another person has the new one. */
  renamePerson(name: string, to: string, events: readonly NewEvent[]): Promise<boolean>
  /** All templates of one person, of every embedder, oldest first; none when nobody has that name. */
  templates(name: string): Promise<NewTemplate[]>
  gallery(embedder: string): Promise<Template[]>
  /**
   * A few hundred templates of the gallery: of people who have changed since `after`, or the first of the whole where there
   * is none or the store does not know the place. Ask again with the place that it answers.
   */
  galleryPart(embedder: string, after?: GalleryPlace): Promise<GalleryPart>
  /** False when the store took the place of a damaged one and knows nobody of then: it is empty, and yet not new. */
  isNew(): Promise<boolean>
  /** The highest N that a `visitor-N` ever had, also one who is forgotten; 0 for none. */
  lastVisitor(): Promise<number>
  /** Changes whenever people or templates were changed, by any process. */
  galleryRevision(): Promise<number>

  /**
   * Appends to the audit log and to the outbox in one transaction. `waiting`: nobody could be told at once. `at`: when it
   * happened, if that was not now. `id`: the one under which it was told already.
   */
  append(event: NewEvent, waiting: boolean, at?: Date, id?: string): Promise<StoredEvent>
  events(query: EventQuery): Promise<StoredEvent[]>
  /**
   * Recomputes the hash chain over the whole log; answers the first row that is wrong, if any. `count`: rows in order.
   * `signed`: how far a signature covers it. `removed`: for their age, as signed for. `unchecked`: signatures that could not be looked at for want of a key.
   * `unproven`: rows of an older version whose names nothing vouches for.
   */
  verifyEvents(): Promise<{
    readonly count: number
    readonly fault?: string
    readonly removed?: number
    readonly unchecked?: number
    readonly signed?: { readonly seq: number; readonly at: string }
    readonly unproven?: number
  }>
  /** Oldest event that is still to be sent, of those with a greater `seq` than `after`. */
  nextOutgoing(after?: number): Promise<Outgoing | undefined>
  /** The attempt failed: it will be marked as replayed. */
  outgoingFailed(seq: number): Promise<void>
  outgoingSent(seq: number): Promise<void>
  close(): Promise<void>
}

export interface Backup {
  readonly path: string
  /** Of the last event in it. */
  readonly seq: number
  /** Wall clock when it was made, ISO 8601. */
  readonly at: string
  readonly bytes: number
}

/** How a nightly job went. Times are wall clock, ISO 8601. */
export interface JobRecord {
  readonly name: string
  readonly ranAt: string
  /** When it is due again. */
  readonly nextAt: string
  readonly ok: boolean
  /** What it did, or what went wrong: one line. */
  readonly said: string
}

/** What nights and administrators ask of the store. Errors are StoreError. */
export interface StoreCare {
  /** Why templates can be neither sealed nor opened, in one line with its remedy; undefined when they can. */
  keyProblem(): Promise<string | undefined>
  /** Copies the store, reads the copy through, and keeps the newest ones. */
  backup(): Promise<Backup>
  /** Newest first. */
  backups(): Promise<Backup[]>
  /** Removes events older than that from the audit log, signed for; answers how many. */
  removeEventsBefore(time: Date): Promise<number>
  /** Signs how far the audit log has come. */
  sealEvents(): Promise<void>
  /** Reads the file through, beside its use. Rejects with StoreError `corrupt`. */
  checkFile(): Promise<void>
  optimize(): Promise<void>
  /** Finishes what a forgetting or a change of keys began before it was cut off; false when there was nothing. */
  scrub(): Promise<boolean>
  /** Seals everything with a new key; goes on where an earlier change was cut off. Answers what is left to do, if anything. */
  rotateKey(): Promise<string | undefined>
  /** For a lost key: begins with a new one. Templates that no key opens stay shut. */
  replaceKey(): Promise<void>
  /** Notes that `isNew` is false from now on. */
  markOld(): Promise<void>
  jobs(): Promise<JobRecord[]>
  noteJob(record: JobRecord): Promise<void>
}

/** The damaged store was set aside. */
export interface StoreReplaced {
  /** Where the damaged file lies now; undefined when it was gone. */
  readonly aside: string | undefined
  /** What stands in its place; undefined when there was no good backup and the store begins anew. */
  readonly backup: Backup | undefined
  /** What was wrong. */
  readonly reason: string
  /** People put back from memory, whom the backup did not know. */
  readonly kept: number
  /** Events of this run, at least, that the backup does not hold. */
  readonly lost: number
}

/** When jobs are due. */
export interface Scheduler {
  /** Calls at each time that the cron expression names, local time; answers the way to ask for the next, and to end it. */
  schedule(expression: string, job: () => void): { next(): Date; stop(): void }
}

/** The tables of the store, how they came to be, and how a row reads. The SQL that uses them is in store-sqlite.ts. */
import { createHash } from 'node:crypto'
import type { Detail, EventType, NewEvent, StoredEvent } from '../domain/events.js'

/** `FLTC` in the header of the file: says whose database it is. https://www.sqlite.org/pragma.html#pragma_application_id */
export const applicationId = 0x464c5443

/**
 * Forward only: entry n brings `PRAGMA user_version` from n to n + 1. Once released, an entry never changes.
 *
 * The revision is counted by triggers, so that no writer, not even a person with the sqlite3 shell, can forget it.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE person (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
  ) STRICT;

  CREATE TABLE template (
    id TEXT PRIMARY KEY NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    embedder TEXT NOT NULL,
    dimensions INTEGER NOT NULL CHECK (length(embedding) = 4 * dimensions),
    embedding BLOB NOT NULL,
    quality REAL NOT NULL,
    source TEXT NOT NULL,
    created_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX template_person ON template (person_id, embedder);
  CREATE INDEX template_embedder ON template (embedder);

  CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    type TEXT NOT NULL,
    person TEXT,
    similarity REAL,
    track INTEGER,
    detail TEXT,
    hash BLOB NOT NULL
  ) STRICT;
  CREATE INDEX event_at ON event (at);

  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY REFERENCES event (seq) ON DELETE CASCADE,
    session TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE gallery (revision INTEGER NOT NULL) STRICT;
  INSERT INTO gallery VALUES (1);
  ${['person', 'template']
    .flatMap((table) => ['INSERT', 'UPDATE', 'DELETE'].map((change) => ({ table, change })))
    .map(
      ({ table, change }) => `CREATE TRIGGER ${table}_${change.toLowerCase()} AFTER ${change} ON ${table}
    BEGIN UPDATE gallery SET revision = revision + 1; END;`,
    )
    .join('\n  ')}
  `,
]

export interface EventRow {
  readonly seq: number
  readonly id: string
  readonly at: string
  readonly type: string
  readonly person: string | null
  readonly similarity: number | null
  readonly track: number | null
  /** Canonical JSON: keys sorted. */
  readonly detail: string | null
}

/** What the hash of the first event is chained to. */
export const chainStart = Buffer.alloc(32)

/** sha256(hash of the row before ‖ the row as a JSON array in the order of its columns). */
export function chainHash(previous: Buffer, row: EventRow): Buffer {
  const { seq, id, at, type, person, similarity, track, detail } = row
  const text = JSON.stringify([seq, id, at, type, person, similarity, track, detail])
  return createHash('sha256').update(previous).update(text, 'utf8').digest()
}

/** Numbers that are none become null: an odd similarity must not cost the audit row. */
export function toRow(event: NewEvent, place: { seq: number; id: string; at: string }): EventRow {
  return {
    ...place,
    type: event.type,
    person: event.person === undefined ? null : asStored(event.person),
    similarity: finite(event.similarity),
    track: Number.isSafeInteger(event.track) ? (event.track ?? null) : null,
    detail: event.detail === undefined ? null : asStored(canonical(event.detail)),
  }
}

export function fromRow(row: EventRow): StoredEvent {
  return {
    seq: row.seq,
    id: row.id,
    at: row.at,
    type: row.type as EventType,
    ...(row.person !== null && { person: row.person }),
    ...(row.similarity !== null && { similarity: row.similarity }),
    ...(row.track !== null && { track: row.track }),
    ...(row.detail !== null && { detail: parseDetail(row.detail) }),
  }
}

/** Control characters, marks that turn the direction of what follows on a screen, and names that show nothing. */
const unfit = /\p{Cc}|[\u202a-\u202e\u2066-\u2069]|^[\p{Cf}\p{Z}]*$/u

/** The name as it is kept, or undefined when it cannot be one. */
export function cleanName(name: string): string | undefined {
  const clean = asStored(name).normalize('NFC').trim().replace(/\s+/gu, ' ')
  return clean.length > 0 && clean.length <= 200 && !unfit.test(clean) ? clean : undefined
}

/** Names with the same key are the same name. Lower case by Unicode, which SQLite's NOCASE does not know. */
export function nameKey(clean: string): string {
  return clean.toLowerCase().normalize('NFC')
}

export function toBlob(embedding: Float32Array): Buffer {
  const blob = Buffer.alloc(embedding.length * 4)
  embedding.forEach((value, i) => {
    blob.writeFloatLE(value, i * 4)
  })
  return blob
}

export function fromBlob(blob: Buffer): Float32Array {
  return Float32Array.from({ length: blob.length / 4 }, (_, i) => blob.readFloatLE(i * 4))
}

/** UTF-8 has no lone surrogates: hashed as they came and stored as U+FFFD, they would look like an edit. */
function asStored(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null
}

function canonical(detail: Detail): string {
  return JSON.stringify(Object.fromEntries(Object.entries(detail).sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** A row that somebody edited must still be readable: `verifyEvents` is where it is found out. */
function parseDetail(text: string): Detail {
  try {
    return JSON.parse(text)
  } catch {
    return { unreadable: text }
  }
}

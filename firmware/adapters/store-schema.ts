/** How the rows of the store read: events and their chain, names, embeddings. The tables are in store-migrations.ts. */
import { createHash } from 'node:crypto'
import type { Detail, EventType, NewEvent, StoredEvent } from '../domain/events.js'
import { oneSpelling } from '../domain/names.js'

export interface EventRow {
  readonly seq: number
  readonly id: string
  readonly at: string
  readonly type: string
  /** A `ref` of `moniker`: the name itself is in no chained row, so that it can be forgotten. */
  readonly person: string | null
  readonly similarity: number | null
  readonly track: number | null
  /** Canonical JSON: keys sorted; names in it are tokens, see store-names.ts. */
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
export function toRow(event: NewEvent, place: Pick<EventRow, 'seq' | 'id' | 'at' | 'person' | 'detail'>): EventRow {
  return {
    ...place,
    type: event.type,
    similarity: finite(event.similarity),
    track: Number.isSafeInteger(event.track) ? (event.track ?? null) : null,
    detail: place.detail,
  }
}

/** `row` as it is shown: with names. */
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
  const clean = oneSpelling(asStored(name))
  return clean.length > 0 && clean.length <= 200 && !unfit.test(clean) ? clean : undefined
}

/** A template before it is sealed: length of `source`, `source`, then the embedding as 32-bit floats, little-endian. */
export function plainTemplate(source: string, embedding: Buffer): Buffer {
  const name = Buffer.from(source, 'utf8')
  const length = Buffer.alloc(4)
  length.writeUInt32LE(name.length)
  return Buffer.concat([length, name, embedding])
}

export function readTemplate(plain: Buffer): { source: string; embedding: Float32Array } {
  const end = 4 + plain.readUInt32LE(0)
  return { source: plain.toString('utf8', 4, end), embedding: fromBlob(plain.subarray(end)) }
}

export function toBlob(embedding: Float32Array): Buffer {
  const blob = Buffer.alloc(embedding.length * 4)
  embedding.forEach((value, i) => {
    blob.writeFloatLE(value, i * 4)
  })
  return blob
}

function fromBlob(blob: Buffer): Float32Array {
  const copy = new Uint8Array(blob)
  return new Float32Array(copy.buffer)
}

/** UTF-8 has no lone surrogates: hashed as they came and stored as U+FFFD, they would look like an edit. */
export function asStored(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null
}

export function canonical(detail: Detail): string {
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

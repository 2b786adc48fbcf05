/**
 * Who is known, read from a store that nothing can be written to: a full disk, or a file system that turned read-only
 * after a power cut. It is enough to guard the door with until the store can be opened.
 */
import { type Person, StoreError } from '../ports.js'
import { checkOwner, openReadOnly } from './store-connection.js'
import { inWords } from './store-errors.js'
import { lastIssued } from './store-events.js'
import { findKey, Keyring } from './store-key.js'
import { galleryRevision, inGalleryOrder, listPeople, openTemplates } from './store-people.js'
import type { OwnedTemplate } from './store-salvage.js'

export interface Glance {
  readonly people: Person[]
  readonly revision: number
  /** By embedder. */
  readonly galleries: Map<string, OwnedTemplate[]>
  /** The greatest number that an event was ever given. */
  readonly lastSeq: number
  /** Templates that no key opens. */
  readonly shut: number
}

/** The oldest version of the tables that says all of that in today's words. */
const readableFrom = 2

/** Rejects with StoreError, also where the tables are of an older version: they cannot be brought up to date now. */
export async function glance(path: string, keyFile?: string): Promise<Glance> {
  const keyring = new Keyring(findKey(path, keyFile))
  const file = await openReadOnly(path)
  try {
    if ((await checkOwner(file.sql, path)) < readableFrom)
      throw new StoreError('io', `store ${path}: has to be brought up to date before it can be read`)
    const { templates, shut } = await openTemplates(file.sql, keyring, {})
    const galleries = new Map<string, OwnedTemplate[]>()
    for (const { embedder, person, personId, embedding } of inGalleryOrder(templates))
      galleries.set(embedder, [...(galleries.get(embedder) ?? []), { person, personId, embedding }])
    return {
      ...{ people: await listPeople(file.sql, keyring), revision: await galleryRevision(file.sql) },
      ...{ galleries, lastSeq: await lastIssued(file.sql), shut },
    }
  } catch (error) {
    throw inWords(error, path)
  } finally {
    await file.close()
  }
}

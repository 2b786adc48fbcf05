/** What was last known of people, for when the store does not answer. Whoever was forgotten meanwhile is left out. */
import type { StoredEvent } from '../domain/events.js'
import type { Backup, GalleryPart, GalleryPlace, Outgoing, Person } from '../ports.js'
import type { Glance } from './store-glance.js'
import { type OwnedTemplate, readForgotten } from './store-salvage.js'

interface KnownGallery {
  /** By the id of the person. */
  readonly people: Map<string, readonly OwnedTemplate[]>
  /** False while it is being read, in parts. */
  complete: boolean
}

function known(templates: readonly OwnedTemplate[]): KnownGallery {
  const people = new Map<string, OwnedTemplate[]>()
  for (const template of templates) {
    const own = people.get(template.personId)
    if (own) own.push(template)
    else people.set(template.personId, [template])
  }
  return { people, complete: true }
}

export class LastKnown {
  readonly #path: string
  #people: readonly Person[] | undefined
  #revision: number | undefined
  /** Who is in none of the galleries has no templates: all of them were read. */
  #whole = false
  #galleries = new Map<string, KnownGallery>()
  #lastSeq = 0

  /** `path`: the store's. */
  constructor(path: string) {
    this.#path = path
  }

  /** The greatest number of an event that was given or seen. */
  get lastSeq(): number {
    return this.#lastSeq
  }

  get people(): Person[] | undefined {
    if (!this.#people) return undefined
    const forgotten = readForgotten(this.#path)
    return this.#people.filter(({ id }) => !forgotten.has(id))
  }

  get galleries(): ReadonlyMap<string, readonly OwnedTemplate[]> {
    return new Map([...this.#galleries].map(([embedder, { people }]) => [embedder, [...people.values()].flat()]))
  }

  learn({ people, revision, galleries, lastSeq }: Glance): void {
    this.#people = people
    this.#revision = revision
    this.#galleries = new Map([...galleries].map(([embedder, gallery]) => [embedder, known(gallery)]))
    this.#lastSeq = lastSeq
    this.#whole = true
  }

  /** From now on the store is asked. */
  isOpen(): void {
    this.#whole = false
  }

  remember(method: string, args: readonly unknown[], result: unknown): void {
    const seen =
      method === 'append'
        ? (result as StoredEvent).seq
        : method === 'events'
          ? (result as StoredEvent[]).at(-1)?.seq
          : method === 'nextOutgoing'
            ? (result as Outgoing | undefined)?.event.seq
            : method === 'backup'
              ? (result as Backup).seq
              : undefined
    this.#lastSeq = Math.max(this.#lastSeq, seen ?? 0)
    if (method === 'people') this.#people = result as Person[]
    if (method === 'galleryRevision') this.#revision = result as number
    if (method === 'gallery') this.#galleries.set(args[0] as string, known(result as OwnedTemplate[]))
    if (method === 'galleryPart') this.#take(args[0] as string, result as GalleryPart)
  }

  #take(embedder: string, { scope, people, more }: GalleryPart): void {
    const gallery = scope === 'first' ? known([]) : this.#galleries.get(embedder)
    if (!gallery) return
    if (scope !== 'changes') gallery.complete = !more
    for (const { id, person, embeddings } of people) {
      if (person === undefined) gallery.people.delete(id)
      else
        gallery.people.set(
          id,
          embeddings.map((embedding) => ({ person, personId: id, embedding })),
        )
    }
    this.#galleries.set(embedder, gallery)
  }

  /** The last answer to the same question. Answers a wrapper, since an answer may be nothing. */
  recall(method: string, args: readonly unknown[]): { readonly answer: unknown } | undefined {
    const answer = this.#answer(method, args[0] as string, args[1] as GalleryPlace | undefined)
    return answer === undefined ? undefined : { answer }
  }

  #answer(method: string, embedder: string, after: GalleryPlace | undefined): unknown {
    if (method === 'people') return this.people
    if (method === 'gallery') return this.#gallery(embedder)
    if (method === 'galleryPart') return this.#part(embedder, after)
    if (method !== 'galleryRevision' || this.#revision === undefined) return undefined
    // Another number once somebody is forgotten, so that the people in use are read again; none that the store counts.
    const gone = (this.#people?.length ?? 0) - (this.people?.length ?? 0)
    return this.#revision + 1 - 1 / (1 + gone)
  }

  #gallery(embedder: string): OwnedTemplate[] | undefined {
    const gallery = this.#galleries.get(embedder) ?? (this.#whole ? known([]) : undefined)
    if (!gallery?.complete) return undefined
    const forgotten = readForgotten(this.#path)
    return [...gallery.people].flatMap(([id, templates]) => (forgotten.has(id) ? [] : templates))
  }

  /** In one piece. Its place is of no store: who comes with it is told of everybody once a store answers again. */
  #part(embedder: string, after: GalleryPlace | undefined): GalleryPart | undefined {
    const gallery = this.#gallery(embedder)
    if (!gallery) return undefined
    const place = { store: 'memory', revision: -readForgotten(this.#path).size }
    if (after?.store === place.store && after.revision === place.revision)
      return { people: [], scope: 'changes', more: false, place }
    const people = [...known(gallery).people].map(([id, own]) => ({
      ...{ id, person: own[0]!.person },
      embeddings: own.map(({ embedding }) => embedding),
    }))
    return { people, scope: 'first', more: false, place }
  }
}

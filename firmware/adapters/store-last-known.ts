/** What was last known of people, for when the store does not answer. Whoever was forgotten meanwhile is left out. */
import type { StoredEvent } from '../domain/events.js'
import type { Backup, Outgoing, Person } from '../ports.js'
import type { Glance } from './store-glance.js'
import { type OwnedTemplate, readForgotten } from './store-salvage.js'

export class LastKnown {
  readonly #path: string
  #people: readonly Person[] | undefined
  #revision: number | undefined
  /** Who is in none of the galleries has no templates: all of them were read. */
  #whole = false
  #galleries = new Map<string, OwnedTemplate[]>()
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
    return this.#galleries
  }

  learn({ people, revision, galleries, lastSeq }: Glance): void {
    this.#people = people
    this.#revision = revision
    this.#galleries = galleries
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
    if (method === 'gallery') this.#galleries.set(args[0] as string, result as OwnedTemplate[])
  }

  /** The last answer to the same question. Answers a wrapper, since an answer may be nothing. */
  recall(method: string, args: readonly unknown[]): { readonly answer: unknown } | undefined {
    const answer = this.#answer(method, args[0] as string)
    return answer === undefined ? undefined : { answer }
  }

  #answer(method: string, embedder: string): unknown {
    if (method === 'people') return this.people
    if (method === 'gallery') {
      const known = this.#galleries.get(embedder) ?? (this.#whole ? [] : undefined)
      const forgotten = readForgotten(this.#path)
      return known?.filter(({ personId }) => !forgotten.has(personId))
    }
    if (method !== 'galleryRevision' || this.#revision === undefined) return undefined
    // Another number once somebody is forgotten, so that the people in use are read again; none that the store counts.
    const gone = (this.#people?.length ?? 0) - (this.people?.length ?? 0)
    return this.#revision + 1 - 1 / (1 + gone)
  }
}

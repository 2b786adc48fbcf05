/** The parts of a gallery as they reach the recognizer: what each one changes, and when everybody is known. */
import type { GalleryPart, PersonTemplates } from '../ports.js'

export class GalleryIntake {
  readonly #known = new Set<string>()
  /** While the whole is told: who was told of so far. */
  #told: Set<string> | undefined
  #begun = false

  /**
   * Undefined for a part of a whole whose beginning went to another process: nothing can be made of it. `complete`: these
   * changes make it the store's gallery.
   */
  take({
    scope,
    people,
    more,
  }: GalleryPart): { readonly changes: readonly PersonTemplates[]; readonly complete: boolean } | undefined {
    if (scope === 'first') {
      this.#begun = true
      this.#told = new Set()
    }
    if (!this.#begun) return undefined
    const changes = [...people]
    for (const { id, person } of people) {
      this.#told?.add(id)
      if (person === undefined) this.#known.delete(id)
      else this.#known.add(id)
    }
    const told = this.#told
    if (told && !more) {
      // Who is in use and was not told of is in the gallery no more.
      for (const id of this.#known) if (!told.has(id)) changes.push({ id, embeddings: [] })
      for (const { id } of changes) if (!told.has(id)) this.#known.delete(id)
      this.#told = undefined
    }
    return { changes, complete: !more }
  }
}

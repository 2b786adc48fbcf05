/**
 * What the rules must remember between two moments: who stood here a moment ago, for the two-person rule, and who has
 * just been let in, for anti-passback and the cool-down. Times are monotonic ms.
 */
import { nameKey } from './names.js'
import { type Denied, type Entitlement, isDenied, type Right } from './rules.js'

/** `with`: the second person. Undefined: neither yes nor no, nothing is done and nothing told. */
export type Admission = { readonly granted: true; readonly with?: string } | Denied | undefined

interface Entry {
  readonly at: number
  /** The door was opened on this grant; before that the same person may simply try again. */
  used: boolean
  /** Let in together with somebody. */
  readonly paired: boolean
}

export class Access {
  /** A door without a contact is taken to have been opened by every grant. */
  readonly #sensor: boolean
  readonly #here = new Map<string, { readonly person: string; readonly at: number }>()
  readonly #entries = new Map<string, Entry>()
  /** Whose grants still wait for the door: it opens for all of them at once. */
  readonly #admitted = new Set<string>()

  constructor(options: { readonly sensor: boolean }) {
    this.#sensor = options.sensor
  }

  /** Somebody entitled stands at the door. Before `admit` for everybody in one frame: two who come together are two. */
  note(person: string, right: Right, now: number): void {
    if (isDenied(right) || this.#again(person, right.by, now)) return
    this.#here.set(nameKey(person), { person, at: now })
  }

  admit(person: string, right: Right, now: number, coolDownMs: number): Admission {
    if (isDenied(right)) return right
    const last = this.#entries.get(nameKey(person))
    if (last !== undefined && now - last.at < coolDownMs) return undefined
    const again = this.#again(person, right.by, now)
    if (again) return again
    if (right.by.twoPersonMs === undefined) {
      this.#enter([person], now)
      return { granted: true }
    }
    // Who was let in as the second has been served, and is not the first of another two.
    const served = last !== undefined && (last.used || this.#admitted.has(nameKey(person)))
    if (last?.paired && served && now - last.at < right.by.twoPersonMs) return undefined
    const second = this.#second(person, right.by.twoPersonMs, now)
    if (second === undefined) {
      const why = `${right.by.name}: a second person must come within ${right.by.twoPersonMs / 1000} s`
      return { denied: 'two_person', why }
    }
    this.#here.delete(nameKey(person))
    this.#here.delete(nameKey(second))
    this.#enter([person, second], now)
    return { granted: true, with: second }
  }

  /** The door was opened on a grant, or stands open. */
  opened(): void {
    for (const key of this.#admitted) this.#entries.get(key)!.used = true
    this.#admitted.clear()
  }

  /** It is locked again, and nobody opened it. */
  lapsed(): void {
    this.#admitted.clear()
  }

  #enter(people: readonly string[], now: number): void {
    for (const key of people.map(nameKey)) {
      this.#entries.set(key, { at: now, used: !this.#sensor, paired: people.length > 1 })
      this.#admitted.add(key)
    }
  }

  #again(person: string, { againMs, name }: Entitlement, now: number): Denied | undefined {
    const last = this.#entries.get(nameKey(person))
    if (againMs === undefined || last === undefined || !last.used || now - last.at >= againMs) return undefined
    return { denied: 'again', why: `${name}: let in ${againMs / 1000} s ago or less` }
  }

  #second(person: string, withinMs: number, now: number): string | undefined {
    for (const [key, other] of this.#here)
      if (key !== nameKey(person) && now - other.at <= withinMs) return other.person
    return undefined
  }
}

/**
/**
 * A visit is somebody's stay in view. It gives one `known` or `unknown` event, one more when an unknown becomes known, and
 * one `spoof` when a track's face turns out to be a picture; never one per frame. A known person's visit outlives the tracks
 * it is seen by: somebody who turns away for a moment has not come again. A stranger cannot be told from the next one, so each
 * track is a visit, and a crowd of them is bounded by a rate. It also says when a known face asks to be let in: each track
 * until it is, and again after `rearmMs` in view. A denial is told once a visit and reason.
 */
import type { Admission } from './access.js'
import type { NewEvent } from './events.js'
import { nameKey } from './names.js'
import type { Verdict } from './types.js'

export interface VisitsOptions {
  /** A known person who stays in view is let in again after this, ms. */
  readonly rearmMs: number
  /** Who is away for longer comes again, ms. */
  readonly absenceMs?: number
}

export interface VisitSighting {
  readonly track: number
  readonly verdict: Verdict
  /** The face was identified in this very frame and agrees with the verdict: a remembered verdict opens nothing. */
  readonly verified: boolean
}

export interface Grant {
  readonly person: string
  readonly with?: string
  readonly similarity: number
  readonly track: number
}

export interface VisitOutcome {
  readonly events: readonly NewEvent[]
  readonly grants: readonly Grant[]
}

/** What was made of one track. */
interface Seen {
  /** A stranger's event was given, or is not needed any more. */
  told: boolean
  person?: string | undefined
  grantedAt?: number | undefined
  spoofTold?: true
}

/** Somebody known, over all his tracks. */
interface Visit {
  lastSeen: number
  readonly denied: Set<string>
}

const defaultAbsenceMs = 10_000
/** Strangers told in a row, and how fast that allowance comes back; the others are counted. */
const burst = 6
const msPerStranger = 10_000

export class Visits {
  readonly #options: Required<VisitsOptions>
  readonly #tracks = new Map<number, Seen>()
  readonly #visits = new Map<string, Visit>()
  #strangers = { left: burst, at: Number.NEGATIVE_INFINITY, suppressed: 0 }

  constructor(options: VisitsOptions) {
    this.#options = { absenceMs: defaultAbsenceMs, ...options }
  }

  /** The recognizer started anew: its track numbers mean other faces now. */
  reset(): void {
    this.#tracks.clear()
    this.#visits.clear()
  }

  /**
   * All live tracks of one frame; a track that is not listed any more has ended. `now`: monotonic ms. `admit`
   * answers for one person at a time.
   */
  see(
    sightings: readonly VisitSighting[],
    now: number,
    admit: (person: string) => Admission = () => ({ granted: true }),
  ): VisitOutcome {
    const listed = new Set(sightings.map((sighting) => sighting.track))
    for (const track of this.#tracks.keys()) if (!listed.has(track)) this.#tracks.delete(track)
    for (const [person, { lastSeen }] of this.#visits)
      if (now - lastSeen > this.#options.absenceMs) this.#visits.delete(person)
    const events = sightings.flatMap((sighting) => this.#tell(sighting, now))
    const grants: Grant[] = []
    for (const { track, verdict, verified } of sightings) {
      const seen = this.#tracks.get(track)
      if (verdict.kind !== 'known' || !verified || seen === undefined) continue
      if (seen.grantedAt !== undefined && now - seen.grantedAt < this.#options.rearmMs) continue
      const { person, similarity } = verdict
      const denied = this.#visits.get(nameKey(person))!.denied
      const admission = admit(person)
      if (admission === undefined) continue
      if ('granted' in admission) {
        const second = admission.with
        for (const name of [person, ...(second === undefined ? [] : [second])]) this.#granted(name, now)
        grants.push({ person, similarity, track, ...(second !== undefined && { with: second }) })
      } else if (!denied.has(admission.denied)) {
        denied.add(admission.denied)
        const detail = { reason: admission.denied, why: admission.why }
        events.push({ type: 'denied', person, similarity, track, detail })
      }
    }
    return { events, grants }
  }

  /** One grant serves all visits of that person: a face that two tracks follow for a moment is one. */
  #granted(person: string, now: number): void {
    for (const seen of this.#tracks.values())
      if (seen.person !== undefined && nameKey(seen.person) === nameKey(person)) seen.grantedAt = now
  }

  #tell({ track, verdict }: VisitSighting, now: number): NewEvent[] {
    if (verdict.kind === 'undecided') return []
    const seen = this.#tracks.get(track) ?? { told: false }
    this.#tracks.set(track, seen)
    const spoofs: NewEvent[] = []
    if ((verdict.kind === 'spoof' || verdict.looksFlat) && !seen.spoofTold) {
      seen.spoofTold = true
      spoofs.push({ ...eventOf(verdict, track), type: 'spoof' })
    }
    if (verdict.kind === 'spoof') return spoofs
    if (verdict.kind === 'unknown') {
      if (seen.told) return spoofs
      seen.told = true
      return [...this.#stranger(eventOf(verdict, track), now), ...spoofs]
    }
    const { person } = verdict
    if (seen.person !== person) Object.assign(seen, { told: true, person, grantedAt: undefined })
    const visit = this.#visits.get(nameKey(person))
    this.#visits.set(nameKey(person), { denied: visit?.denied ?? new Set(), lastSeen: now })
    return visit ? spoofs : [eventOf(verdict, track), ...spoofs]
  }

  #stranger(event: NewEvent, now: number): NewEvent[] {
    const { at, suppressed } = this.#strangers
    const left = Math.min(burst, this.#strangers.left + (now - at) / msPerStranger)
    if (left < 1) {
      this.#strangers = { left, at: now, suppressed: suppressed + 1 }
      return []
    }
    this.#strangers = { left: left - 1, at: now, suppressed: 0 }
    return [suppressed === 0 ? event : { ...event, detail: { ...event.detail, suppressed } }]
  }
}

function eventOf(verdict: Exclude<Verdict, { kind: 'undecided' }>, track: number): NewEvent {
  const base = { track, similarity: verdict.similarity, detail: { votes: verdict.votes } }
  const person = 'person' in verdict && verdict.person !== undefined ? { person: verdict.person } : {}
  return { type: verdict.kind, ...person, ...base }
}

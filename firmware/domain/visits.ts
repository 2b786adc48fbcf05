/**
 * A visit is one track's stay in view. It gives one `known` or `unknown` event, one more when an unknown becomes known, and
 * one `spoof` when the face turns out to be a picture; never one per frame. It also says when a known face asks to be let in:
 * until it is, and again after `rearmMs` in view. A denial is told once a visit and reason.
 */
import type { Admission } from './access.js'
import type { NewEvent } from './events.js'
import { personKey } from './rules.js'
import type { Verdict } from './types.js'

export interface VisitsOptions {
  /** A known person who stays in view is let in again after this, ms. */
  readonly rearmMs: number
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

interface Visit {
  told: Verdict['kind']
  person?: string | undefined
  grantedAt?: number | undefined
  spoofTold?: true
  readonly denied: Set<string>
}

export class Visits {
  readonly #visits = new Map<number, Visit>()
  readonly #options: VisitsOptions

  constructor(options: VisitsOptions) {
    this.#options = options
  }

  /** The recognizer started anew: its track numbers mean other faces now. */
  reset(): void {
    this.#visits.clear()
  }

  /**
   * All live tracks of one frame; a track that is not listed any more has ended its visit. `now`: monotonic ms. `admit`
   * answers for one person at a time.
   */
  see(
    sightings: readonly VisitSighting[],
    now: number,
    admit: (person: string) => Admission = () => ({ granted: true }),
  ): VisitOutcome {
    const listed = new Set(sightings.map((sighting) => sighting.track))
    for (const track of this.#visits.keys()) if (!listed.has(track)) this.#visits.delete(track)
    const events = sightings.flatMap((sighting) => this.#tell(sighting))
    const grants: Grant[] = []
    for (const { track, verdict, verified } of sightings) {
      const visit = this.#visits.get(track)
      if (verdict.kind !== 'known' || !verified || visit === undefined) continue
      if (visit.grantedAt !== undefined && now - visit.grantedAt < this.#options.rearmMs) continue
      const { person, similarity } = verdict
      const admission = admit(person)
      if (admission === undefined) continue
      if ('granted' in admission) {
        const second = admission.with
        for (const name of [person, ...(second === undefined ? [] : [second])]) this.#granted(name, now)
        grants.push({ person, similarity, track, ...(second !== undefined && { with: second }) })
      } else if (!visit.denied.has(admission.denied)) {
        visit.denied.add(admission.denied)
        const detail = { reason: admission.denied, why: admission.why }
        events.push({ type: 'denied', person, similarity, track, detail })
      }
    }
    return { events, grants }
  }

  /** One grant serves all visits of that person: a face that two tracks follow for a moment is one. */
  #granted(person: string, now: number): void {
    for (const visit of this.#visits.values())
      if (visit.person !== undefined && personKey(visit.person) === personKey(person)) visit.grantedAt = now
  }

  #tell({ track, verdict }: VisitSighting): NewEvent[] {
    if (verdict.kind === 'undecided') return []
    const visit = this.#visits.get(track) ?? { told: 'undecided', denied: new Set() }
    this.#visits.set(track, visit)
    const spoofs: NewEvent[] = []
    if ((verdict.kind === 'spoof' || verdict.looksFlat) && !visit.spoofTold) {
      visit.spoofTold = true
      spoofs.push({ ...eventOf(verdict, track), type: 'spoof' })
    }
    if (verdict.kind === 'spoof') return spoofs
    if (verdict.kind === 'unknown') {
      if (visit.told !== 'undecided') return spoofs
      visit.told = 'unknown'
      return [eventOf(verdict, track), ...spoofs]
    }
    if (visit.person === verdict.person) return spoofs
    Object.assign(visit, { told: 'known', person: verdict.person, grantedAt: undefined })
    visit.denied.clear()
    return [eventOf(verdict, track), ...spoofs]
  }
}

function eventOf(verdict: Exclude<Verdict, { kind: 'undecided' }>, track: number): NewEvent {
  const base = { track, similarity: verdict.similarity, detail: { votes: verdict.votes } }
  const person = 'person' in verdict && verdict.person !== undefined ? { person: verdict.person } : {}
  return { type: verdict.kind, ...person, ...base }
}

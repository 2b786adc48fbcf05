/**
 * A visit is one track's stay in view. It gives one `known` or `unknown` event, and one more when an unknown becomes
 * known; never one per frame. It also decides when a known face is let in: once, and again after `rearmMs` in view.
 */
import type { NewEvent } from './events.js'
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

export interface VisitOutcome {
  readonly events: readonly NewEvent[]
  readonly grants: readonly { readonly person: string; readonly similarity: number; readonly track: number }[]
}

interface Visit {
  told: Verdict['kind']
  person?: string
  grantedAt?: number
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

  /** All live tracks of one frame; a track that is not listed any more has ended its visit. `now`: monotonic ms. */
  see(sightings: readonly VisitSighting[], now: number): VisitOutcome {
    const listed = new Set(sightings.map((sighting) => sighting.track))
    for (const track of this.#visits.keys()) if (!listed.has(track)) this.#visits.delete(track)
    const events: NewEvent[] = []
    const grants: { person: string; similarity: number; track: number }[] = []
    for (const { track, verdict, verified } of sightings) {
      if (verdict.kind === 'undecided') continue
      const visit = this.#visits.get(track) ?? { told: 'undecided' }
      this.#visits.set(track, visit)
      if (verdict.kind === 'unknown') {
        if (visit.told === 'undecided') events.push(eventOf(verdict, track))
        if (visit.told === 'undecided') visit.told = 'unknown'
        continue
      }
      if (visit.person !== verdict.person) {
        events.push(eventOf(verdict, track))
        Object.assign(visit, { told: 'known', person: verdict.person, grantedAt: undefined })
      }
      if (!verified) continue
      if (visit.grantedAt === undefined || now - visit.grantedAt >= this.#options.rearmMs) {
        visit.grantedAt = now
        grants.push({ person: verdict.person, similarity: verdict.similarity, track })
      }
    }
    return { events, grants }
  }
}

function eventOf(verdict: Exclude<Verdict, { kind: 'undecided' }>, track: number): NewEvent {
  const base = { track, similarity: verdict.similarity, detail: { votes: verdict.votes } }
  return verdict.kind === 'known' ? { type: 'known', person: verdict.person, ...base } : { type: 'unknown', ...base }
}

/**
 * Who is let in, as the supervisor asks it: the rules in force, the mode of the door, the clock they are read by, and
 * the visits they are asked for. Events in, events and grants out; no I/O.
 */
import { Access } from '../domain/access.js'
import type { NewEvent } from '../domain/events.js'
import { Dwelling, noIntent } from '../domain/intent.js'
import {
  everybody,
  isDenied,
  isOpenHouse,
  type Mode,
  type Right,
  type Rules,
  rightOf,
  timeIn,
} from '../domain/rules.js'
import { parseRules } from '../domain/rules-parse.js'
import { type VisitOutcome, Visits, type VisitsOptions } from '../domain/visits.js'
import { believedTime, lookAtClock, type WallClock } from '../domain/wall-clock.js'
import type { RulesText } from '../ports.js'
import type { SightedTrack } from './messages.js'

export interface AccessOptions {
  readonly visits: VisitsOptions
  /** `access.rulesFile` is set. Without it everybody enrolled may enter at any time. */
  readonly rulesFile: boolean
  /** The mode kept from before. */
  readonly mode: Exclude<Mode, 'open'>
  /** A door contact tells whether a grant was used. */
  readonly sensor: boolean
}

/** `last_good`: the file cannot be used, what it said before holds. `none`: there is nothing to hold on to. */
export type RulesState = 'everybody' | 'current' | 'last_good' | 'none'

const noRules: Right = { denied: 'no_rules', why: 'the rules file cannot be used and never could since the start' }
/** So many problems of a rules file are told in its event. */
const toldProblems = 3

export class AccessControl {
  readonly #access: Access
  readonly #visits: Visits
  readonly #dwelling = new Dwelling()
  #rules: Rules | undefined
  #digest = ''
  #rulesState: RulesState
  #told: Mode
  #commanded: Mode
  #byRule = false
  #clock: WallClock | undefined
  #believed: boolean | undefined
  #now = 0

  constructor({ visits, rulesFile, mode, sensor }: AccessOptions) {
    this.#access = new Access({ sensor })
    this.#visits = new Visits(visits)
    this.#rules = rulesFile ? undefined : everybody
    this.#rulesState = rulesFile ? 'none' : 'everybody'
    this.#commanded = mode
    this.#told = mode
  }

  /** Lockdown before open house, open house before normal. */
  get mode(): Mode {
    if (this.#commanded === 'lockdown') return 'lockdown'
    const open = this.#rules?.openHouse !== undefined && (this.#commanded === 'open' || this.#byRule)
    return open ? 'open' : 'normal'
  }

  /** Whether the strike is to be held for everybody. */
  get unlocked(): boolean {
    return this.mode === 'open' && this.#rules?.openHouse?.door === 'unlocked'
  }

  get rules(): RulesState {
    return this.#rulesState
  }

  get clock(): 'ok' | 'untrusted' {
    return this.#believed === true ? 'ok' : 'untrusted'
  }

  /** Why the mode cannot be had, as the end of a sentence; undefined when it can. */
  refusal(mode: Mode): string | undefined {
    return mode === 'open' && this.#rules?.openHouse === undefined ? 'the rules have no "openHouse"' : undefined
  }

  command(mode: Mode, by: 'remote' | 'kept' = 'remote'): NewEvent[] {
    this.#commanded = mode
    return this.#tellMode(by)
  }

  /** Regularly, and before anything is asked: `now` monotonic, `wall` since 1970, ms. */
  tick(now: number, wall: number): NewEvent[] {
    const { clock, jump } = lookAtClock(this.#clock, now, wall)
    this.#clock = clock
    this.#now = now
    const events: NewEvent[] = []
    if (jump !== undefined) events.push({ type: 'clock_jumped', detail: { seconds: Math.round(jump / 1000) } })
    const believed = believedTime(clock, now) !== undefined
    if (believed !== (this.#believed ?? true)) events.push({ type: believed ? 'clock_trusted' : 'clock_untrusted' })
    this.#believed = believed
    return [...events, ...this.#followRule()]
  }

  /** Swapped as a whole, or not at all. */
  load(file: RulesText): NewEvent[] {
    const parsed = 'problem' in file ? { problems: [file.problem] } : parseRules(file.text)
    if ('problems' in parsed) {
      this.#rulesState = this.#rules === undefined ? 'none' : 'last_good'
      const { problems } = parsed
      const more = problems.length > toldProblems ? `; and ${problems.length - toldProblems} more` : ''
      const reason = problems.slice(0, toldProblems).join('; ') + more
      return [{ type: 'rules_rejected', detail: { reason, inForce: this.#rulesState } }]
    }
    const digest = 'digest' in file ? file.digest : ''
    const same = digest === this.#digest && this.#rulesState === 'current'
    this.#rules = parsed.rules
    this.#digest = digest
    this.#rulesState = 'current'
    // An open house that the rules no longer know has ended for good.
    if (this.#commanded === 'open' && parsed.rules.openHouse === undefined) this.#commanded = 'normal'
    const { people, groups } = parsed.rules
    const loaded: NewEvent = { type: 'rules_loaded', detail: { digest, people: people.size, groups: groups.size } }
    return [...(same ? [] : [loaded]), ...this.#followRule()]
  }

  /** The recognizer's track numbers mean other faces now. */
  forget(): void {
    this.#visits.reset()
    this.#dwelling.reset()
  }

  /** What became of the grants so far. */
  followDoor(became: 'opened' | 'lapsed'): void {
    this.#access[became]()
  }

  see(tracks: readonly SightedTrack[], now: number): VisitOutcome {
    const intent = this.#rules?.intent ?? noIntent
    const views = tracks.map(({ id, box, view }) => ({ id, ...(view && { view: { box, ...view } }) }))
    const wanting = this.#rules?.intent === undefined ? undefined : this.#dwelling.see(views, intent, now)
    const seen = tracks.map(({ id, verdict, verified }) => ({
      track: id,
      verdict,
      verified: verified && (wanting === undefined || wanting.has(id)),
    }))
    const right = (person: string) => this.#right(person, now)
    for (const { verdict, verified } of seen)
      if (verified && verdict.kind === 'known') this.#access.note(verdict.person, right(verdict.person), now)
    return this.#visits.see(seen, now, (person) => this.#access.admit(person, right(person), now, intent.coolDownMs))
  }

  /** Whether the rules and the mode would let this person in now. */
  entitles(person: string, now: number): boolean {
    return !isDenied(this.#right(person, now))
  }

  #right(person: string, now: number): Right {
    if (this.#rules === undefined) return noRules
    return rightOf(this.#rules, person, timeIn(this.#rules, believedTime(this.#clock, now)), this.mode)
  }

  #followRule(): NewEvent[] {
    const time = this.#rules && timeIn(this.#rules, believedTime(this.#clock, this.#now))
    this.#byRule = this.#rules !== undefined && isOpenHouse(this.#rules, time)
    return this.#tellMode('rules')
  }

  #tellMode(by: 'remote' | 'rules' | 'kept'): NewEvent[] {
    const { mode } = this
    if (mode === this.#told) return []
    this.#told = mode
    return [{ type: 'mode_changed', detail: { mode, by } }]
  }
}

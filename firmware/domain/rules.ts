/**
 * Who may enter when: the rules of `access.rulesFile`, and the answer for one person at one moment. What must be
 * remembered between two moments (the second person, who has just been let in) is in access.ts.
 *
 * Windows are read off the clock on the wall: an hour that it shows twice counts twice, one that it skips never comes. A
 * window past midnight belongs to the day on which it begins, its holiday included.
 */
import { type CivilTime, civilTime, clockText, dayBefore, weekday } from './civil-time.js'
import type { Intent } from './intent.js'
import { nameKey } from './names.js'

/** Minutes of the day, from inclusive, to exclusive; `to` at or before `from` is of the next day. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface Window extends Span {
  /** 0 is Monday. */
  readonly days: readonly number[]
}

/** A group's rights; a person's own entry may have some, too. */
export interface Entitlement {
  readonly name: string
  /** None: always. */
  readonly windows?: readonly Window[]
  /** `usual`: a holiday is a day like any other; else the windows of holidays, none for closed. */
  readonly holidays: 'usual' | readonly Span[]
  /** Civil dates, both inclusive. */
  readonly validFrom?: string
  readonly validUntil?: string
  /** Another entitled person must be there within this time, ms. */
  readonly twoPersonMs?: number
  /** The same person is not let in again for this time, ms, once the door was opened. */
  readonly againMs?: number
}

export interface PersonRule {
  readonly groups: readonly string[]
  readonly blocked: boolean
  readonly validFrom?: string
  readonly validUntil?: string
  readonly own?: Entitlement
}

export interface OpenHouse {
  /** `known`: everybody enrolled may enter · `unlocked`: the strike is held, for anybody. */
  readonly door: 'known' | 'unlocked'
  /** When it is open house by itself; none: only when told. */
  readonly windows: readonly Window[]
  readonly holidays: 'usual' | readonly Span[]
}

export interface Rules {
  readonly timeZone: string
  /** YYYY-MM-DD, or MM-DD of every year. */
  readonly holidays: ReadonlySet<string>
  readonly groups: ReadonlyMap<string, Entitlement>
  /** By `nameKey`. */
  readonly people: ReadonlyMap<string, PersonRule>
  /** Groups of those whom `people` does not name. */
  readonly others: readonly string[]
  /** Groups that lockdown lets in. */
  readonly lockdown: readonly string[]
  readonly openHouse?: OpenHouse
  readonly intent?: Intent
}

export const modes = ['normal', 'lockdown', 'open'] as const
export type Mode = (typeof modes)[number]

export type Reason =
  | 'no_rules'
  | 'unnamed'
  | 'blocked'
  | 'lockdown'
  | 'outside_hours'
  | 'holiday'
  | 'not_yet_valid'
  | 'expired'
  | 'clock'
  | 'two_person'
  | 'again'

export interface Denied {
  readonly denied: Reason
  /** For people: which rule, and what it asks. */
  readonly why: string
}

export type Right = { readonly by: Entitlement } | Denied

export const isDenied = (answer: object): answer is Denied => 'denied' in answer

/** Without `access.rulesFile`: everybody enrolled, at any time. */
export const everybody: Rules = {
  timeZone: 'UTC',
  holidays: new Set(),
  groups: new Map([['everybody', { name: 'everybody', holidays: 'usual' }]]),
  people: new Map(),
  others: ['everybody'],
  lockdown: [],
}

/**
 * Whether somebody enrolled may enter. `time`: undefined while the clock cannot be believed; rights without any time in
 * them hold all the same.
 */
export function rightOf(rules: Rules, person: string, time: CivilTime | undefined, mode: Mode): Right {
  const rule = rules.people.get(nameKey(person))
  if (rule?.blocked) return { denied: 'blocked', why: 'blocked in the rules' }
  const groups = rule?.groups ?? rules.others
  if (mode === 'lockdown' && !groups.some((group) => rules.lockdown.includes(group)))
    return { denied: 'lockdown', why: 'the door is in lockdown' }
  if (rule !== undefined) {
    const bounds = validity(rule, time, 'the person')
    if (bounds !== undefined) return bounds
  }
  if (mode === 'open' && rules.openHouse !== undefined) return { by: { name: 'open house', holidays: 'usual' } }
  const all = groups.flatMap((group) => rules.groups.get(group) ?? [])
  const rights = [...all, ...(rule?.own ? [rule.own] : [])].map((by) => ({ by, denied: check(by, rules, time) }))
  if (rights.length === 0)
    return { denied: 'unnamed', why: rule ? 'in no group' : 'not named in the rules, and they have no "others"' }
  const granted = rights.filter(({ denied }) => denied === undefined).map(({ by }) => by)
  // The most generous one: alone before with somebody.
  const best = granted.find(({ twoPersonMs }) => twoPersonMs === undefined) ?? granted[0]
  return best ? { by: best } : rights.map(({ denied }) => denied!).sort((a, b) => rank(a) - rank(b))[0]!
}

/** What helps most to know, first. */
const telling: readonly Reason[] = ['clock', 'holiday', 'outside_hours', 'not_yet_valid', 'expired']
const rank = ({ denied }: Denied) => telling.indexOf(denied)

/** Whether the rules themselves make it open house now. */
export function isOpenHouse({ openHouse, holidays }: Rules, time: CivilTime | undefined): boolean {
  if (openHouse === undefined || time === undefined) return false
  return isInside(openHouse.windows, openHouse.holidays, holidays, time)
}

export const timeIn = (rules: Rules, wall: number | undefined): CivilTime | undefined =>
  wall === undefined ? undefined : civilTime(wall, rules.timeZone)

const noClock: Denied = { denied: 'clock', why: 'the clock cannot be believed, and the rules ask for the time' }

function validity(
  { validFrom, validUntil }: Pick<Entitlement, 'validFrom' | 'validUntil'>,
  time: CivilTime | undefined,
  what: string,
): Denied | undefined {
  if (validFrom === undefined && validUntil === undefined) return undefined
  if (time === undefined) return noClock
  if (validFrom !== undefined && time.date < validFrom)
    return { denied: 'not_yet_valid', why: `${what}: valid from ${validFrom}` }
  if (validUntil !== undefined && time.date > validUntil)
    return { denied: 'expired', why: `${what}: valid until ${validUntil}` }
  return undefined
}

function check(by: Entitlement, rules: Rules, time: CivilTime | undefined): Denied | undefined {
  const bounds = validity(by, time, by.name)
  if (bounds !== undefined) return bounds
  const { windows, holidays } = by
  if (windows === undefined && holidays === 'usual') return undefined
  if (time === undefined) return noClock
  if (isInside(windows ?? wholeWeek, holidays, rules.holidays, time)) return undefined
  if (holidays !== 'usual' && isHoliday(rules.holidays, time.date))
    return { denied: 'holiday', why: `${by.name}: ${time.date} is a holiday, ${spansText(holidays)}` }
  return { denied: 'outside_hours', why: `${by.name}: ${windowsText(windows ?? wholeWeek)}` }
}

const wholeWeek: readonly Window[] = [{ days: [0, 1, 2, 3, 4, 5, 6], from: 0, to: 1440 }]

const isHoliday = (holidays: ReadonlySet<string>, date: string) => holidays.has(date) || holidays.has(date.slice(5))

/** Inside a window that began today, or one that began yesterday and goes past midnight. */
export function isInside(
  windows: readonly Window[],
  ofHolidays: 'usual' | readonly Span[],
  holidays: ReadonlySet<string>,
  { date, minute }: CivilTime,
): boolean {
  const spansOf = (day: string): readonly Span[] =>
    ofHolidays !== 'usual' && isHoliday(holidays, day)
      ? ofHolidays
      : windows.filter(({ days }) => days.includes(weekday(day)))
  return (
    spansOf(date).some(({ from, to }) => minute >= from && (minute < to || to <= from)) ||
    spansOf(dayBefore(date)).some(({ from, to }) => to <= from && minute < to)
  )
}

export const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

const spanText = ({ from, to }: Span) => `${clockText(from)}-${clockText(to)}`
const spansText = (spans: readonly Span[]) => (spans.length === 0 ? 'closed' : spans.map(spanText).join(', '))
const windowsText = (windows: readonly Window[]) =>
  windows.length === 0
    ? 'never'
    : windows
        .map((window) => {
          const days = window.days.length === 7 ? 'daily' : window.days.map((day) => dayNames[day]).join(',')
          return `${days} ${spanText(window)}`
        })
        .join('; ')

/** The rules file, checked to the last key: text in, rules or every problem out. Nothing is guessed. */

import { isDate, isTimeZone } from './civil-time.js'
import { type Intent, noIntent } from './intent.js'
import { repeatedKeys } from './json-keys.js'
import { nameKey } from './names.js'
import {
  dayNames,
  type Entitlement,
  type OpenHouse,
  type PersonRule,
  type Rules,
  type Span,
  type Window,
} from './rules.js'

export type ParsedRules = { readonly rules: Rules } | { readonly problems: readonly string[] }

type Json = Readonly<Record<string, unknown>>

const day = `(?:${dayNames.join('|')})`
const windowShape = new RegExp(`^(daily|${day}(?:-${day})?(?:,${day}(?:-${day})?)*) (\\S+)$`)
const windowRule = 'must be like "mon-fri 07:00-18:00", "sat,sun 10:00-14:00" or "daily 22:00-06:00"'

/** Of a text such as 07:00-18:00. */
function spanOf(text: string): Span | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/.exec(text)
  if (!match) return undefined
  const from = Number(match[1]) * 60 + Number(match[2])
  const to = match[3] === undefined ? 1440 : Number(match[3]) * 60 + Number(match[4])
  return from === to ? undefined : { from, to }
}

function windowOf(text: string): Window | undefined {
  const match = windowShape.exec(text)
  const span = match && spanOf(match[2]!)
  if (!match || !span) return undefined
  const days = match[1] === 'daily' ? [0, 1, 2, 3, 4, 5, 6] : match[1]!.split(',').flatMap(daysOf)
  return { days: [...new Set(days)].sort(), ...span }
}

/** `fri-mon` goes over the week's end. */
function daysOf(text: string): number[] {
  const [first, last = first] = text.split('-').map((name) => dayNames.indexOf(name as (typeof dayNames)[number]))
  const count = ((last! - first! + 7) % 7) + 1
  return Array.from({ length: count }, (_, i) => (first! + i) % 7)
}

/** Reads objects and remembers what is wrong with them, by the place in the file. */
class Reader {
  readonly problems: string[] = []

  wrong(where: string, what: string, value: unknown): undefined {
    this.problems.push(`"${where}" ${what}, not ${JSON.stringify(value)}`)
  }

  /** The object at that place, its keys known; `{}` when there is none. A key "//" is a comment. */
  object(value: unknown, where: string, keys?: readonly string[]): Json {
    if (value === undefined) return {}
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.wrong(where, 'must be an object {…}', value)
      return {}
    }
    const entries = Object.entries(value).filter(([key]) => key !== '//')
    for (const [key] of entries)
      if (keys !== undefined && !keys.includes(key))
        this.problems.push(`"${where === '' ? key : `${where}.${key}`}" is unknown; known are ${keys.join(', ')}`)
    return Object.fromEntries(entries)
  }

  /** Each text of a list made into something; what cannot be is told with `rule`. */
  list<T>(value: unknown, where: string, rule: string, make: (text: string) => T | undefined): T[] {
    if (value === undefined) return []
    if (!Array.isArray(value)) {
      this.wrong(where, 'must be a list […]', value)
      return []
    }
    return value.flatMap((item, i) => {
      const made = typeof item === 'string' ? make(item) : undefined
      if (made === undefined) this.wrong(`${where}[${i}]`, rule, item)
      return made === undefined ? [] : [made]
    })
  }

  number(value: unknown, where: string, low: number, high: number): number | undefined {
    if (value === undefined) return undefined
    if (typeof value === 'number' && value >= low && value <= high) return value
    return this.wrong(where, `must be a number from ${low} to ${high}`, value)
  }

  seconds(value: unknown, where: string): number | undefined {
    const seconds = this.number(value, where, 0, 86_400)
    return seconds === undefined || seconds === 0 ? undefined : seconds * 1000
  }

  date(value: unknown, where: string): string | undefined {
    if (value === undefined || (typeof value === 'string' && isDate(value))) return value as string | undefined
    return this.wrong(where, 'must be a date like "2026-12-31"', value)
  }
}

const present = <T extends object>(value: T) =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }

const rightKeys = ['windows', 'holidays', 'validFrom', 'validUntil', 'twoPersonSeconds', 'againSeconds']
const topKeys = [
  'timeZone',
  'holidays',
  'groups',
  'people',
  'others',
  'lockdown',
  'openHouse',
  'intent',
  'againSeconds',
]

export function parseRules(text: string): ParsedRules {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { problems: [`it is not valid JSON: ${(error as Error).message.replaceAll('\n', ' ')}`] }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: ['it is not a JSON object'] }
  const read = new Reader()
  for (const place of repeatedKeys(text)) read.problems.push(`there twice: ${place}; keep one of them`)
  const top = read.object(value, '', topKeys)
  if (typeof top.timeZone !== 'string' || !isTimeZone(top.timeZone))
    read.wrong('timeZone', 'must be an IANA time zone like "Europe/Berlin"', top.timeZone)
  const againMs = read.seconds(top.againSeconds, 'againSeconds')
  const groups = new Map(
    Object.entries(read.object(top.groups, 'groups')).map(([name, group]) => [
      name,
      entitlement(read, read.object(group, `groups.${name}`, rightKeys), `groups.${name}`, name, againMs),
    ]),
  )
  const groupNames = (value: unknown, where: string) =>
    read.list(value, where, 'must be the name of a group in "groups"', (name) => (groups.has(name) ? name : undefined))
  const people = new Map<string, PersonRule>()
  for (const [name, entry] of Object.entries(read.object(top.people, 'people'))) {
    const key = nameKey(name)
    if (people.has(key))
      read.problems.push(`"people.${name}" is there twice: names differ by more than case and blanks`)
    people.set(key, person(read, entry, name, groupNames, againMs))
  }
  const holidays = read.list(
    top.holidays,
    'holidays',
    'must be a date like "2026-12-25", or "12-25" for every year',
    (date) => (isDate(date) || (/^\d{2}-\d{2}$/.test(date) && isDate(`2024-${date}`)) ? date : undefined),
  )
  const rules: Rules = {
    timeZone: top.timeZone as string,
    holidays: new Set(holidays),
    groups,
    people,
    others: groupNames(top.others, 'others'),
    lockdown: groupNames(top.lockdown, 'lockdown'),
    ...(top.openHouse !== undefined && { openHouse: openHouse(read, top.openHouse) }),
    ...(top.intent !== undefined && { intent: intent(read, top.intent) }),
  }
  return read.problems.length > 0 ? { problems: read.problems } : { rules }
}

function windows(read: Reader, value: unknown, where: string): Window[] | undefined {
  return value === undefined ? undefined : read.list(value, where, windowRule, windowOf)
}

/** Who has hours does not come on holidays, unless it is said; who has none comes on every day. */
function holidaysOf(read: Reader, value: unknown, where: string, hasHours: boolean): 'usual' | readonly Span[] {
  if (value === 'usual' || (value === undefined && !hasHours)) return 'usual'
  if (value === 'closed' || value === undefined) return []
  if (Array.isArray(value)) return read.list(value, where, 'must be like "10:00-14:00"', spanOf)
  read.wrong(where, 'must be "closed", "usual" or a list of hours like ["10:00-14:00"]', value)
  return []
}

function entitlement(read: Reader, value: Json, where: string, name: string, againMs: number | undefined): Entitlement {
  const hours = windows(read, value.windows, `${where}.windows`)
  return {
    name,
    holidays: holidaysOf(read, value.holidays, `${where}.holidays`, hours !== undefined),
    ...present({
      windows: hours,
      ...validity(read, value, where),
      twoPersonMs: read.seconds(value.twoPersonSeconds, `${where}.twoPersonSeconds`),
      againMs: value.againSeconds === undefined ? againMs : read.seconds(value.againSeconds, `${where}.againSeconds`),
    }),
  }
}

function validity(read: Reader, value: Json, where: string) {
  const validFrom = read.date(value.validFrom, `${where}.validFrom`)
  const validUntil = read.date(value.validUntil, `${where}.validUntil`)
  if (validFrom !== undefined && validUntil !== undefined && validFrom > validUntil)
    read.wrong(`${where}.validUntil`, `must not be before validFrom ${validFrom}`, validUntil)
  return { validFrom, validUntil }
}

function person(
  read: Reader,
  value: unknown,
  name: string,
  groupNames: (value: unknown, where: string) => string[],
  againMs: number | undefined,
): PersonRule {
  const where = `people.${name}`
  const entry = read.object(value, where, ['groups', 'blocked', ...rightKeys])
  if (entry.blocked !== undefined && typeof entry.blocked !== 'boolean')
    read.wrong(`${where}.blocked`, 'must be true or false', entry.blocked)
  const { validFrom: _from, validUntil: _until, ...rest } = entry
  const bounds = validity(read, entry, where)
  const own = Object.keys(rest).some((key) => rightKeys.includes(key))
  if (own && entry.windows === undefined)
    read.problems.push(`"${where}" has rights of its own without "windows"; say when, e.g. ["daily 00:00-24:00"]`)
  return {
    groups: groupNames(entry.groups, `${where}.groups`),
    blocked: entry.blocked === true,
    ...present(bounds),
    ...(own && { own: entitlement(read, rest, where, name, againMs) }),
  }
}

function openHouse(read: Reader, value: unknown): OpenHouse {
  const entry = read.object(value, 'openHouse', ['door', 'windows', 'holidays'])
  if (entry.door !== 'known' && entry.door !== 'unlocked')
    read.wrong('openHouse.door', 'must be "known" or "unlocked"', entry.door)
  return {
    door: entry.door === 'unlocked' ? 'unlocked' : 'known',
    windows: windows(read, entry.windows, 'openHouse.windows') ?? [],
    holidays: holidaysOf(read, entry.holidays, 'openHouse.holidays', true),
  }
}

function intent(read: Reader, value: unknown): Intent {
  const keys = ['facePixels', 'faceShare', 'frontal', 'zone', 'dwellSeconds', 'coolDownSeconds']
  const entry = read.object(value, 'intent', keys)
  const sides = ['left', 'top', 'right', 'bottom'] as const
  const zone = read.object(entry.zone, 'intent.zone', sides)
  const [left, top, right, bottom] = sides.map(
    (side) => read.number(zone[side], `intent.zone.${side}`, 0, 1) ?? noIntent.zone[side],
  ) as [number, number, number, number]
  if (left >= right || top >= bottom) read.wrong('intent.zone', 'must have left < right and top < bottom', entry.zone)
  return {
    facePixels: read.number(entry.facePixels, 'intent.facePixels', 0, 10_000) ?? 0,
    faceShare: read.number(entry.faceShare, 'intent.faceShare', 0, 1) ?? 0,
    frontal: read.number(entry.frontal, 'intent.frontal', 0, 1) ?? 0,
    zone: { left, top, right, bottom },
    dwellMs: read.seconds(entry.dwellSeconds, 'intent.dwellSeconds') ?? 0,
    coolDownMs: read.seconds(entry.coolDownSeconds, 'intent.coolDownSeconds') ?? 0,
  }
}

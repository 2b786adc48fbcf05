/**
 * What the clock on the wall shows in a time zone.
 *
 * From an instant to a civil time there is exactly one answer, also in the hours that a change to or from daylight saving
 * time skips or repeats; the way back has none or two, and nothing here needs more than whether there is one. The rules of the zones are those that
 * Intl carries (ECMA-402), which is part of the language.
 */

/** `minute` of the day, 0 to 1439; `date` is YYYY-MM-DD. */
export interface CivilTime {
  readonly date: string
  readonly minute: number
}

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    })
    formats.set(timeZone, format)
  }
  return format
}

/** An IANA name such as Europe/Berlin, as far as Intl knows it. */
export function isTimeZone(name: string): boolean {
  try {
    // Offsets such as "+01:00" are zones for Intl, and never know daylight saving time.
    return /^[A-Za-z]/.test(name) && formatOf(name) !== undefined
  } catch {
    return false
  }
}

/** `wall`: ms since 1970 UTC. */
export function civilTime(wall: number, timeZone: string): CivilTime {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(wall)
      .map(({ type, value }) => [type, value]),
  )
  return {
    date: `${parts.year!.padStart(4, '0')}-${parts.month}-${parts.day}`,
    minute: Number(parts.hour) * 60 + Number(parts.minute),
  }
}

const dayMs = 86_400_000

/** Whether a clock in that zone ever shows this time: the change to daylight saving time skips some. */
export function isShown({ date, minute }: CivilTime, timeZone: string): boolean {
  const asUtc = Date.parse(`${date}T00:00:00Z`) + minute * 60_000
  // The offset that holds is the one before or the one after a change nearby.
  return [asUtc - dayMs, asUtc + dayMs].some((near) => {
    const there = civilTime(near, timeZone)
    const offset = Date.parse(`${there.date}T00:00:00Z`) + there.minute * 60_000 - Math.floor(near / 60_000) * 60_000
    const shown = civilTime(asUtc - offset, timeZone)
    return shown.date === date && shown.minute === minute
  })
}

/** A date that the calendar has, YYYY-MM-DD. */
export function isDate(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text)
}

export const dayBefore = (date: string): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) - dayMs).toISOString().slice(0, 10)

/** 0 is Monday, as ISO 8601 begins its week. */
export const weekday = (date: string): number => (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7

/** 22:05, of minutes since midnight; 1440 is 24:00. */
export const clockText = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

/** The audit log for other programs. */
import type { StoredEvent } from '../domain/events.js'

export const formats = ['text', 'lines', 'json', 'csv'] as const
export type Format = (typeof formats)[number]

/** `head` and `tail` stand around the rows; `line` is one of them, without its newline. */
export interface Writer {
  readonly head: string
  line(event: StoredEvent, first: boolean): string
  readonly tail: string
}

/** The same object as on the MQTT `event` topic. */
const flat = ({ detail, ...fields }: StoredEvent) => ({ ...detail, ...fields })

export const writers: Readonly<Record<Format, Writer>> = {
  text: { head: '', line: text, tail: '' },
  lines: { head: '', line: (event) => JSON.stringify(flat(event)), tail: '' },
  json: { head: '[', line: (event, first) => `${first ? ' ' : ','}${JSON.stringify(flat(event))}`, tail: ']' },
  csv: { head: 'seq,id,at,type,person,similarity,track,detail\r', line: (event) => `${row(event)}\r`, tail: '' },
}

function text({ at, type, person, similarity, detail }: StoredEvent): string {
  const parts = [at, type.padEnd(16), person ?? '', similarity === undefined ? '' : similarity.toFixed(3)]
  const rest = Object.entries(detail ?? {}).map(([key, value]) => `${key}=${value}`)
  return [...parts, ...rest].filter((part) => part !== '').join('  ')
}

/** RFC 4180. */
function row({ seq, id, at, type, person, similarity, track, detail }: StoredEvent): string {
  const fields = [seq, id, at, type, person, similarity, track, detail && JSON.stringify(detail)]
  return fields.map((value) => (typeof value === 'number' ? String(value) : cell(value ?? ''))).join(',')
}

/**
 * Spreadsheets run text that begins like a formula, in whatever width or after whatever blanks; an apostrophe before it
 * makes it text again: https://owasp.org/www-community/attacks/CSV_Injection
 */
function cell(value: string): string {
  const harmless = /^[\s\p{Cc}\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|^[\t\r\n]/u.test(value) ? `'${value}` : value
  return /[",\r\n\t;']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

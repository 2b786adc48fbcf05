/** Log lines on stderr: for the journal when stderr is the journal, for people otherwise. One event is one line. */
import { fstatSync, writeSync } from 'node:fs'
import type { Log, LogFields } from '../ports.js'
import { entryText, journalSocket } from './log-entries.js'

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogOptions {
  /** The least urgent level that is written. */
  readonly level: LogLevel
  /** The part of the program that speaks, e.g. `broker`. */
  readonly component: string
  /** Takes one line without its newline; stderr unless given. */
  readonly write?: (line: string) => void
  /** Whether `write` leads to the journal; found out unless given. */
  readonly journal?: boolean
  /** Sends one entry to the journal, with fields; found out unless `write` is given. Lines follow where it throws. */
  readonly send?: ((entry: string) => void) | undefined
  /** Time of the line, for people; the journal has its own. */
  readonly wall?: () => Date
}

type Urgency = Exclude<LogLevel, 'silent'>

/** Priorities of sd-daemon(3). */
const priorities: Record<Urgency, number> = { debug: 7, info: 6, warn: 4, error: 3 }

/** Well below journald's LineMax of 48 KiB, so that it never splits a line in two. */
const longestLine = 8192

/** Never throws: a log that fails must not take the door with it. */
export function createLog(options: LogOptions): Log {
  const { level, component, write = writeToStderr, journal = isJournal(), wall = () => new Date() } = options
  const send = options.send ?? (journal && options.write === undefined ? journalSocket() : undefined)
  const least = logLevels.indexOf(level)

  const say = (urgency: Urgency, message: string, fields: LogFields): void => {
    const line = cut(`${component}: ${escapeControls(message)}${format(fields)}`)
    const priority = priorities[urgency]
    if (!journal) write(`${timeOfDay(wall())} ${urgency.padEnd(5)} ${line}`)
    else if (!sent(entryText({ priority, component, message, line, fields }, plain))) write(`<${priority}>${line}`)
  }
  const sent = (entry: string): boolean => {
    try {
      send?.(entry)
      return send !== undefined
    } catch {
      // journald is being started again, say: its stream may still take a line.
      return false
    }
  }
  const at =
    (urgency: Urgency) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(urgency) < least) return
      try {
        say(urgency, message, fields)
      } catch {
        // Nobody is left to tell.
      }
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/**
 * systemd.exec(5): JOURNAL_STREAM holds device and inode of the stream that systemd connected; a child whose stderr was
 * redirected since inherits the variable all the same.
 */
function isJournal(): boolean {
  const stream = process.env.JOURNAL_STREAM
  if (stream === undefined) return false
  try {
    const { dev, ino } = fstatSync(2, { bigint: true })
    return stream === `${dev}:${ino}`
  } catch {
    return false
  }
}

/** Not through process.stderr, which raises an unhandled `error` event when journald restarts and the stream breaks. */
function writeToStderr(line: string): void {
  let rest = Buffer.from(`${line}\n`)
  while (rest.length > 0) rest = rest.subarray(writeSync(2, rest))
}

function timeOfDay(at: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const milliseconds = String(at.getMilliseconds()).padStart(3, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${milliseconds}`
}

function format(fields: LogFields): string {
  let text = ''
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${escapeControls(key)}=${formatValue(value)}`
  }
  return text
}

const cut = (text: string) => (text.length > longestLine ? `${text.slice(0, longestLine)}…` : text)

const textOf = (value: unknown) =>
  value instanceof Error ? value.message : typeof value === 'object' ? toJson(value) : String(value)

const plain = (value: unknown) => cut(escapeControls(textOf(value)))

function formatValue(value: unknown): string {
  const text = textOf(value)
  return /^[^\s"=\p{Cc}]+$/u.test(text) ? text : `"${escapeControls(text).replaceAll('"', '\\"')}"`
}

function toJson(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch {
    return String(value)
  }
}

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Terminal sequences too: names and payloads come from outside and must not steer the reader's terminal. */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (c) => shortEscapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/**
 * Log lines as entries with fields of their own, in journald's native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): one datagram of KEY=value lines.
 */
import { createRequire } from 'node:module'
import { eventWords } from '../domain/event-words.js'
import type { LogFields } from '../ports.js'
import { inRoot } from '../root.js'

type Native = typeof import('../../native/notify.js')

const socket = '/run/systemd/journal/socket'

/** The component whose messages are types of events. */
const ofEvents = 'event'

export interface Entry {
  /** syslog(3): 0 to 7. */
  readonly priority: number
  readonly component: string
  /** The message alone, without its fields. */
  readonly message: string
  /** What a reader sees: one line, nothing of it controls a terminal. */
  readonly line: string
  readonly fields: LogFields
}

/** Values are one line each, as `plain` makes them; a field's name becomes FACELATCH_NAME. */
export function entryText({ priority, component, message, line, fields }: Entry, plain: (value: unknown) => string) {
  const words = component === ofEvents ? (eventWords as Record<string, { messageId: string }>)[message] : undefined
  const rows: [key: string, value: string][] = [
    ['MESSAGE', line],
    ['PRIORITY', String(priority)],
    ['SYSLOG_IDENTIFIER', 'facelatch'],
    ['FACELATCH_COMPONENT', component],
    ...(words
      ? [['MESSAGE_ID', words.messageId] as [string, string], ['FACELATCH_EVENT', message] as [string, string]]
      : []),
    ...Object.entries(fields).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[`FACELATCH_${fieldName(name)}`, plain(value)]],
    ),
  ]
  return rows.map(([key, value]) => `${key}=${value}\n`).join('')
}

/** journald takes capitals, digits and underscores, 64 of them at most. */
const fieldName = (name: string) =>
  name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .slice(0, 50)

/** Sends one entry, and throws when journald does not take it; undefined where the addon is not built. */
export function journalSocket(): ((text: string) => void) | undefined {
  try {
    const { send } = createRequire(import.meta.url)(inRoot('build/native/facelatch-notify.node')) as Native
    return (text) => send(socket, text)
  } catch {
    return undefined
  }
}

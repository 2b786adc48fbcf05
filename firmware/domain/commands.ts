/**
 * Which messages are commands: judged by their length, their rate, their form, their age and their code, in this order
 * and once; the answer is what is asked for or why it is refused. Whether it may be done is asked elsewhere. No clock of
 * its own and no secrets: whether a code is right is asked of the caller.
 */

export interface CommandOptions {
  /** A command's own time may differ from ours by this much, ms; 0 does not look at it. */
  readonly maxAgeMs: number
  /** Absent: no code is asked for. In constant time. */
  readonly isCode?: (given: string) => boolean
}

export interface CommandInput {
  readonly topic: string
  readonly payload: Uint8Array
  readonly retained: boolean
}

export interface CommandTimes {
  /** Monotonic, ms. */
  readonly now: number
  /** Unix time, ms. */
  readonly wall: number
  /** Why times of others cannot be compared with ours, if so. */
  readonly clockDoubt?: string
}

/** What each topic takes. On `enrol/set` whatever is not CANCEL is ENROL, with the name or JSON that came. */
export const commandWords = {
  'lock/set': ['LOCK', 'UNLOCK'],
  'mode/set': ['normal', 'lockdown', 'open'],
  'alarm/set': ['ACKNOWLEDGE'],
  'enrol/set': ['CANCEL', 'ENROL'],
  'recognizer/set': ['RESTART'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type CommandTopic = keyof typeof commandWords
export type CommandWord = (typeof commandWords)[CommandTopic][number]

/** Those that let somebody in, now or from now on: they must be new, and bring the code where there is one. */
const guarded: readonly CommandWord[] = ['UNLOCK', 'normal', 'open', 'ENROL']

export interface Asked {
  readonly topic: CommandTopic
  readonly word: CommandWord
  /** Of ENROL: what came, without time and code. */
  readonly text?: string
}

export type Judgement =
  | ({ readonly kind: 'obey' } & Asked)
  | { readonly kind: 'refuse'; readonly reason: string }
  /** An empty payload is how a retained message is cleared: nobody asked for anything. */
  | { readonly kind: 'nothing' }

/** Longer payloads are not even looked at, bytes. */
export const longestCommand = 1024
/** Commands judged in a row, and how fast that allowance comes back. */
const burst = 10
const msPerCommand = 1_000
/** Wrong codes that are forgiven, and how long codes are refused after the next ones. */
const forgiven = 3
const firstLockOutMs = 30_000
const longestLockOutMs = 3_600_000

const refuse = (reason: string): Judgement => ({ kind: 'refuse', reason })

export class Commands {
  readonly #options: CommandOptions
  readonly #startedAt: number
  /** One for each word that only restricts: no flood of anything else may keep a door from being locked. */
  readonly #allowances = new Map<string, { readonly left: number; readonly at: number }>()
  /** Times that commands brought and that were obeyed, with our own time: the same one twice is a replay. */
  readonly #obeyed = new Map<number, number>()
  /**
   * A start counts as `forgiven` wrong codes with the lock-out that follows them: who can make us start again must not
   * gain attempts by it.
   */
  #codes: { wrong: number; closedUntil: number }

  /** `startedAt`: monotonic, ms. */
  constructor(options: CommandOptions, startedAt: number) {
    this.#options = options
    this.#startedAt = startedAt
    this.#codes = { wrong: forgiven, closedUntil: startedAt + firstLockOutMs }
  }

  judge({ topic, payload, retained }: CommandInput, times: CommandTimes): Judgement {
    if (payload.length === 0) return { kind: 'nothing' }
    if (payload.length > longestCommand) return refuse(`a command has at most ${longestCommand} bytes`)
    if (retained) return refuse('a retained command is never obeyed')
    if (!isCommandTopic(topic)) return refuse('no such command')
    const parsed = parse(payload, topic)
    const own = typeof parsed === 'string' || guarded.includes(parsed.word) ? 'others' : parsed.word
    if (!this.#take(own, times.now)) return refuse('too many commands')
    if (typeof parsed === 'string') return refuse(parsed)
    const { word, at, code, text } = parsed
    const obey: Judgement = { kind: 'obey', topic, word, ...(text !== undefined && { text }) }
    if (!guarded.includes(word)) return obey
    const problem = (at === undefined ? undefined : this.#age(at, times)) ?? this.#wrongCode(code, times.now)
    if (problem !== undefined) return refuse(problem)
    if (at !== undefined) this.#obeyed.set(at, times.now)
    return obey
  }

  /** A bucket that fills with time. */
  #take(own: string, now: number): boolean {
    const { left, at } = this.#allowances.get(own) ?? { left: burst, at: now }
    const filled = Math.min(burst, left + (now - at) / msPerCommand)
    this.#allowances.set(own, { left: filled < 1 ? filled : filled - 1, at: now })
    return filled >= 1
  }

  #age(at: number, { now, wall, clockDoubt }: CommandTimes): string | undefined {
    const { maxAgeMs } = this.#options
    if (maxAgeMs === 0) return undefined
    if (clockDoubt !== undefined) return `its age cannot be judged: ${clockDoubt}`
    const age = wall - at
    if (Math.abs(age) > maxAgeMs) {
      const off = `${Math.round(Math.abs(age) / 1000)} s ${age > 0 ? 'old' : 'ahead of our clock'}`
      return `it is ${off}: mqtt.commandMaxAgeSeconds`
    }
    if (now - age < this.#startedAt) return 'it was sent before this start'
    for (const [known, obeyedAt] of this.#obeyed) if (now - obeyedAt > 2 * maxAgeMs) this.#obeyed.delete(known)
    return this.#obeyed.has(at) ? 'it was obeyed already' : undefined
  }

  /** None is a wrong one. While the lock-out runs the right code is refused too, and no attempt counts. */
  #wrongCode(code: string | undefined, now: number): string | undefined {
    const { isCode } = this.#options
    if (!isCode) return undefined
    const { wrong, closedUntil } = this.#codes
    if (now < closedUntil) return `no code is taken for another ${Math.ceil((closedUntil - now) / 1000)} s`
    if (code !== undefined && isCode(code)) {
      this.#codes = { wrong: 0, closedUntil: now }
      return undefined
    }
    const lockOut = wrong + 1 < forgiven ? 0 : firstLockOutMs * 2 ** Math.min(wrong + 1 - forgiven, 20)
    this.#codes = { wrong: wrong + 1, closedUntil: now + Math.min(lockOut, longestLockOutMs) }
    return code === undefined ? 'a code is needed: mqtt.codeFile' : 'the code is wrong'
  }
}

const isCommandTopic = (topic: string): topic is CommandTopic => Object.hasOwn(commandWords, topic)

interface Parsed extends Omit<Asked, 'topic'> {
  /** Unix time, ms. */
  readonly at?: number
  readonly code?: string
}

/** The word alone, or JSON `{"command": word, "at"?: ISO 8601 with a zone, "code"?: text}` and nothing else. */
function parse(payload: Uint8Array, topic: CommandTopic): Parsed | string {
  const words = commandWords[topic]
  const enrolling = topic === 'enrol/set'
  const form = enrolling
    ? 'the payload must be a name, {"name": "Ann"} or CANCEL; JSON may bring "at" and "code"'
    : `the payload must be ${listed(words)}, or JSON {"command", "at", "code"}`
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(payload).trim()
  } catch {
    return form
  }
  const plain = words.find((word) => word === text)
  if (plain !== undefined && plain !== 'ENROL') return { word: plain }
  if (!text.startsWith('{')) return enrolling ? { word: 'ENROL', text } : form
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text)
  } catch {
    return form
  }
  const { at, code, ...rest } = value
  // Templates of a home leave an empty text where nothing was typed.
  if (code !== undefined && code !== null && typeof code !== 'string') return 'the code must be text'
  const time = at === undefined ? undefined : timeOf(at)
  if (at !== undefined && time === undefined) return '"at" must be a time with its zone, like 2026-11-21T08:00:00Z'
  const credentials = { ...(time !== undefined && { at: time }), ...(code && { code }) }
  if (enrolling) return { word: 'ENROL', text: JSON.stringify(rest), ...credentials }
  const { command, ...others } = rest
  const word = words.find((one) => one === command)
  return word === undefined || Object.keys(others).length > 0 ? form : { word, ...credentials }
}

const listed = (words: readonly string[]) => (words.length > 2 ? `one of ${words.join(', ')}` : words.join(' or '))

function timeOf(at: unknown): number | undefined {
  if (typeof at !== 'string' || !/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(at))
    return undefined
  const time = Date.parse(at.replace(' ', 'T'))
  return Number.isNaN(time) ? undefined : time
}

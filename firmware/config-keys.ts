/** Kinds of configuration keys, each with its check. The keys themselves stand in config-schema.ts. */
import type { Curve } from './domain/fan.js'
import { parseLine } from './domain/lines.js'
import { inputLines, outputLines } from './ports.js'

/** One key. `check` answers what is wrong with a value, as the end of a sentence: "must be …". */
export interface Key<T> {
  readonly doc: string
  readonly default: T
  readonly check: (value: unknown) => string | undefined
}

export type Section = { readonly [name: string]: Key<unknown> | Section }

export type ValuesOf<S> = { readonly [K in keyof S]: S[K] extends Key<infer T> ? T : ValuesOf<S[K]> }

export const isKey = (node: Key<unknown> | Section): node is Key<unknown> => typeof node.check === 'function'

export const must = (what: string, good: (value: unknown) => boolean) => (value: unknown) =>
  good(value) ? undefined : `must be ${what}`

export const text = (
  doc: string,
  fallback = '',
  check = must('text', (value) => typeof value === 'string'),
): Key<string> => ({
  doc,
  default: fallback,
  check,
})
export const path = (doc: string, fallback: string, most = 4096) =>
  text(
    doc,
    fallback,
    must(
      `a path of 1 to ${most} bytes`,
      (value) => typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= most,
    ),
  )
export const flag = (doc: string, fallback: boolean): Key<boolean> => ({
  doc,
  default: fallback,
  check: must('true or false', (value) => typeof value === 'boolean'),
})
export const choice = <T extends string>(doc: string, fallback: T, ...others: T[]): Key<T> => {
  const all = [fallback, ...others]
  return {
    doc,
    default: fallback,
    check: must(all.length === 1 ? `"${fallback}"` : `one of ${all.map((one) => `"${one}"`).join(', ')}`, (value) =>
      all.includes(value as T),
    ),
  }
}
export const whole = (doc: string, fallback: number, low: number, high: number): Key<number> => ({
  doc,
  default: fallback,
  check: must(
    `a whole number from ${low} to ${high}`,
    (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
  ),
})
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
export const seconds = (doc: string, fallback: number, most = 86_400): Key<number> => ({
  doc,
  default: fallback,
  check: must(`a number above 0 and up to ${most}`, (value) => isNumber(value) && value > 0 && value <= most),
})
export const part = (doc: string, fallback: number): Key<number> => ({
  doc,
  default: fallback,
  check: must('a number from 0 to 1', (value) => isNumber(value) && value >= 0 && value <= 1),
})

export const topicLevel = must(
  'letters, digits, "_", "." and "-" only: it is a level of an MQTT topic',
  (value) => typeof value === 'string' && /^[A-Za-z0-9_.-]+$/.test(value),
)
export const topicPath = must(
  'an MQTT topic without wildcards, e.g. "facelatch"',
  (value) => typeof value === 'string' && /^[^+#\s\0/]+(\/[^+#\s\0/]+)*$/.test(value),
)
export const cameraSource = must(
  'csi:N, v4l2:/dev/videoN, rtsp://…, file:PATH or gst:PIPELINE',
  (value) => typeof value === 'string' && /^(csi:\d+|v4l2:\/.+|rtsps?:\/\/.+|file:.+|gst:.+)$/s.test(value),
)
export const cronExpression = must(
  'a cron expression of five fields (minute hour day month weekday), or "" for never',
  (value) => value === '' || (typeof value === 'string' && /^[\w*,/#?-]+( +[\w*,/#?-]+){4}$/.test(value)),
)
/** A broker of our own asks for no password, so it stays on loopback. */
export const brokerUrl = must(
  'mqtt://host:port, mqtts://host:port, embedded://127.0.0.1:port, or "" for none',
  (value) => {
    if (value === '') return true
    const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
    if (url?.protocol === 'embedded:') return url.hostname === '127.0.0.1'
    return url !== undefined && url.hostname !== '' && ['mqtt:', 'mqtts:'].includes(url.protocol)
  },
)

/** The domain's own option tables are the one place of their meanings and defaults; here they become keys. */
export function numbers<T extends object>(options: T, where: string): { readonly [K in keyof T]: Key<number> } {
  const key = (fallback: number): Key<number> => ({
    doc: `See ${where}`,
    default: fallback,
    check: must('a number, 0 or more', (value) => isNumber(value) && value >= 0),
  })
  return Object.fromEntries(Object.entries(options).map(([name, fallback]) => [name, key(fallback)])) as {
    readonly [K in keyof T]: Key<number>
  }
}

export const lineText = must(
  'a number in quotes, "chip-label:line-name", "pin:31" on a Jetson, or "" for none; never gpiochipN',
  (value) => typeof value === 'string' && (value === '' || parseLine(value) !== undefined),
)
export const lineName = (value: unknown) =>
  typeof value === 'number' ? `must be text: write "${value}"` : lineText(value)
export const lines = [...outputLines, ...inputLines] as readonly string[]
export const lineList = (doc: string): Key<readonly string[]> => ({
  doc,
  default: [],
  check: must(
    `a list of ${lines.map((line) => `"${line}"`).join(', ')}`,
    (value) => Array.isArray(value) && value.every((line) => lines.includes(line)),
  ),
})

export const names = (doc: string): Key<readonly string[]> => ({
  doc,
  default: [],
  check: must(
    'a list of names',
    (value) => Array.isArray(value) && value.every((name) => typeof name === 'string' && name.trim() !== ''),
  ),
})

export const isPoint = (value: unknown): value is readonly [number, number] =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber)
export function isCurve(value: unknown): value is Curve {
  if (!Array.isArray(value) || !value.every(isPoint) || value.at(-1)?.[1] !== 100) return false
  return value.every(([at, percent], i) => {
    const [before, least] = value[i - 1] ?? [Number.NEGATIVE_INFINITY, 0]
    return at > before && percent >= least
  })
}
export const curve = (doc: string): Key<Curve> => ({
  doc,
  default: [
    [40, 0],
    [50, 30],
    [75, 100],
  ],
  check: must('a list of [degrees, percent], degrees rising, percent never falling and 100 at the end', isCurve),
})

/** A number between two others. */
export const between = (doc: string, fallback: number, low: number, high: number): Key<number> => ({
  doc,
  default: fallback,
  check: must(`a number from ${low} to ${high}`, (value) => isNumber(value) && value >= low && value <= high),
})
export const secondsOrNull = (doc: string, least: number, most = 86_400): Key<number | null> => ({
  doc,
  default: null,
  check: must(
    `a number from ${least} to ${most}, or null`,
    (value) => value === null || (isNumber(value) && value >= least && value <= most),
  ),
})
/** Two numbers, the smaller first, or none. */
export const range = (doc: string, low: number, high: number): Key<readonly number[]> => ({
  doc,
  default: [],
  check: must(
    `a list of two numbers from ${low} to ${high}, the smaller first, or []`,
    (value) =>
      Array.isArray(value) &&
      (value.length === 0 ||
        (value.length === 2 &&
          value.every((one) => isNumber(one) && one >= low && one <= high) &&
          value[0] <= value[1])),
  ),
})

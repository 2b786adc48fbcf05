/** Keys that a JSON text names twice. JSON.parse keeps the last and tells nobody: a `blocked` would be gone. */

interface Level {
  /** Undefined in a list. */
  readonly keys: Map<string, number> | undefined
  readonly path: string
  /** What the next value belongs to: a key, or the place in a list. */
  at: string | number
}

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]/g

/**
 * The places of keys that one object has more than once, like `people.Rob` or `list[2].key`, each told once. Keys are
 * compared as they are read, so `"R\u006fb"` is `"Rob"`.
 * @param text valid JSON: it was parsed before.
 */
export function repeatedKeys(text: string): string[] {
  const repeated: string[] = []
  const levels: Level[] = []
  let last = ''
  for (const [part] of text.matchAll(token)) {
    const level = levels.at(-1)
    if (part === '{' || part === '[') {
      levels.push({ keys: part === '{' ? new Map() : undefined, path: level ? placeIn(level) : '', at: 0 })
    } else if (part === '}' || part === ']') {
      levels.pop()
    } else if (part === ':') {
      level!.at = JSON.parse(last) as string
      const times = (level!.keys!.get(level!.at) ?? 0) + 1
      level!.keys!.set(level!.at, times)
      if (times === 2) repeated.push(placeIn(level!))
    } else if (part === ',') {
      if (level!.keys === undefined) level!.at = (level!.at as number) + 1
    } else last = part
  }
  return repeated
}

const placeIn = ({ keys, path, at }: Level): string =>
  keys === undefined ? `${path}[${at}]` : path === '' ? String(at) : `${path}.${at}`

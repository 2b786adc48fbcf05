/** What drivers print in the recognizer process: lines for the log, of which a flood must not fill the disk. */
import type { Readable } from 'node:stream'
import { withoutPasswords } from '../domain/addresses.js'
import { TokenBucket } from '../domain/token-bucket.js'
import type { Clock, Log } from '../ports.js'

/** Longer lines are cut: a driver may print without ever ending one. */
const longest = 2_000
const longestRead = 2 * longest
/** So many lines at once, and then one in `everyMs`. libargus is known to print gigabytes when its daemon is gone. */
const atOnce = 50
const everyMs = 1_000

/** Calls `said` for each line of each stream, as it is: with the passwords that drivers print. */
export function followOutput(streams: readonly Readable[], said: (line: string) => void): void {
  const say = (line: string) => {
    if (line.trim() !== '') said(line.trimEnd())
  }
  for (const stream of streams) {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!.slice(0, longestRead)
      for (const line of lines) say(line)
    })
    stream.on('end', () => say(rest))
    stream.on('error', () => {})
  }
}

/** Logs lines and passes them on, without passwords, as many as are allowed; of the others it says how many they were. */
export function limitLines({ clock, log }: { clock: Clock; log: Log }, pass: (line: string) => void) {
  const allowed = new TokenBucket(atOnce, everyMs)
  let left = 0
  return (line: string): void => {
    if (!allowed.take(clock.now())) {
      left++
      return
    }
    if (left > 0) log.warn(`${left} lines of the recognizer's drivers were left out`)
    left = 0
    // Cut once more after that: an address that was cut in its password would not be known as one.
    const safe = withoutPasswords(line.slice(0, longestRead)).slice(0, longest)
    log.info(safe)
    pass(safe)
  }
}

/**
 * Full speed for a fan whose supervisor is killed: a shell that waits for the end of a pipe and then writes what the fan's
 * own release would have written. The kernel keeps the last duty of a fan for ever.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { Pwm } from '../ports.js'
import type { SysfsPwm } from './pwm-sysfs.js'

/** How long the keeper may take to leave, ms. */
const patienceMs = 1_000

/** What is ignored here is ignored by `cat`, too: only the end of the pipe ends it. */
const keeper = `trap '' HUP INT QUIT TERM; cat >/dev/null; while [ $# -gt 0 ]; do printf %s "$2" >"$1"; shift 2; done`

/** The keeper runs from now until `release`. */
export function keepCool(pwm: SysfsPwm): Pwm {
  // The keeper stands in the root folder, so that no file system is kept busy by it.
  const writes = pwm.lastWrites.flatMap(({ file, text }) => [resolve(file), text])
  const child = spawn('/bin/sh', ['-c', keeper, 'facelatch-fan', ...writes], {
    // A session of its own: what signals the supervisor's terminal or group does not reach it.
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without it the fan is still driven; it is the death of this process that nobody sees to.
  child.on('error', () => {})
  if (child.pid === undefined) return pwm
  child.stdin.on('error', () => {})
  child.unref()
  return {
    place: pwm.place,
    farewell: pwm.farewell,
    drive: (percent) => pwm.drive(percent),
    rpm: () => pwm.rpm(),
    async release() {
      if (child.exitCode === null && child.signalCode === null) {
        child.ref()
        const left = once(child, 'exit', { signal: AbortSignal.timeout(patienceMs) }).catch(() => {})
        child.stdin.end()
        await left
      }
      await pwm.release()
    },
  }
}

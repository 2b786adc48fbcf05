/** What a process holds of memory, by proc(5). */
import { readFileSync } from 'node:fs'

/**
 * Its largest resident set so far, bytes. The peak that getrusage(2) gives begins with that of the process that forked
 * this one.
 */
export const peakMemory = (pid: number | 'self' = 'self'): number => field(pid, 'VmHWM')

/** Its resident set, bytes. */
export const residentMemory = (pid: number | 'self' = 'self'): number => field(pid, 'VmRSS')

function field(pid: number | 'self', name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Number(kilobytes) * 1024
}

/** The machine's own clock. */
import { existsSync } from 'node:fs'
import type { Clock } from '../ports.js'

/** setTimeout fires at once for anything longer than a signed 32-bit number of milliseconds. */
const longestTimer = 2 ** 31 - 1

/**
 * `now`: CLOCK_MONOTONIC in milliseconds with a fraction. Linux counts it from boot, so that two processes can compare
 * their times; `performance.now` counts from the start of each process and cannot be compared.
 */
export const systemClock: Clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  wall: () => new Date(),
  after(ms, callback) {
    const due = systemClock.now() + ms
    let timer: NodeJS.Timeout
    // libuv rounds to whole milliseconds and may fire a fraction early: who waits for a deadline must find it passed.
    const wait = (left: number) => {
      timer = setTimeout(
        () => {
          const rest = due - systemClock.now()
          if (rest > 0) wait(rest)
          else callback()
        },
        Math.min(Math.max(Math.ceil(left), 0), longestTimer),
      )
    }
    wait(ms)
    return () => clearTimeout(timer)
  },
}

/** Where systemd-timesyncd is: https://www.freedesktop.org/software/systemd/man/systemd-timesyncd.service.html */
const timesync = '/run/systemd/timesync'

/**
 * Why times of other machines cannot be compared with our wall clock, where there is evidence of that. A board without a
 * battery starts with the time of its last shutdown, which is just where an old message would be believed.
 */
export function clockDoubt(folder = timesync): string | undefined {
  if (!existsSync(folder) || existsSync(`${folder}/synchronized`)) return undefined
  return 'our clock is not synchronised yet'
}

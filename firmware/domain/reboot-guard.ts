/**
 * Whether the machine may be rebooted for the camera's sake. The time that counts is the machine's own since it was
 * booted, so no clock on the wall, no lost file and no crash in between makes two reboots come closer than that. What is
 * remembered over reboots only makes them rarer: one that has not helped is followed by a longer wait.
 */

/** Kept over reboots. */
export interface RebootRecord {
  /** The kernel's boot id when it was asked for. */
  readonly boot: string
  /** Ms since that boot. */
  readonly at: number
  /** Reboots since the camera was last steady, this one included. */
  readonly inRow: number
}

export interface Boot {
  readonly id: string
  /** Ms since it, from a clock that nobody can set. */
  readonly now: number
}

const longestMs = 24 * 3600_000

/** How long the machine must have been up, ms. `leastMs`: 0 never reboots. */
export const rebootWaitMs = (leastMs: number, last: RebootRecord | undefined): number =>
  Math.max(leastMs, Math.min(longestMs, leastMs * 2 ** Math.min(last?.inRow ?? 0, 20)))

export function mayReboot(leastMs: number, last: RebootRecord | undefined, { id, now }: Boot): boolean {
  if (leastMs <= 0) return false
  const wait = rebootWaitMs(leastMs, last)
  // One that was asked for and did not come: of this very boot, so its time can be compared.
  const since = last?.boot === id ? now - last.at : now
  return since >= wait && now >= wait
}

export const rebooted = (last: RebootRecord | undefined, { id, now }: Boot): RebootRecord => ({
  boot: id,
  at: now,
  inRow: (last?.inRow ?? 0) + 1,
})

/**
 * Whether the wall clock can be believed. Boards without a battery wake up in 1970, and anybody who can reach the clock
 * can move it: a clock before this program was made is wrong, and one that has just jumped is not believed until it has
 * run steadily for a while. Rules that ask for no time do not wait for it.
 */

/** Ms. `wall` since 1970 UTC, `now` monotonic. */
export interface WallClock {
  readonly wall: number
  readonly now: number
  /** When the last jump was noticed. */
  readonly jumpedAt: number
}

/** No clock that is right shows an earlier time, ms since 1970 UTC. */
export const earliest = Date.UTC(2026, 10, 1)
/** More than any slewing of NTP between two looks, ms. */
const jumpMs = 120_000
/** A clock that was moved is believed after so much steady running, ms. */
export const settleMs = 60_000

/** `before`: the last look, none at the start. `jump`: ms forward, when it did. */
export function lookAtClock(
  before: WallClock | undefined,
  now: number,
  wall: number,
): { readonly clock: WallClock; readonly jump?: number } {
  if (before === undefined) return { clock: { wall, now, jumpedAt: Number.NEGATIVE_INFINITY } }
  const jump = wall - before.wall - (now - before.now)
  if (Math.abs(jump) <= jumpMs) return { clock: { wall, now, jumpedAt: before.jumpedAt } }
  // From nonsense to sense is how a board without a battery gets its time: there is nothing to wait for.
  const jumpedAt = before.wall < earliest && wall >= earliest ? before.jumpedAt : now
  return { clock: { wall, now, jumpedAt }, jump }
}

/** The time, ms since 1970 UTC; undefined while it cannot be believed. */
export function believedTime(clock: WallClock | undefined, now: number): number | undefined {
  if (clock === undefined || now - clock.jumpedAt < settleMs) return undefined
  const wall = clock.wall + (now - clock.now)
  return wall >= earliest ? wall : undefined
}

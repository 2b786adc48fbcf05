/** Doubling delays with a cap, for everything that is tried again. Pure: jitter is the caller's. */
export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
}

/** Delay before attempt `attempt`, counted from 0. Milliseconds. */
export const backoffMs = ({ firstMs, maxMs }: Backoff, attempt: number): number =>
  Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30))

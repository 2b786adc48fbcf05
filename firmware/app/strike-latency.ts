/** How long a verdict takes to reach the strike: from its message, and from the recognizer's own time of it. */
import { createHistogram } from 'node:perf_hooks'
import type { Spread } from './messages.js'

export interface StrikeTimes {
  readonly grants: number
  /** From the arrival of the sighting in this process to the driven line, ms. */
  readonly fromSighting: Spread & { readonly max: number }
  /** From the verdict in the recognizer's process, ms. */
  readonly fromVerdict: Spread & { readonly max: number }
}

export class StrikeLatency {
  readonly #fromSighting = createHistogram()
  readonly #fromVerdict = createHistogram()
  #pending: { readonly decided: number; readonly arrived: number } | undefined

  /** A sighting is about to be decided on. `Clock.now`, ms. */
  begin(decided: number, arrived: number): void {
    this.#pending = { decided, arrived }
  }

  /** The strike has just been powered; counts once a sighting. */
  struck(now: number): void {
    if (this.#pending === undefined) return
    const { decided, arrived } = this.#pending
    this.#pending = undefined
    this.#fromSighting.record(nanoseconds(now - arrived))
    this.#fromVerdict.record(nanoseconds(now - decided))
  }

  end(): void {
    this.#pending = undefined
  }

  /** Undefined before the first grant. */
  report(): StrikeTimes | undefined {
    if (this.#fromSighting.count === 0) return undefined
    return {
      grants: this.#fromSighting.count,
      fromSighting: spread(this.#fromSighting),
      fromVerdict: spread(this.#fromVerdict),
    }
  }
}

/** A histogram counts from 1. */
const nanoseconds = (ms: number) => Math.max(1, Math.round(ms * 1e6))
const spread = (times: ReturnType<typeof createHistogram>) => ({
  p50: times.percentile(50) / 1e6,
  p99: times.percentile(99) / 1e6,
  max: times.max / 1e6,
})

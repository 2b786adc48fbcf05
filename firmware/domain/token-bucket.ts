/** So many at once, and then one in a while. */
export class TokenBucket {
  readonly #size: number
  readonly #everyMs: number
  #tokens = 0
  /** Since when the next one is being earned. */
  #since = Number.NEGATIVE_INFINITY

  /** Full at first. */
  constructor(size: number, everyMs: number) {
    this.#size = size
    this.#everyMs = everyMs
  }

  /** Whether one more is allowed. `now`: any clock that never goes back, ms. */
  take(now: number): boolean {
    const earned = Math.floor((now - this.#since) / this.#everyMs)
    this.#tokens = Math.min(this.#size, this.#tokens + earned)
    this.#since = this.#tokens === this.#size ? now : this.#since + earned * this.#everyMs
    if (this.#tokens === 0) return false
    this.#tokens--
    return true
  }
}

/** Of a trouble that comes again and again so much is told as events: six in a row, then one in ten minutes. */
export const troublesTold = () => new TokenBucket(6, 600_000)

/** Which losses and returns of the recognizer are events: one that dies again and again must not fill the store. */
import { troublesTold } from '../domain/token-bucket.js'

export class RecognizerTold {
  readonly #tellable = troublesTold()
  /** Since the last loss that was told. */
  #untold = 0
  /** The last that was told is a loss, or nothing was told at all: the next return is told. */
  #away = true

  /** Detail of the event, or undefined where there is to be none. */
  lost(now: number): { readonly suppressed?: number } | undefined {
    if (!this.#tellable.take(now)) {
      this.#untold++
      return undefined
    }
    const suppressed = this.#untold
    this.#untold = 0
    this.#away = true
    return suppressed > 0 ? { suppressed } : {}
  }

  /** Whether it is to be told. */
  ready(): boolean {
    const told = this.#away
    this.#away = false
    return told
  }
}

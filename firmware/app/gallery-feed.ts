/**
 * Keeps the recognizer's gallery like the store's: everybody once, then whoever has changed. One part at a time: the next
 * is read when the recognizer has taken the one before, so that no size of gallery piles up between the two.
 */
import type { GalleryPart, GalleryPlace, Log, Store } from '../ports.js'

export interface GalleryFeedPorts {
  readonly store: Pick<Store, 'galleryPart'>
  readonly log: Log
  /** To the recognizer; where there is none, it is lost. */
  readonly send: (number: number, part: GalleryPart) => void
}

export class GalleryFeed {
  readonly #ports: GalleryFeedPorts
  /** Of the recognizer that runs. */
  #embedder: string | undefined
  #place: GalleryPlace | undefined
  /** There may be something to tell. */
  #due = false
  /** Being read, or on its way. */
  #part: GalleryPart | 'reading' | undefined
  #number = 0
  #revision = 0
  #complaint: string | undefined

  constructor(ports: GalleryFeedPorts) {
    this.#ports = ports
  }

  /**
   * The store's revision that whoever recognises has confirmed; 0 while it is still being told of people, undefined while
   * there is no recognizer, and nobody is recognised.
   */
  get revision(): number | undefined {
    return this.#embedder === undefined ? undefined : this.#revision
  }

  /** The store gives the recognizer nobody yet, and so its camera is not opened: no picture is to be expected. */
  get waits(): boolean {
    return this.#embedder !== undefined && this.#place === undefined && this.#complaint !== undefined
  }

  /** A recognizer is ready, which knows nobody. */
  begin(embedder: string): void {
    this.lost()
    this.#embedder = embedder
    this.follow()
  }

  lost(): void {
    this.#embedder = undefined
    this.#place = undefined
    this.#part = undefined
    this.#revision = 0
    this.#number++
  }

  /** People may have changed. */
  follow(): void {
    this.#due = true
    this.retry()
  }

  /** Regularly: what could not be read a moment ago is read again. */
  retry(): void {
    if (!this.#due || this.#part !== undefined || this.#embedder === undefined) return
    this.#due = false
    this.#part = 'reading'
    const number = ++this.#number
    this.#ports.store.galleryPart(this.#embedder, this.#place).then(
      (part) => {
        if (number !== this.#number) return
        this.#complaint = undefined
        this.#part = part
        // Nobody there to take it: it is lost, and the next one begins anew.
        this.#ports.send(number, part)
      },
      ({ message }: Error) => {
        if (number !== this.#number) return
        this.#part = undefined
        this.#due = true
        if (message !== this.#complaint) this.#ports.log.error(`cannot read the gallery: ${message}`)
        this.#complaint = message
      },
    )
  }

  /** The recognizer has taken that part: no frame is judged without it from now on. */
  taken(number: number): void {
    const part = this.#part
    if (number !== this.#number || part === undefined || part === 'reading') return
    this.#part = undefined
    this.#place = part.place
    if (!part.more) this.#revision = part.place.revision
    // The whole is as old as its first part: who has changed since is asked for at once.
    if (part.more || part.scope !== 'changes') this.#due = true
    this.retry()
  }
}

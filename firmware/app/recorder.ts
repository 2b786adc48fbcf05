/**
 * Events on their way to the store and on to the broker. An event is durable before it is published; while the store
 * fails, events wait in memory, in order, and the door does not wait for them.
 */
import { accessEvents, type NewEvent, type StoredEvent } from '../domain/events.js'
import type { Broker, Clock, Log, Store } from '../ports.js'

/** Events kept in memory while the store fails; beyond this the oldest telemetry goes first, and never an access event. */
const waitingLimit = 10_000
const storeRetryMs = 2_000
const sendRetryMs = 1_000

export interface RecorderPorts {
  readonly store: Store
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  /** Told of every event as it happens. */
  readonly heard?: (event: NewEvent, at: Date) => void
}

/** An event that reaches the broker this much later than it happened is marked as replayed, ms. */
const lateMs = 2_000

interface Waiting {
  readonly event: NewEvent
  /** When it happened, which may be long before it is stored. */
  readonly at: Date
  readonly takenAt: number
  readonly stored?: (id: string) => void
}

export class Recorder {
  readonly #ports: RecorderPorts
  readonly #onStore: (ok: boolean, reason?: string) => void
  readonly #waiting: Waiting[] = []
  /** `Clock.now` of events of this run that are still to be sent, by seq. */
  readonly #takenAt = new Map<number, number>()
  #storing = false
  #sending = false
  #storeOk = true
  #closed = false
  #idle: (() => void)[] = []

  constructor(ports: RecorderPorts, onStore: (ok: boolean, reason?: string) => void) {
    this.#ports = ports
    this.#onStore = onStore
    ports.broker.onConnection((connected) => connected && void this.#send())
  }

  /** Takes the event at once; `stored` is called with its id once it is durable. */
  record(event: NewEvent, stored?: (id: string) => void): void {
    const { clock, heard } = this.#ports
    const at = clock.wall()
    this.#waiting.push({ event, at, takenAt: clock.now(), ...(stored && { stored }) })
    heard?.(event, at)
    if (this.#waiting.length > waitingLimit) this.#makeRoom()
    void this.#store()
  }

  #makeRoom(): void {
    // Not the first one: it may be on its way into the store.
    const index = this.#waiting.findIndex(({ event }, i) => i > 0 && !accessEvents.includes(event.type))
    if (index < 0) return
    const [lost] = this.#waiting.splice(index, 1)
    this.#ports.log.error('an event was lost: the store has failed for too long', {
      type: lost!.event.type,
      kept: waitingLimit,
    })
  }

  /** Sends what the store holds: events of an earlier run, or those that it took together with people. */
  resume(): void {
    void this.#send()
  }

  /** Resolves when everything taken is stored, and sent as far as there is a connection. */
  async drain(): Promise<void> {
    while (this.#storing || this.#sending) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Answers how many events never reached the store. */
  close(): number {
    this.#closed = true
    return this.#waiting.length
  }

  async #store(): Promise<void> {
    if (this.#storing) return
    this.#storing = true
    while (this.#waiting.length > 0 && !this.#closed) {
      const { event, at, takenAt, stored } = this.#waiting[0]!
      try {
        const row = await this.#ports.store.append(event, !this.#ports.broker.connected, at)
        this.#waiting.shift()
        this.#takenAt.set(row.seq, takenAt)
        if (this.#takenAt.size > waitingLimit) this.#takenAt.delete(this.#takenAt.keys().next().value!)
        this.#ports.log.info(event.type, {
          seq: row.seq,
          person: row.person,
          similarity: row.similarity,
          track: row.track,
          ...row.detail,
        })
        stored?.(row.id)
        if (!this.#storeOk) this.#tellStore(true)
        void this.#send()
      } catch (error) {
        if (this.#storeOk) this.#tellStore(false, (error as Error).message)
        // Said now, kept when the store is back: a fault of the disk must not silence an alarm.
        await new Promise<void>((resolve) => this.#ports.clock.after(storeRetryMs, resolve))
      }
    }
    this.#storing = false
    this.#wake()
  }

  #tellStore(ok: boolean, reason?: string): void {
    this.#storeOk = ok
    this.#onStore(ok, reason)
  }

  /** One at a time, oldest first: order is kept, and what failed is what is sent next. */
  async #send(): Promise<void> {
    if (this.#sending || this.#closed) return
    this.#sending = true
    const { store, broker, log } = this.#ports
    try {
      while (broker.connected && !this.#closed) {
        const outgoing = await store.nextOutgoing()
        if (!outgoing) break
        const { event } = outgoing
        const replayed = outgoing.replayed || this.#age(event) > lateMs
        const { detail, seq, ...fields } = event
        const payload = JSON.stringify({ ...detail, ...fields, seq, ...(replayed ? { replayed: true } : {}) })
        try {
          await broker.publish('event', payload)
        } catch {
          await store.outgoingFailed(seq)
          // A broker that stays and still does not take it must not be asked without a pause.
          if (broker.connected) await new Promise<void>((resolve) => this.#ports.clock.after(sendRetryMs, resolve))
          continue
        }
        this.#takenAt.delete(seq)
        await store.outgoingSent(seq)
      }
    } catch (error) {
      log.error(`cannot read the outbox: ${(error as Error).message}`)
    }
    this.#sending = false
    this.#wake()
  }

  /** Since it happened, ms. Events that the store took together with people have only their wall clock. */
  #age({ seq, at }: StoredEvent): number {
    const { clock } = this.#ports
    const takenAt = this.#takenAt.get(seq)
    return takenAt === undefined ? clock.wall().getTime() - Date.parse(at) : clock.now() - takenAt
  }

  #wake(): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

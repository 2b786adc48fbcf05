/**
 * Events on their way to the store and on to the broker. An event is durable before it is published. While the store
 * fails, events wait in memory, in order, and the door does not wait for them; they are told from there, marked
 * `stored: false` and without a number, and once more under the same id when the store has them.
 */
import { accessEvents, type NewEvent, type StoredEvent } from '../domain/events.js'
import type { Broker, Clock, Log, Store } from '../ports.js'

/** Events kept in memory while the store fails; beyond this the oldest telemetry goes first, then the oldest of all. */
const waitingLimit = 10_000
const storeRetryMs = 2_000
const sendRetryMs = 1_000

export interface RecorderPorts {
  readonly store: Store
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  /** Unique for ever. */
  readonly newId: () => string
  /** Told of every event as it happens. */
  readonly heard?: (event: NewEvent, at: Date) => void
}

/** An event that reaches the broker this much later than it happened is marked as replayed, ms. */
const lateMs = 2_000

interface Waiting {
  readonly event: NewEvent
  readonly id: string
  /** When it happened, which may be long before it is stored. */
  readonly at: Date
  readonly takenAt: number
  readonly stored?: (id: string) => void
  /** It was told, or is just being told, from memory. */
  told: boolean
  /** It stands in the log already. */
  logged: boolean
}

/** What is told next, and what becomes of it then. */
interface Next {
  readonly payload: string
  done(): Promise<void>
  failed(): Promise<void>
}

export class Recorder {
  readonly #ports: RecorderPorts
  readonly #onStore: (ok: boolean, reason?: string, lost?: number) => void
  readonly #waiting: Waiting[] = []
  /** `Clock.now` of events of this run that are still to be sent, by seq. */
  readonly #takenAt = new Map<number, number>()
  #storing = false
  #sending = false
  #storeOk = true
  /** Events that there was no room for since the store failed. */
  #lost = 0
  /** Events that were sent while the store could not note it, by seq; the last one is the greatest. */
  #unnoted: number[] = []
  #closed = false
  #idle: (() => void)[] = []

  /** `onStore`: whether the store takes events, when that changed; and how many were lost while it did not. */
  constructor(ports: RecorderPorts, onStore: (ok: boolean, reason?: string, lost?: number) => void) {
    this.#ports = ports
    this.#onStore = onStore
    ports.broker.onConnection((connected) => connected && void this.#send())
  }

  /** Takes the event at once; `stored` is called with its id once it is durable. */
  record(event: NewEvent, stored?: (id: string) => void): void {
    const { clock, newId, heard } = this.#ports
    const taken = { id: newId(), at: clock.wall(), takenAt: clock.now(), told: false, logged: false }
    const waiting: Waiting = { event, ...taken, ...(stored && { stored }) }
    this.#waiting.push(waiting)
    if (!this.#storeOk) this.#log(waiting)
    heard?.(event, taken.at)
    if (this.#waiting.length > waitingLimit) this.#makeRoom()
    void this.#store()
    if (!this.#storeOk) void this.#send()
  }

  #makeRoom(): void {
    // Not the first one: it may be on its way into the store.
    const telemetry = this.#waiting.findIndex(({ event }, i) => i > 0 && !accessEvents.includes(event.type))
    const [lost] = this.#waiting.splice(Math.max(1, telemetry), 1)
    if (this.#lost++ === 0)
      this.#ports.log.error('events are lost: the store has failed for too long', {
        first: lost!.event.type,
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
      const first = this.#waiting[0]!
      const { event, id, at, takenAt, stored } = first
      try {
        const late = first.told || !this.#ports.broker.connected
        const row = await this.#ports.store.append(event, late, at, id)
        this.#waiting.shift()
        this.#takenAt.set(row.seq, takenAt)
        if (this.#takenAt.size > waitingLimit) this.#takenAt.delete(this.#takenAt.keys().next().value!)
        this.#log(first, row)
        stored?.(row.id)
        if (!this.#storeOk) this.#tellStore(true)
        void this.#send()
      } catch (error) {
        if (this.#storeOk) this.#tellStore(false, (error as Error).message)
        // Told now, kept when the store is back: a fault of the disk must not silence an alarm.
        for (const waiting of this.#waiting) this.#log(waiting)
        void this.#send()
        await new Promise<void>((resolve) => this.#ports.clock.after(storeRetryMs, resolve))
      }
    }
    this.#storing = false
    this.#wake()
  }

  /** Once: with its number, or without while the store fails. */
  #log(waiting: Waiting, row?: StoredEvent): void {
    if (waiting.logged) return
    waiting.logged = true
    const { type, person, similarity, track, detail } = row ?? waiting.event
    const place = row === undefined ? { stored: false } : { seq: row.seq }
    this.#ports.log.info(type, { ...place, person, similarity, track, ...detail })
  }

  #tellStore(ok: boolean, reason?: string): void {
    this.#storeOk = ok
    const lost = this.#lost
    if (ok) this.#lost = 0
    this.#onStore(ok, reason, lost)
  }

  /** One at a time, oldest first: order is kept, and what failed is what is sent next. */
  async #send(): Promise<void> {
    if (this.#sending || this.#closed) return
    this.#sending = true
    const { broker } = this.#ports
    while (broker.connected && !this.#closed) {
      const next = await this.#nextStored().then((stored) => stored ?? this.#nextInMemory())
      if (!next) break
      try {
        await broker.publish('event', next.payload)
      } catch {
        await next.failed()
        // A broker that stays and still does not take it must not be asked without a pause.
        if (broker.connected) await new Promise<void>((resolve) => this.#ports.clock.after(sendRetryMs, resolve))
        continue
      }
      await next.done()
    }
    this.#sending = false
    this.#wake()
  }

  /** Of the outbox. What was sent and could not be noted is passed over: a disk that is full must not repeat it. */
  async #nextStored(): Promise<Next | undefined> {
    const { store, log } = this.#ports
    try {
      while (this.#storeOk && this.#unnoted.length > 0) {
        await store.outgoingSent(this.#unnoted[0]!)
        this.#unnoted.shift()
      }
    } catch {
      // Next time.
    }
    try {
      const outgoing = await store.nextOutgoing(this.#unnoted.at(-1))
      if (!outgoing) return undefined
      const { event } = outgoing
      const { seq } = event
      const replayed = outgoing.replayed || this.#age(event) > lateMs
      return {
        payload: payloadOf(event, replayed),
        done: async () => {
          this.#takenAt.delete(seq)
          await store.outgoingSent(seq).catch(() => this.#unnoted.push(seq))
        },
        failed: () => store.outgoingFailed(seq).catch(() => {}),
      }
    } catch (error) {
      if (this.#storeOk) log.error(`cannot read the outbox: ${(error as Error).message}`)
      return undefined
    }
  }

  /** While the store fails. What it holds is older and was asked for first. */
  #nextInMemory(): Next | undefined {
    const waiting = this.#storeOk ? undefined : this.#waiting.find(({ told }) => !told)
    if (!waiting) return undefined
    const { event, id, at, takenAt } = waiting
    waiting.told = true
    const replayed = this.#ports.clock.now() - takenAt > lateMs
    return {
      payload: payloadOf({ ...event, id, at: at.toISOString() }, replayed),
      done: async () => {},
      failed: async () => {
        waiting.told = false
      },
    }
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

/** Without a `seq` it is in no store yet. */
function payloadOf(event: Omit<StoredEvent, 'seq'> & { readonly seq?: number }, replayed: boolean): string {
  const { detail, seq, ...fields } = event
  const place = seq === undefined ? { stored: false } : { seq }
  return JSON.stringify({ ...detail, ...fields, ...place, ...(replayed && { replayed: true }) })
}

/**
 * What the running appliance can say of itself: one account behind `facelatch status`, the metrics and crash reports.
 * It overhears what the home is told, and adds what the home is not: how often what happened, and since when.
 */
import type { LockState } from '../domain/door.js'
import type { SessionPhase } from '../domain/enrolment-session.js'
import type { NewEvent } from '../domain/events.js'
import type { FanState } from '../domain/fan.js'
import type { Mode } from '../domain/rules.js'
import type { Broker, Clock } from '../ports.js'
import type { HealthTopic } from './health.js'
import type { StoreAccount } from './store-watch.js'
import type { RejectedConfig, StateReport } from './supervisor-types.js'

export interface AccountFacts {
  readonly version: string
  readonly device: { readonly id: string; readonly name: string }
  readonly pid: number
  /** `host:port` of the broker; undefined where none is configured. */
  readonly broker?: string
  readonly rejected?: RejectedConfig
}

/** An event as people want to see it at a glance. */
export interface Happening {
  readonly at: string
  readonly type: string
  readonly person?: string
}

/** What the home is told to remember. Each is absent until it was told the first time. */
export interface Topics {
  readonly 'lock/state'?: LockState
  readonly 'door/state'?: string
  readonly 'mode/state'?: Mode
  readonly 'alarm/state'?: Readonly<Record<string, boolean>>
  readonly 'enrol/state'?: { readonly state: SessionPhase }
  readonly 'fan/state'?: Partial<Pick<FanState, 'celsius' | 'percent' | 'rpm' | 'fault'>>
  readonly state?: StateReport
  readonly health?: HealthTopic
}

export interface Account extends AccountFacts {
  readonly startedAt: string
  readonly uptimeSeconds: number
  readonly connected: boolean
  /** The store's revision that the recognizer's gallery has come to; absent while nobody is recognised. */
  readonly galleryRevision?: number
  /** Absent until the store was looked at. */
  readonly store?: StoreAccount
  /** The newest value of each retained topic, parsed where it is JSON. */
  readonly topics: Topics
  /** Since the start, by type. */
  readonly events: Readonly<Record<string, number>>
  /** How often the recognizer was lost since the start, told or not. */
  readonly recognizerLosses: number
  /** The newest ones, newest first. */
  readonly latest: readonly Happening[]
}

const latestKept = 5
/** Told to Home Assistant alone. */
const isForOthers = (topic: string) => topic.startsWith('/')

export class Accountant {
  readonly #facts: AccountFacts
  readonly #clock: Clock
  readonly #startedAt: Date
  readonly #begun: number
  readonly #topics = new Map<string, string>()
  readonly #events = new Map<string, number>()
  #latest: readonly Happening[] = []
  #connected = false
  #losses = 0
  /** Asked for each account. */
  galleryRevision: () => number | undefined = () => undefined
  /** Asked for each account. */
  store: () => StoreAccount | undefined = () => undefined

  constructor(facts: AccountFacts, clock: Clock) {
    this.#facts = facts
    this.#clock = clock
    this.#startedAt = clock.wall()
    this.#begun = clock.now()
  }

  /** The broker as the rest of the program uses it. */
  overhear(broker: Broker): Broker {
    const note = (topic: string, payload: string | Buffer) => {
      if (typeof payload === 'string' && !isForOthers(topic)) this.#topics.set(topic, payload)
    }
    broker.onConnection((connected) => {
      this.#connected = connected
    })
    return {
      start: () => broker.start(),
      get connected() {
        return broker.connected
      },
      onConnection: (listener) => broker.onConnection(listener),
      onCommand: (listener) => broker.onCommand(listener),
      state(topic, payload) {
        note(topic, payload)
        broker.state(topic, payload)
      },
      refresh: () => broker.refresh(),
      publish: (topic, payload) => broker.publish(topic, payload),
      stop: () => broker.stop(),
    }
  }

  heard({ type, person }: NewEvent, at: Date): void {
    this.#events.set(type, (this.#events.get(type) ?? 0) + 1)
    const happening = { at: at.toISOString(), type, ...(person !== undefined && { person }) }
    this.#latest = [happening, ...this.#latest].slice(0, latestKept)
  }

  recognizerLost(): void {
    this.#losses++
  }

  report(): Account {
    const galleryRevision = this.galleryRevision()
    const store = this.store()
    return {
      ...this.#facts,
      startedAt: this.#startedAt.toISOString(),
      uptimeSeconds: Math.round((this.#clock.now() - this.#begun) / 1000),
      connected: this.#connected,
      ...(galleryRevision !== undefined && { galleryRevision }),
      ...(store && { store }),
      topics: Object.fromEntries([...this.#topics].map(([topic, payload]) => [topic, parsed(payload)])),
      events: Object.fromEntries(this.#events),
      recognizerLosses: this.#losses,
      latest: this.#latest,
    }
  }
}

function parsed(payload: string): unknown {
  try {
    return payload.startsWith('{') ? JSON.parse(payload) : payload
  } catch {
    return payload
  }
}

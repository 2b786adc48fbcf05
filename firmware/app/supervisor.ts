/**
 * What the supervisor decides: events in, effects out. No I/O and no clock of its own; `effects.ts` carries the effects
 * out, in their order, so that the strike is driven before anything is written or published.
 */
import {
  type DoorEvent,
  type DoorOptions,
  type DoorState,
  type DoorTimer,
  initialDoor,
  phase,
  stepDoor,
} from '../domain/door.js'
import type { NewEvent } from '../domain/events.js'
import { Visits, type VisitsOptions } from '../domain/visits.js'
import type { BrokerCommand, InputLine } from '../ports.js'
import type { CameraStatus, FromRecognizer, Health } from './messages.js'

export interface SupervisorOptions {
  readonly door: DoorOptions
  readonly visits: VisitsOptions
  /** A sighting older than this opens nothing, ms. */
  readonly maxSightingAgeMs: number
  readonly remoteUnlock: boolean
  /** The strike's level when nobody guards the door: powered in fail-safe mode. */
  readonly restingStrike: boolean
  readonly snapshots: boolean
}

export type SupervisorEvent =
  | { readonly type: 'boot'; readonly doorOpen: boolean }
  | { readonly type: 'input'; readonly line: InputLine; readonly on: boolean }
  | { readonly type: 'timeout'; readonly timer: DoorTimer }
  | { readonly type: 'recognizer'; readonly message: FromRecognizer; readonly now: number }
  | { readonly type: 'recognizer-lost'; readonly reason: string; readonly restartMs: number }
  | { readonly type: 'command'; readonly command: BrokerCommand; readonly now: number }
  | { readonly type: 'people'; readonly count: number }
  | { readonly type: 'store'; readonly ok: boolean; readonly reason?: string }
  | { readonly type: 'stop' }

export type Effect =
  | { readonly do: 'strike'; readonly on: boolean }
  | { readonly do: 'led'; readonly on: boolean }
  | { readonly do: 'timer'; readonly timer: DoorTimer; readonly ms: number }
  | { readonly do: 'cancel'; readonly timer: DoorTimer }
  | { readonly do: 'record'; readonly event: NewEvent; readonly snapshot?: number }
  | { readonly do: 'publish'; readonly topic: string; readonly value: string }
  | { readonly do: 'send-gallery'; readonly embedder: string }
  | { readonly do: 'publish-snapshot'; readonly png: Uint8Array }
  | { readonly do: 'publish-health'; readonly health: Health }
  | { readonly do: 'tell'; readonly message: string }
  | { readonly do: 'complain'; readonly message: string }

/** The retained `state` topic. Figures that change by the second stand in the `health` topic. */
export interface StateReport {
  readonly recognizer: 'starting' | 'running' | 'down'
  readonly camera: CameraStatus
  readonly door: string
  readonly people: number
  readonly store: 'ok' | 'fault'
  readonly engine?: string
  readonly embedder?: string
  readonly threshold?: number
}

/** At most so many refusals are told in so many ms. */
const mostRefusals = 10
const refusalsPerMs = 60_000

/** How often the `health` topic is published, ms. */
const healthEveryMs = 10_000

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #visits: Visits
  #door: DoorState = initialDoor
  #report: StateReport = { recognizer: 'starting', camera: 'opening', door: 'locked', people: 0, store: 'ok' }
  readonly #published = new Map<string, string>()
  #refusals = { since: Number.NEGATIVE_INFINITY, told: 0, silent: 0 }
  #healthAt = Number.NEGATIVE_INFINITY
  #endPublished = false
  #cameraReason: string | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#visits = new Visits(options.visits)
  }

  get door(): DoorState {
    return this.#door
  }

  get report(): StateReport {
    return this.#report
  }

  step(event: SupervisorEvent): Effect[] {
    const effects = this.#react(event)
    this.#report = { ...this.#report, door: phase(this.#door) }
    return [...effects, ...this.#states()]
  }

  #react(event: SupervisorEvent): Effect[] {
    switch (event.type) {
      case 'boot':
        return [...this.#stepDoor({ type: 'boot', open: event.doorOpen }), record({ type: 'started' })]
      case 'input':
        return this.#input(event.line, event.on)
      case 'timeout':
        return this.#stepDoor({ type: 'timeout', timer: event.timer })
      case 'recognizer':
        return this.#recognizer(event.message, event.now)
      case 'recognizer-lost':
        this.#visits.reset()
        this.#report = { ...this.#report, recognizer: 'down' }
        return [
          record({ type: 'recognizer_lost', detail: { reason: event.reason, restartMs: Math.round(event.restartMs) } }),
        ]
      case 'command':
        return this.#command(event.command, event.now)
      case 'people':
        this.#report = { ...this.#report, people: event.count }
        return this.#sendGallery()
      case 'store':
        this.#report = { ...this.#report, store: event.ok ? 'ok' : 'fault' }
        return event.ok
          ? []
          : [{ do: 'complain', message: `the store cannot keep events: ${event.reason}; they wait in memory` }]
      case 'stop':
        return [
          ...this.#stepDoor({ type: 'lock' }),
          { do: 'strike', on: this.#options.restingStrike },
          record({ type: 'stopped' }),
        ]
    }
  }

  #input(line: InputLine, on: boolean): Effect[] {
    switch (line) {
      case 'exit':
        return on ? this.#stepDoor({ type: 'grant', by: 'exit' }) : []
      case 'door':
        return this.#stepDoor({ type: 'leaf', open: on })
      case 'tamper':
        return on ? [record({ type: 'tamper' })] : []
      case 'enrol':
        return []
    }
  }

  #recognizer(message: FromRecognizer, now: number): Effect[] {
    switch (message.type) {
      case 'ready': {
        const { engine, embedder, threshold, fallback, notes = [] } = message
        this.#visits.reset()
        this.#report = { ...this.#report, recognizer: 'running', camera: 'opening', engine, embedder, threshold }
        return [
          record({ type: 'recognizer_ready', detail: { engine, embedder, threshold } }),
          ...(fallback === undefined
            ? []
            : [record({ type: 'engine_fallback', detail: { engine, reason: fallback } })]),
          ...notes.map((message): Effect => ({ do: 'tell', message })),
          ...this.#sendGallery(),
        ]
      }
      case 'camera':
        return this.#camera(message.status, message.reason)
      case 'health':
        return this.#health(message.health, now)
      case 'snapshot':
        return [{ do: 'publish-snapshot', png: message.png }]
      case 'fatal':
        return [{ do: 'complain', message: message.reason }]
      case 'sighting': {
        if (now - message.arrived > this.#options.maxSightingAgeMs || message.arrived > now) return []
        const seen = message.tracks.map(({ id, verdict, verified }) => ({ track: id, verdict, verified }))
        const { events, grants } = this.#visits.see(seen, now)
        const opening = grants.flatMap((grant) => this.#stepDoor({ type: 'grant', by: 'face', ...grant }))
        const told = events.map((event) => record(event, this.#options.snapshots ? event.track : undefined))
        // Driven first, told in the order it happened: seen, then let in.
        return [
          ...opening.filter((effect) => effect.do !== 'record'),
          ...told,
          ...opening.filter((effect) => effect.do === 'record'),
        ]
      }
    }
  }

  /** The recognizer looks at nobody before it has its first gallery. */
  #sendGallery(): Effect[] {
    const { recognizer, embedder } = this.#report
    return recognizer === 'running' && embedder !== undefined ? [{ do: 'send-gallery', embedder }] : []
  }

  #camera(status: 'live' | 'fault' | 'ended', reason?: string): Effect[] {
    const before = this.#report.camera
    this.#report = { ...this.#report, camera: status }
    if (status === 'ended') return [{ do: 'tell', message: 'the recording has ended' }]
    // One event an outage, however often it is tried again, unless it fails in another way.
    const same = before === 'fault' && reason === this.#cameraReason
    this.#cameraReason = reason
    if (status === 'fault')
      return same ? [] : [record({ type: 'camera_fault', detail: { reason: reason ?? 'unknown' } })]
    return status === 'live' && before === 'fault' ? [record({ type: 'camera_restored' })] : []
  }

  /** A command is obeyed only when it is new, understood and allowed; whatever else is refused, and the refusal is told. */
  #command({ topic, payload, retained }: BrokerCommand, now: number): Effect[] {
    // An empty payload is how a retained message is cleared.
    if (payload.length === 0) return []
    const refuse = (reason: string) => this.#refuse(topic, reason, now)
    if (retained) return refuse('a retained command is never obeyed')
    if (topic !== 'lock/set') return refuse('no such command')
    if (!this.#options.remoteUnlock) return refuse('remote unlocking is off: mqtt.remoteUnlock')
    switch (payload.toString('utf8').trim()) {
      case 'UNLOCK':
        return this.#stepDoor({ type: 'grant', by: 'remote' })
      case 'LOCK':
        return this.#stepDoor({ type: 'lock' })
      default:
        return refuse('the payload must be LOCK or UNLOCK')
    }
  }

  /** Whoever may publish must not be able to flood the audit log: what goes beyond the rate is counted and told later. */
  #refuse(topic: string, reason: string, now: number): Effect[] {
    if (now - this.#refusals.since >= refusalsPerMs)
      this.#refusals = { since: now, told: 0, silent: this.#refusals.silent }
    if (this.#refusals.told >= mostRefusals) {
      this.#refusals.silent++
      return []
    }
    const { silent } = this.#refusals
    this.#refusals.told++
    this.#refusals.silent = 0
    return [record({ type: 'refused', detail: { topic, reason, ...(silent > 0 && { suppressed: silent }) } })]
  }

  #stepDoor(event: DoorEvent): Effect[] {
    const { state, effects } = stepDoor(this.#door, event, this.#options.door)
    const lit = state.strike !== this.#door.strike
    this.#door = state
    return lit ? [...effects, { do: 'led', on: state.strike }] : [...effects]
  }

  /** Each account is a heartbeat; one is published now and then, and the last one of a recording at once. */
  #health(health: Health, now: number): Effect[] {
    const ended = health.camera === 'ended' && !this.#endPublished
    if (!ended && now - this.#healthAt < healthEveryMs) return []
    this.#healthAt = now
    this.#endPublished = health.camera === 'ended'
    return [{ do: 'publish-health', health }]
  }

  /** Retained topics whose value changed. */
  #states(): Effect[] {
    const states: [topic: string, value: string][] = [
      ['lock/state', this.#door.strike ? 'UNLOCKED' : 'LOCKED'],
      ['state', JSON.stringify(this.#report)],
    ]
    if (this.#options.door.sensor) states.push(['door/state', this.#door.leaf])
    return states.flatMap(([topic, value]) => {
      if (this.#published.get(topic) === value) return []
      this.#published.set(topic, value)
      return [{ do: 'publish', topic, value } satisfies Effect]
    })
  }
}

const record = (event: NewEvent, snapshot?: number): Effect =>
  snapshot === undefined ? { do: 'record', event } : { do: 'record', event, snapshot }

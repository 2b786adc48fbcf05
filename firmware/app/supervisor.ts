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
import type { Saving, SessionEffect, SessionTimer } from '../domain/enrolment-session.js'
import type { NewEvent } from '../domain/events.js'
import type { SignalTimer } from '../domain/signals.js'
import { Visits, type VisitsOptions } from '../domain/visits.js'
import type { BrokerCommand, InputLine } from '../ports.js'
import { Enrolling, type EnrollingOptions, type EnrolmentAnswer } from './enrolling.js'
import type { CameraStatus, FromRecognizer, Health } from './messages.js'
import { Signals } from './signals.js'

export interface SupervisorOptions {
  readonly door: DoorOptions
  readonly visits: VisitsOptions
  /** A sighting older than this opens nothing, ms. */
  readonly maxSightingAgeMs: number
  readonly remoteUnlock: boolean
  /** The strike's level when nobody guards the door: powered in fail-safe mode. */
  readonly restingStrike: boolean
  readonly snapshots: boolean
  readonly enrolment: EnrollingOptions
}

export type Timer = DoorTimer | SessionTimer | SignalTimer

export type SupervisorEvent =
  | { readonly type: 'boot'; readonly doorOpen: boolean }
  /** Without `now` the enrolment button does nothing: it asks who was here a moment ago. */
  | { readonly type: 'input'; readonly line: InputLine; readonly on: boolean; readonly now?: number }
  | { readonly type: 'timeout'; readonly timer: Timer }
  | { readonly type: 'enrolment'; readonly answer: EnrolmentAnswer }
  | { readonly type: 'broker'; readonly connected: boolean }
  | { readonly type: 'recognizer'; readonly message: FromRecognizer; readonly now: number }
  | { readonly type: 'recognizer-lost'; readonly reason: string; readonly restartMs: number }
  | { readonly type: 'command'; readonly command: BrokerCommand; readonly now: number }
  | { readonly type: 'people'; readonly count: number }
  | { readonly type: 'store'; readonly ok: boolean; readonly reason?: string }
  | { readonly type: 'stop' }

export type Effect =
  | { readonly do: 'strike'; readonly on: boolean }
  | { readonly do: 'led' | 'buzzer'; readonly on: boolean }
  | { readonly do: 'timer'; readonly timer: Timer; readonly ms: number }
  | { readonly do: 'cancel'; readonly timer: Timer }
  /** All of them, and none is set any more: a process that ends waits for no blink. */
  | { readonly do: 'end-timers' }
  | { readonly do: 'watch-faces'; readonly session: number | undefined }
  | {
      readonly do: 'save-person'
      readonly saving: Saving
      readonly embedder: string
      readonly admins: readonly string[]
    }
  | { readonly do: 'undo-enrolment' }
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
  readonly #enrolling: Enrolling
  readonly #signals = new Signals()
  #broker = true
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
    this.#enrolling = new Enrolling(options.enrolment)
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
    return [...effects, ...this.#show(event, effects), ...this.#states()]
  }

  #react(event: SupervisorEvent): Effect[] {
    switch (event.type) {
      case 'boot':
        return [...this.#stepDoor({ type: 'boot', open: event.doorOpen }), record({ type: 'started' })]
      case 'input':
        return this.#input(event.line, event.on, event.now)
      case 'timeout':
        return this.#timeout(event.timer)
      case 'enrolment':
        return [...toldBy(event.answer), ...this.#enrol(this.#enrolling.answer(event.answer))]
      case 'broker':
        this.#broker = event.connected
        return []
      case 'recognizer':
        return this.#recognizer(event.message, event.now)
      case 'recognizer-lost':
        this.#visits.reset()
        this.#report = { ...this.#report, recognizer: 'down' }
        return [
          record({ type: 'recognizer_lost', detail: { reason: event.reason, restartMs: Math.round(event.restartMs) } }),
          ...this.#enrol(this.#enrolling.recognizerLost()),
        ]
      case 'command':
        return this.#command(event.command, event.now)
      case 'people':
        this.#report = { ...this.#report, people: event.count }
        return [...this.#sendGallery(), ...this.#enrol(this.#enrolling.people(event.count))]
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
          { do: 'end-timers' },
        ]
    }
  }

  #timeout(timer: Timer): Effect[] {
    switch (timer) {
      case 'signal-led':
      case 'signal-buzzer':
        return [...this.#signals.timeout(timer)]
      case 'enrol-hold':
      case 'enrol-limit':
      case 'enrol-show':
        return this.#enrol(this.#enrolling.timeout(timer))
      default:
        return this.#stepDoor({ type: 'timeout', timer })
    }
  }

  #input(line: InputLine, on: boolean, now?: number): Effect[] {
    switch (line) {
      case 'exit':
        return on ? this.#stepDoor({ type: 'grant', by: 'exit' }) : []
      case 'door':
        return this.#stepDoor({ type: 'leaf', open: on })
      case 'tamper':
        return on ? [record({ type: 'tamper' })] : []
      case 'enrol':
        return now === undefined ? [] : this.#enrol(this.#enrolling.press(on, now), now)
    }
  }

  #recognizer(message: FromRecognizer, now: number): Effect[] {
    return [...this.#heard(message, now), ...this.#enrol(this.#enrolling.recognizer(message, now), now)]
  }

  #heard(message: FromRecognizer, now: number): Effect[] {
    switch (message.type) {
      case 'sample':
        return []
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
        for (const { verdict, verified } of seen)
          if (verified && verdict.kind === 'known') this.#enrolling.seen(verdict.person, now)
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
    if (topic === 'enrol/set') return this.#enrolCommand(payload.toString('utf8'), refuse, now)
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

  #enrolCommand(payload: string, refuse: (reason: string) => Effect[], now: number): Effect[] {
    let effects: readonly SessionEffect[]
    try {
      effects = this.#enrolling.command(payload)
    } catch (error) {
      return refuse((error as Error).message)
    }
    return this.#enrol(effects, now)
  }

  /** The session's effects are the supervisor's, but for what only it knows. */
  #enrol(effects: readonly SessionEffect[], now = 0): Effect[] {
    return effects.flatMap((effect): Effect[] => {
      if (effect.do === 'refuse') return this.#refuse('enrol/set', effect.reason, now, effect.by)
      if (effect.do !== 'save-person') return [effect]
      const { admins } = this.#options.enrolment
      return [{ ...effect, embedder: this.#report.embedder ?? '', admins }]
    })
  }

  /** LED and buzzer come after whatever moved the strike. */
  #show(event: SupervisorEvent, effects: readonly Effect[]): readonly Effect[] {
    if (event.type === 'stop') return this.#signals.stop()
    const { recognizer, camera } = this.#report
    const recorded = effects.flatMap((effect) => (effect.do === 'record' ? [effect.event] : []))
    const facts = { strike: this.#door.strike, recognizer, camera, broker: this.#broker }
    return this.#signals.follow({ ...facts, enrolment: this.#enrolling.phase }, recorded)
  }

  /** Whoever may publish must not be able to flood the audit log: what goes beyond the rate is counted and told later. */
  #refuse(topic: string, reason: string, now: number, by?: string): Effect[] {
    if (now - this.#refusals.since >= refusalsPerMs)
      this.#refusals = { since: now, told: 0, silent: this.#refusals.silent }
    if (this.#refusals.told >= mostRefusals) {
      this.#refusals.silent++
      return []
    }
    const { silent } = this.#refusals
    this.#refusals.told++
    this.#refusals.silent = 0
    return [
      record({
        type: 'refused',
        detail: { topic, reason, ...(by && { by }), ...(silent > 0 && { suppressed: silent }) },
      }),
    ]
  }

  #stepDoor(event: DoorEvent): Effect[] {
    const { state, effects } = stepDoor(this.#door, event, this.#options.door)
    this.#door = state
    return [...effects]
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
      ['enrol/state', this.#enrolling.report],
    ]
    if (this.#options.door.sensor) states.push(['door/state', this.#door.leaf])
    return states.flatMap(([topic, value]) => {
      if (this.#published.get(topic) === value) return []
      this.#published.set(topic, value)
      return [{ do: 'publish', topic, value } satisfies Effect]
    })
  }
}

/** The store has these events already. */
const toldBy = (answer: EnrolmentAnswer): Effect[] =>
  answer.type === 'saved' || answer.type === 'undone'
    ? [
        {
          do: 'tell',
          message: `"${answer.person}" was ${answer.type === 'saved' ? 'enrolled' : 'removed again'} at the door`,
        },
      ]
    : []

const record = (event: NewEvent, snapshot?: number): Effect =>
  snapshot === undefined ? { do: 'record', event } : { do: 'record', event, snapshot }

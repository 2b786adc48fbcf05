/**
 * What the supervisor decides: events in, effects out. No I/O and no clock of its own; `effects.ts` carries the effects
 * out, in their order, so that the strike is driven before anything is written or published.
 */
import { type DoorEvent, type DoorState, initialDoor, phase, stepDoor } from '../domain/door.js'
import type { SessionEffect } from '../domain/enrolment-session.js'
import { startedEvent } from '../domain/events.js'
import type { Mode } from '../domain/rules.js'
import type { InputLine, RulesText } from '../ports.js'
import { AccessControl } from './access-control.js'
import { Announcements } from './announcements.js'
import { CameraCare } from './camera-care.js'
import { CommandDesk } from './commands.js'
import { Enrolling } from './enrolling.js'
import type { FromRecognizer, Health, SightedTrack } from './messages.js'
import { orderOf } from './orders.js'
import { RecognizerTold } from './recognizer-told.js'
import { Signals } from './signals.js'
import type { Effect, StateReport, SupervisorEvent, SupervisorOptions, Timer } from './supervisor-types.js'

import { record, toldBy, toldOfConfig, toldOfStore } from './told.js'

export type * from './supervisor-types.js'

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #access: AccessControl
  readonly #enrolling: Enrolling
  readonly #signals = new Signals()
  #broker = true
  #stopped = false
  /** Undefined until people were looked at. */
  #enrolled: ReadonlySet<string> | undefined
  #door: DoorState = initialDoor
  #report: StateReport
  readonly #announcements: Announcements
  readonly #desk: CommandDesk
  #strikeFault = false
  readonly #camera: CameraCare
  readonly #recognizerTold = new RecognizerTold()
  #now = 0

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#announcements = new Announcements(options.door)
    const { commandMaxAgeMs: maxAgeMs = 0, isCode, startedAt = Number.NEGATIVE_INFINITY } = options
    this.#desk = new CommandDesk({ maxAgeMs, ...(isCode && { isCode }) }, startedAt)
    this.#enrolling = new Enrolling(options.enrolment)
    this.#camera = new CameraCare(options.camera)
    this.#access = new AccessControl({ ...options, sensor: options.door.sensor })
    this.#report = {
      recognizer: 'starting',
      camera: 'opening',
      door: 'locked',
      people: 0,
      store: 'ok',
      ...this.#accessReport(),
      tamper: false,
      ...(options.rejected && { configuration: 'last_good' }),
    }
  }

  #accessReport() {
    const { mode, rules, clock } = this.#access
    return { mode, rules, clock }
  }

  get door(): DoorState {
    return this.#door
  }

  get report(): StateReport {
    return this.#report
  }

  step(event: SupervisorEvent): Effect[] {
    const effects = this.#react(event)
    effects.push(...this.#followMode())
    this.#report = { ...this.#report, door: phase(this.#door), ...this.#accessReport() }
    return [...effects, ...this.#show(event, effects), ...this.#announce()]
  }

  #react(event: SupervisorEvent): Effect[] {
    switch (event.type) {
      case 'boot':
        return [
          ...this.#stepDoor({
            type: 'boot',
            open: event.doorOpen,
            ...(event.bolted !== undefined && { thrown: event.bolted }),
          }),
          record(startedEvent(this.#report.mode, event.after)),
          ...toldOfConfig(this.#options.rejected),
          ...(event.tampered ? this.#tamper(true) : []),
        ]
      case 'tick':
        this.#now = event.now
        this.#camera.tick(event.now)
        return this.#access.tick(event.now, event.wall).map((told) => record(told))
      case 'rules':
        this.#enrolling.doubt()
        return this.#rules(event.file)
      case 'input':
        return this.#input(event.line, event.on, event.now)
      case 'timeout':
        return this.#timeout(event.timer)
      case 'enrolment':
        return [...toldBy(event.answer), ...this.#enrol(this.#enrolling.answer(event.answer))]
      case 'mode':
        return this.#setMode(event.mode, 'kept')
      case 'broker':
        this.#broker = event.connected
        return []
      case 'recognizer':
        return this.#recognizer(event.message, event.now)
      case 'recognizer-lost':
        this.#access.forget()
        this.#report = { ...this.#report, recognizer: 'down', camera: 'opening' }
        return [
          ...this.#lost(event.reason, Math.round(event.restartMs)),
          ...this.#camera.lost(event.reason),
          ...this.#enrol(this.#enrolling.recognizerLost()),
        ]
      case 'recognizer-said':
        this.#camera.said(event.line)
        return []
      case 'host':
        return this.#camera.answer(event.answer)
      case 'device':
        return this.#camera.device(event.found)
      case 'command':
        return this.#command(event)
      case 'strike':
        this.#strikeFault = !event.ok
        return []
      case 'people':
        this.#report = { ...this.#report, people: event.count }
        this.#enrolled = event.names && new Set(event.names)
        return [...this.#sendGallery(false), ...this.#enrol(this.#enrolling.people(event.count, event.names))]
      case 'store':
        this.#report = { ...this.#report, store: event.ok ? 'ok' : 'fault' }
        return toldOfStore(event)
      case 'stop':
        this.#stopped = true
        return [
          ...this.#stepDoor({ type: 'lock', ending: true }),
          { do: 'strike', on: this.#options.restingStrike },
          ...this.#desk.overdue(0, true).map((told) => record(told)),
          record({ type: 'stopped' }),
          // A timer left behind would keep the process, and tell of a door that nobody guards any more.
          { do: 'end-timers' },
        ]
    }
  }

  #announce(): Effect[] {
    const enrolment = this.#enrolling.report
    const [door, strikeFault, report] = [this.#door, this.#strikeFault, this.#report]
    return this.#announcements.states({ door, strikeFault, report, enrolment })
  }

  #timeout(timer: Timer): Effect[] {
    switch (timer) {
      case 'signal-led':
      case 'signal-buzzer':
        return [...this.#signals.timeout(timer)]
      case 'camera-step':
      case 'camera-steady':
        return this.#stopped ? [] : this.#camera.timeout(timer)
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
        return this.#tamper(on)
      case 'bolt':
        return this.#stepDoor({ type: 'bolt', thrown: on })
      case 'enrol':
        return now === undefined ? [] : this.#enrol(this.#enrolling.press(on, now), now)
    }
  }

  #lost(reason: string, restartMs: number): Effect[] {
    const told = this.#recognizerTold.lost(this.#now)
    return told === undefined
      ? [{ do: 'complain', message: `the recognizer was lost again: ${reason}` }]
      : [record({ type: 'recognizer_lost', detail: { reason, restartMs, ...told } })]
  }

  #recognizer(message: FromRecognizer, now: number): Effect[] {
    return [
      ...this.#heard(message, now),
      ...this.#camera.recognizer(message, now),
      ...this.#enrol(this.#enrolling.recognizer(message, now), now),
    ]
  }

  #heard(message: FromRecognizer, now: number): Effect[] {
    switch (message.type) {
      case 'sample':
        return []
      case 'ready': {
        const { engine, embedder, threshold, fallback, notes = [], passedOver = [] } = message
        const tellable = this.#recognizerTold.ready()
        this.#access.forget()
        this.#report = { ...this.#report, recognizer: 'running', camera: 'opening', engine, embedder, threshold }
        const told = (events: Effect[]) => (tellable ? events : [])
        return [
          ...told([record({ type: 'recognizer_ready', detail: { engine, embedder, threshold } })]),
          ...(fallback === undefined
            ? []
            : told([record({ type: 'engine_fallback', detail: { engine, reason: fallback } })])),
          ...passedOver.flatMap((reason): Effect[] => [
            ...told([record({ type: 'embedder_fallback', detail: { embedder, reason } })]),
            { do: 'complain', message: reason },
          ]),
          ...notes.map((message): Effect => ({ do: 'tell', message })),
          ...this.#sendGallery(true),
        ]
      }
      case 'gallery':
        return []
      case 'camera':
        if (message.status !== 'closed') this.#report = { ...this.#report, camera: message.status }
        return message.status === 'ended' ? [{ do: 'tell', message: 'the recording has ended' }] : []
      case 'health':
        return this.#health(message.health, now)
      case 'snapshot':
        return [{ do: 'publish-snapshot', png: message.png }]
      case 'fatal':
        return [{ do: 'complain', message: message.reason }]
      case 'sighting': {
        if (now - message.arrived > this.#options.maxSightingAgeMs || message.arrived > now) return []
        const tracks = message.tracks.map((track) => this.#ifEnrolled(track))
        const { events, grants } = this.#access.see(tracks, now)
        for (const { verdict, verified } of tracks)
          if (verified && verdict.kind === 'known' && this.#access.entitles(verdict.person, now))
            this.#enrolling.seen(verdict.person, now)
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

  /** Whoever was removed is nobody from that moment on, also where the recognizer has not heard of it yet. */
  #ifEnrolled(track: SightedTrack): SightedTrack {
    const { verdict } = track
    const gone = verdict.kind === 'known' && this.#enrolled?.has(verdict.person) === false
    return gone ? { ...track, verdict: { kind: 'undecided' }, verified: false } : track
  }

  /** The recognizer looks at nobody before it has its first gallery. */
  #sendGallery(anew: boolean): Effect[] {
    const { recognizer, embedder } = this.#report
    return recognizer === 'running' && embedder !== undefined ? [{ do: 'send-gallery', embedder, anew }] : []
  }

  #command({ command, now, ...times }: Extract<SupervisorEvent, { type: 'command' }>): Effect[] {
    const doubt = times.clockDoubt ?? (this.#report.clock === 'ok' ? undefined : 'our clock cannot be believed')
    const { asked, refused } = this.#desk.handle(command, { ...times, now, ...(doubt && { clockDoubt: doubt }) })
    if (!asked) return refused.map((event) => record(event))
    const { remoteUnlock, remoteMode } = this.#options
    const refusal = (mode: Mode) => this.#access.refusal(mode)
    const order = orderOf(asked, { remoteUnlock, remoteMode, door: this.#door, mode: this.#access.mode, refusal })
    if ('refused' in order) return this.#refuse(command.topic, order.refused, now)
    const obeyed = () => this.#desk.obeyed(asked).map((event) => record(event))
    switch (order.order) {
      case 'unlock':
        return [...this.#stepDoor({ type: 'grant', by: 'remote' }), ...obeyed()]
      case 'lock':
        return [...this.#stepDoor({ type: 'lock' }), ...obeyed()]
      case 'acknowledge':
        return [...this.#stepDoor({ type: 'acknowledge' }), ...obeyed()]
      case 'mode':
        return [...this.#setMode(order.mode), ...obeyed()]
      case 'enrol':
        return this.#enrolCommand(order.payload, obeyed, now)
      case 'restart':
        return [{ do: 'restart-recognizer' }, ...obeyed()]
    }
  }

  /** `topic`: undefined where it was no command. */
  #refuse(topic: string | undefined, reason: string, now: number, by?: string): Effect[] {
    return this.#desk.refuse(topic, reason, now, by).map((event) => record(event))
  }

  #enrolCommand(payload: string, obeyed: () => Effect[], now: number): Effect[] {
    let effects: readonly SessionEffect[]
    try {
      effects = this.#enrolling.command(payload)
    } catch (error) {
      return this.#refuse('enrol/set', (error as Error).message, now)
    }
    const heeded = !effects.some((effect) => effect.do === 'refuse')
    return [...(heeded ? obeyed() : []), ...this.#enrol(effects, now)]
  }

  /** The session's effects are the supervisor's, but for what only it knows. */
  #enrol(effects: readonly SessionEffect[], now = 0): Effect[] {
    return effects.flatMap((effect): Effect[] => {
      if (effect.do === 'refuse')
        return this.#refuse(effect.by === 'button' ? undefined : 'enrol/set', effect.reason, now, effect.by)
      if (effect.do !== 'save-person') return [effect]
      const { session, admin } = effect.saving
      if (admin !== undefined && !this.#access.entitles(admin, now))
        return this.#enrol(
          this.#enrolling.answer({ type: 'not-saved', session, reason: 'the admin may not enter now' }),
        )
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
    const undone = event.type === 'enrolment' && event.answer.type === 'undone'
    return this.#signals.follow({ ...facts, enrolment: this.#enrolling.phase }, recorded, undone ? ['undone'] : [])
  }

  /** An open house must not survive a restart; a lockdown must, and is kept before anybody hears of it. */
  #setMode(mode: Mode, by: 'remote' | 'kept' = 'remote'): Effect[] {
    this.#enrolling.doubt()
    const told = this.#access.command(mode, by).map((event) => record(event))
    return [
      ...(mode === 'lockdown' ? this.#stepDoor({ type: 'lock' }) : []),
      { do: 'keep-mode', mode: mode === 'open' ? 'normal' : mode },
      ...told,
    ]
  }

  /** Rules that cannot be used are an event, and said aloud, since nobody may be let in until somebody reads it. */
  #rules(file: RulesText): Effect[] {
    return this.#access.load(file).flatMap((event): Effect[] => {
      if (event.type !== 'rules_rejected') return [record(event)]
      const { reason, inForce } = event.detail!
      const now = inForce === 'none' ? 'no face opens the door until it is corrected' : 'the rules before it stay'
      return [{ do: 'complain', message: `the rules file cannot be used: ${reason}; ${now}` }, record(event)]
    })
  }

  #tamper(on: boolean): Effect[] {
    if (on === this.#report.tamper) return []
    this.#report = { ...this.#report, tamper: on }
    return [record(on ? { type: 'tamper' } : { type: 'alarm_ended', detail: { alarm: 'tamper', by: 'contact' } })]
  }

  /** The strike is held while it is open house, and not longer. */
  #followMode(): Effect[] {
    const held = this.#access.unlocked && !this.#stopped
    return held === this.#door.held ? [] : this.#stepDoor({ type: 'hold', on: held })
  }

  #stepDoor(event: DoorEvent): Effect[] {
    const { state, effects } = stepDoor(this.#door, event, this.#options.door)
    const { covered, leaf } = this.#door
    const opens = leaf === 'closed' && state.leaf === 'open' && covered
    if (opens || (event.type === 'grant' && leaf === 'open')) this.#access.followDoor('opened')
    else if (covered && !state.covered) this.#access.followDoor('lapsed')
    this.#door = state
    return [...effects]
  }

  /** Each account is a heartbeat; one is published now and then. */
  #health(health: Health, now: number): Effect[] {
    const overdue = this.#desk.overdue(now).map((event) => record(event))
    if (!this.#announcements.isHealthDue(health, now)) return overdue
    return [...overdue, { do: 'publish-health', health, commands: this.#desk.counts, camera: this.#camera.account }]
  }
}

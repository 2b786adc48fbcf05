/** A supervisor in a world of its own: hand-cranked clocks, a timer wheel, and lines that remember what they did. */
import { enrollingOptions } from '../../firmware/app/enrolling.js'
import type { SightedTrack } from '../../firmware/app/messages.js'
import {
  type Effect,
  Supervisor,
  type SupervisorEvent,
  type SupervisorOptions,
  type Timer,
} from '../../firmware/app/supervisor.js'
import { loadConfig } from '../../firmware/config.js'
import type { NewEvent } from '../../firmware/domain/events.js'
import type { InputLine } from '../../firmware/ports.js'

export const strikeMs = 5000
export const longestMs = 8000

export const supervisorOptions: SupervisorOptions = {
  door: { strikeMs, heldOpenMs: 20_000, graceMs: 1000, sensor: true },
  visits: { rearmMs: 4000 },
  maxSightingAgeMs: 1000,
  remoteUnlock: true,
  remoteMode: true,
  rulesFile: true,
  mode: 'normal',
  restingStrike: false,
  snapshots: false,
  enrolment: enrollingOptions(loadConfig([], {})),
  camera: { cure: 'none', rebootMs: 0, steadyMs: 30_000, boot: 'this' },
}

/** A Wednesday, 12:00 UTC. */
export const noon = Date.UTC(2026, 10, 25, 12)

export interface Face {
  readonly track: number
  /** Undefined: a stranger. */
  readonly person?: string
  readonly undecided?: boolean
  readonly verified?: boolean
  readonly box?: { readonly x: number; readonly y: number; readonly width: number; readonly height: number }
  readonly pose?: number
}

/** Of a picture of 640 x 480. */
export function sighted({ track, person, undecided, verified = true, box, pose = 1 }: Face): SightedTrack {
  const verdict = undecided
    ? ({ kind: 'undecided' } as const)
    : person === undefined
      ? ({ kind: 'unknown', similarity: 0.2, votes: 5 } as const)
      : ({ kind: 'known', person, similarity: 0.9, votes: 4 } as const)
  const view = { frame: { width: 640, height: 480 }, pose }
  return {
    id: track,
    state: 'confirmed',
    box: box ?? { x: 270, y: 190, width: 100, height: 100 },
    verdict,
    verified,
    view,
  }
}

export class DoorWorld {
  readonly supervisor: Supervisor
  now = 1_000_000
  wall: number
  strike = false
  /** When the strike was last powered or powered again. */
  poweredAt = Number.NEGATIVE_INFINITY
  keptMode = 'normal'
  readonly events: NewEvent[] = []
  readonly topics = new Map<string, string>()
  readonly complaints: string[] = []
  readonly #timers = new Map<Timer, number>()
  #nextTick = 0
  /** Timers that run. */
  get waiting(): Timer[] {
    return [...this.#timers.keys()]
  }

  /** Called after each step, also of those that timers make. */
  onStep: (event: SupervisorEvent, effects: readonly Effect[]) => void = () => {}

  constructor(changes: Partial<SupervisorOptions> = {}, wall = noon) {
    this.supervisor = new Supervisor({ ...supervisorOptions, ...changes })
    this.wall = wall
    this.step({ type: 'boot', doorOpen: false, bolted: true })
    this.tick()
  }

  step(event: SupervisorEvent): Effect[] {
    const effects = this.supervisor.step(event)
    for (const effect of effects) this.#carryOut(effect)
    this.onStep(event, effects)
    return effects
  }

  #carryOut(effect: Effect): void {
    if (effect.do === 'strike') {
      this.strike = effect.on
      if (effect.on) this.poweredAt = this.now
    }
    if (effect.do === 'timer') this.#timers.set(effect.timer, this.now + effect.ms)
    if (effect.do === 'cancel') this.#timers.delete(effect.timer)
    if (effect.do === 'end-timers') this.#timers.clear()
    if (effect.do === 'record') this.events.push(effect.event)
    if (effect.do === 'publish') this.topics.set(effect.topic, effect.value)
    if (effect.do === 'keep-mode') this.keptMode = effect.mode
    if (effect.do === 'complain') this.complaints.push(effect.message)
  }

  /** Time passes, timers and the second's tick included, in their order. */
  pass(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const [timer, due] = [...this.#timers].sort((a, b) => a[1] - b[1])[0] ?? [undefined, Number.POSITIVE_INFINITY]
      const next = Math.min(due, this.#nextTick)
      if (next > end) break
      this.#to(next)
      if (next === due) {
        this.#timers.delete(timer!)
        this.step({ type: 'timeout', timer: timer! })
      } else this.tick()
    }
    this.#to(end)
  }

  #to(now: number): void {
    this.wall += now - this.now
    this.now = now
  }

  tick(): void {
    this.#nextTick = this.now + 1000
    this.step({ type: 'tick', now: this.now, wall: this.wall })
  }

  input(line: InputLine, on: boolean): Effect[] {
    return this.step({ type: 'input', line, on, now: this.now })
  }

  /** `age`: ms since the frame arrived. */
  see(faces: readonly Face[], age = 50): Effect[] {
    const arrived = this.now - age
    const message = { type: 'sighting', at: 0, arrived, decided: arrived, tracks: faces.map(sighted) } as const
    return this.step({ type: 'recognizer', message, now: this.now })
  }

  command(topic: string, payload: string, retained = false): Effect[] {
    const command = { topic, payload: Buffer.from(payload), retained }
    return this.step({ type: 'command', command, now: this.now, wall: this.wall })
  }

  rules(value: unknown): Effect[] {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return this.step({ type: 'rules', file: { text, digest: String(text.length) + text.slice(0, 200) } })
  }

  of(type: string): NewEvent[] {
    return this.events.filter((event) => event.type === type)
  }
}

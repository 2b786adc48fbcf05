/** What the home is told when: retained topics whenever their value changed, the health now and then. */
import { type DoorOptions, type DoorState, lockState } from '../domain/door.js'
import type { Health } from './messages.js'
import type { Effect, StateReport } from './supervisor-types.js'

/** How often the `health` topic is published, ms. */
const healthEveryMs = 10_000

export interface Announced {
  readonly door: DoorState
  /** Whether the strike's line could not be driven. */
  readonly strikeFault: boolean
  readonly report: StateReport
  /** The topic `enrol/state`. */
  readonly enrolment: string
}

export class Announcements {
  readonly #options: DoorOptions
  readonly #published = new Map<string, string>()
  #healthAt = Number.NEGATIVE_INFINITY
  #endTold = false

  constructor(options: DoorOptions) {
    this.#options = options
  }

  /** Retained topics whose value changed. */
  states({ door, strikeFault, report, enrolment }: Announced): Effect[] {
    const { alarm, jammed, leaf } = door
    const alarms = {
      forced: alarm === 'forced',
      held_open: alarm === 'held_open',
      jammed: jammed || strikeFault,
      tamper: report.tamper,
    }
    const states: [topic: string, value: string][] = [
      ['lock/state', strikeFault ? 'JAMMED' : lockState(door, this.#options)],
      ['mode/state', report.mode],
      ['alarm/state', JSON.stringify(alarms)],
      ['state', JSON.stringify(report)],
      ['enrol/state', enrolment],
    ]
    if (this.#options.sensor) states.push(['door/state', leaf])
    return states.flatMap(([topic, value]) => {
      if (this.#published.get(topic) === value) return []
      this.#published.set(topic, value)
      return [{ do: 'publish', topic, value } satisfies Effect]
    })
  }

  /** The last account of a recording is told at once. */
  isHealthDue({ camera }: Health, now: number): boolean {
    const ended = camera === 'ended' && !this.#endTold
    if (!ended && now - this.#healthAt < healthEveryMs) return false
    this.#healthAt = now
    this.#endTold = camera === 'ended'
    return true
  }
}

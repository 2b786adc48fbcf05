/**
 * The supervisor's care for the camera: hears what the recognizer says of it, climbs the ladder of domain/camera-ladder,
 * and tells of it in events, of which a camera that flaps must not make a flood. Counts tell what events leave out.
 */
import { type CameraFault, type Cure, type FaultKind, whatHelps } from '../domain/camera-faults.js'
import {
  initialLadder,
  type LadderEffect,
  type LadderEvent,
  type LadderMemory,
  type LadderPhase,
  type LadderState,
  type LadderStep,
  type LadderTimer,
  stepLadder,
} from '../domain/camera-ladder.js'
import type { NewEvent } from '../domain/events.js'
import { troublesTold } from '../domain/token-bucket.js'
import type { FoundDevice, HostAnswer } from '../ports.js'
import type { FromRecognizer } from './messages.js'

export interface CameraCareOptions {
  readonly cure: Cure
  /** Least time between two reboots for the camera's sake, ms; 0 never reboots. */
  readonly rebootMs: number
  /** Frames that flow this long, ms, forgive earlier faults. */
  readonly steadyMs: number
  /** The kernel's id of this boot. */
  readonly boot: string
  readonly kept?: LadderMemory
}

/** Of the `health` topic: all there was, told or not. */
export interface CameraAccount {
  readonly phase: LadderPhase
  readonly climb: number
  readonly failed: boolean
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  readonly steps: Readonly<Partial<Record<LadderStep, number>>>
  readonly restored: number
  /** Outages that made no event, since there were too many. */
  readonly untold: number
}

export type CareEffect =
  | Exclude<LadderEffect, { do: 'fault' | 'restored' | 'step' | 'failed' }>
  | { readonly do: 'record'; readonly event: NewEvent }

/** What a driver printed this long ago, ms, has to do with a fault. */
const saidMs = 15_000
const saidLines = 20

export class CameraCare {
  readonly #options: CameraCareOptions
  #state: LadderState
  #now = 0
  #fault: CameraFault = { kind: 'error', reason: 'unknown' }
  #said: { readonly line: string; readonly at: number }[] = []
  readonly #faults: Partial<Record<FaultKind, number>> = {}
  readonly #steps: Partial<Record<LadderStep, number>> = {}
  #restored = 0
  #untold = 0
  /** Left out since the last outage that was told. */
  #missed = 0
  /** Kinds of fault that were told of this outage; undefined while nothing of it was. */
  #told: Set<FaultKind> | undefined
  #outage = false
  /** Not told yet. */
  #failed: NewEvent | undefined
  readonly #tellable = troublesTold()

  constructor(options: CameraCareOptions) {
    this.#options = options
    this.#state = initialLadder(options.boot, options.kept)
  }

  get account(): CameraAccount {
    const { phase, climb, failed } = this.#state
    const faults = { ...this.#faults }
    return { phase, climb, failed, faults, steps: { ...this.#steps }, restored: this.#restored, untold: this.#untold }
  }

  /** Once a second: `now` is ms since boot. */
  tick(now: number): void {
    this.#now = now
  }

  /** A line that a driver printed and `isSign` knows. */
  said(line: string): void {
    this.#said = [...this.#said, { line, at: this.#now }].slice(-saidLines)
  }

  recognizer(message: FromRecognizer, now: number): CareEffect[] {
    this.#now = now
    if (message.type === 'ready') return this.#step({ type: 'ready' })
    if (message.type !== 'camera') return []
    switch (message.status) {
      case 'live':
        return this.#step({ type: 'live' })
      case 'ended':
        return this.#step({ type: 'ended' })
      case 'closed':
        return this.#step({ type: 'closed', stuck: message.stuck ?? false })
      case 'fault': {
        this.#fault = { kind: message.kind ?? 'error', reason: message.reason ?? 'unknown' }
        return this.#step({ type: 'fault', kind: this.#fault.kind, help: whatHelps(this.#fault, this.#recent()) })
      }
    }
  }

  lost(reason: string): CareEffect[] {
    this.#fault = { kind: 'crash', reason: `the recognizer was lost as it opened the camera: ${reason}` }
    return this.#step({ type: 'lost' })
  }

  answer(answer: HostAnswer): CareEffect[] {
    return this.#step({ type: 'answer', ...answer })
  }

  /** What became of waiting for the camera's device. */
  device(found: FoundDevice): CareEffect[] {
    return this.#step({ type: found === 'there' ? 'present' : 'nodeless' })
  }

  timeout(timer: LadderTimer): CareEffect[] {
    return this.#step({ type: 'timeout', timer })
  }

  #recent(): string[] {
    return this.#said.filter(({ at }) => this.#now - at <= saidMs).map(({ line }) => line)
  }

  #step(event: LadderEvent): CareEffect[] {
    const { state, effects } = stepLadder(this.#state, event, this.#options, this.#now)
    this.#state = state
    return effects.flatMap((effect): CareEffect[] => {
      switch (effect.do) {
        case 'fault':
          return this.#tellFault()
        case 'restored':
          return this.#tellRestored()
        case 'step': {
          const { step, tries, problem } = effect
          this.#steps[step] = (this.#steps[step] ?? 0) + 1
          return this.#tell({ type: 'camera_step', detail: { step, tries, ...(problem !== undefined && { problem }) } })
        }
        case 'failed':
          this.#failed = { type: 'camera_failed', detail: { tries: effect.tries, reason: this.#fault.reason } }
          return this.#tellFailed()
        default:
          return [effect]
      }
    })
  }

  #tellFault(): CareEffect[] {
    const { kind, reason } = this.#fault
    this.#faults[kind] = (this.#faults[kind] ?? 0) + 1
    const first = !this.#outage
    this.#outage = true
    if (this.#told === undefined) {
      if (!this.#tellable.take(this.#now)) {
        if (first) {
          this.#untold++
          this.#missed++
        }
        return []
      }
      this.#told = new Set()
    }
    // One event an outage, however often it is tried again, unless it fails in another way.
    if (this.#told.has(kind)) return []
    this.#told.add(kind)
    const sign = this.#recent().at(-1)
    const suppressed = this.#missed
    this.#missed = 0
    const detail = { kind, reason, ...(sign !== undefined && { sign }), ...(suppressed > 0 && { suppressed }) }
    return [...this.#tell({ type: 'camera_fault', detail }), ...this.#tellFailed()]
  }

  /** Said once an outage; where there was no room for it, as soon as there is. */
  #tellFailed(): CareEffect[] {
    if (this.#told === undefined || this.#failed === undefined) return []
    const event = this.#failed
    this.#failed = undefined
    return this.#tell(event)
  }

  #tellRestored(): CareEffect[] {
    this.#said = []
    this.#failed = undefined
    if (!this.#outage) return []
    this.#outage = false
    this.#restored++
    const effects = this.#tell({ type: 'camera_restored' })
    this.#told = undefined
    return effects
  }

  #tell(event: NewEvent): CareEffect[] {
    return this.#told === undefined ? [] : [{ do: 'record', event }]
  }
}

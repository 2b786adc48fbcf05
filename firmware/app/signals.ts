/** What the door's own state and events mean for its LED and buzzer. */

import type { SessionPhase } from '../domain/enrolment-session.js'
import type { EventType, NewEvent } from '../domain/events.js'
import { initialSignals, type Signal, type SignalEffect, type SignalTimer, stepSignals } from '../domain/signals.js'
import type { CameraStatus } from './messages.js'

export interface SignalFacts {
  readonly strike: boolean
  readonly recognizer: 'starting' | 'running' | 'down'
  readonly camera: CameraStatus
  readonly broker: boolean
  readonly enrolment: SessionPhase
}

const momentOf: Partial<Record<EventType, Signal>> = {
  unknown: 'unknown',
  denied: 'denied',
  spoof: 'denied',
  enrol_failed: 'failed',
}

export class Signals {
  #state = initialSignals
  #enrolment: SessionPhase = 'idle'
  #stopped = false

  /** After each step: how things are now, what has just been recorded, and what else happened. */
  follow(facts: SignalFacts, recorded: readonly NewEvent[], also: readonly Signal[] = []): readonly SignalEffect[] {
    const moments = recorded.flatMap(({ type, detail }): Signal[] => {
      if (type === 'refused' && detail?.by === 'button') return ['failed']
      const moment = momentOf[type]
      return moment === undefined ? [] : [moment]
    })
    if (this.#stopped) return []
    moments.push(...also)
    if (facts.enrolment === 'saved' && this.#enrolment !== 'saved') moments.push('saved')
    this.#enrolment = facts.enrolment
    return this.#step({ type: 'now', lasting: lastingOf(facts), moments })
  }

  timeout(timer: SignalTimer): readonly SignalEffect[] {
    return this.#step({ type: 'timeout', timer })
  }

  stop(): readonly SignalEffect[] {
    this.#stopped = true
    return this.#step({ type: 'stop' })
  }

  #step(event: Parameters<typeof stepSignals>[1]): readonly SignalEffect[] {
    const { state, effects } = stepSignals(this.#state, event)
    this.#state = state
    return effects
  }
}

function lastingOf({ strike, recognizer, camera, broker, enrolment }: SignalFacts): Signal[] {
  const lasting: Signal[] = []
  if (enrolment === 'collecting') lasting.push('collecting')
  if (enrolment === 'confirming' || enrolment === 'saving') lasting.push('confirming')
  if (strike) lasting.push('granted')
  if (recognizer === 'down' || camera === 'fault') lasting.push('camera-fault')
  if (!broker) lasting.push('broker-lost')
  if (recognizer === 'running' && camera === 'live') lasting.push('ready')
  return lasting
}

/** The enrolment session among the supervisor's events: what reaches it, and what it shows as `enrol/state`. */

import type { Config } from '../config.js'
import {
  initialSession,
  type SessionEffect,
  type SessionEvent,
  type SessionOptions,
  type SessionPhase,
  type SessionState,
  type SessionTimer,
  sessionPhase,
  stepSession,
} from '../domain/enrolment-session.js'
import type { FromRecognizer } from './messages.js'

export interface EnrollingOptions extends SessionOptions {
  /** A view older than this is of nobody who stands here, ms. */
  readonly maxAgeMs: number
}

/** What the store answered to an effect of the session. */
export type EnrolmentAnswer = Extract<SessionEvent, { type: 'saved' | 'not-saved' | 'undone' | 'not-undone' }>

export const enrollingOptions = ({ enrolment, access }: Config): EnrollingOptions => ({
  admins: enrolment.admins,
  adminMs: enrolment.adminSeconds * 1000,
  firstBoot: enrolment.firstBoot,
  remote: enrolment.remote,
  samples: enrolment.samples,
  collectMs: enrolment.seconds * 1000,
  limitMs: enrolment.timeoutSeconds * 1000,
  longPressMs: enrolment.longPressSeconds * 1000,
  undoMs: enrolment.undoSeconds * 1000,
  showMs,
  maxAgeMs: access.maxSightingAgeMs,
})

/** How long `saved` and `failed` are shown, ms. */
const showMs = 5_000

export class Enrolling {
  readonly #options: EnrollingOptions
  #state: SessionState = initialSession
  #threshold = Number.POSITIVE_INFINITY

  constructor(options: EnrollingOptions) {
    this.#options = options
  }

  get phase(): SessionPhase {
    return sessionPhase(this.#state)
  }

  /** The retained topic `enrol/state`. */
  get report(): string {
    const { phase } = this
    return JSON.stringify({ state: phase === 'saving' ? 'confirming' : phase, ...this.#state.result })
  }

  press(on: boolean, now: number): readonly SessionEffect[] {
    return this.#step({ type: 'press', on, now })
  }

  /** @throws Error whose message says what the payload must be. */
  command(payload: string): readonly SessionEffect[] {
    const asked = readCommand(payload)
    if (asked === 'CANCEL') return this.#step({ type: 'cancel' })
    return this.#step({ type: 'start', ...(asked !== undefined && { name: asked }) })
  }

  /** Somebody was verified in a frame that is new enough to open the door, and may open it. */
  seen(person: string, now: number): void {
    this.#step({ type: 'seen', person, now })
  }

  people(count: number, names: readonly string[] = []): readonly SessionEffect[] {
    this.doubt()
    return this.#step({ type: 'people', count, names })
  }

  /** Who may enter has changed. */
  doubt(): void {
    this.#step({ type: 'doubt' })
  }

  /** All that the recognizer says passes here; most of it means nothing to an enrolment. */
  recognizer(message: FromRecognizer, now: number): readonly SessionEffect[] {
    switch (message.type) {
      case 'ready':
        this.#threshold = message.threshold
        return this.#step({ type: 'blind', reason: 'the recognizer started anew' })
      case 'camera':
        if (message.status === 'closed') return []
        if (message.status === 'live') return this.#step({ type: 'sight', threshold: this.#threshold })
        return this.#step({
          type: 'blind',
          reason: message.status === 'ended' ? 'the recording has ended' : `the camera failed: ${message.reason ?? ''}`,
        })
      case 'sample':
        if (now - message.arrived > this.#options.maxAgeMs || message.arrived > now) return []
        return this.#step({ type: 'view', session: message.session, faces: message.faces, now })
      default:
        return []
    }
  }

  recognizerLost(): readonly SessionEffect[] {
    return this.#step({ type: 'blind', reason: 'the recognizer was lost' })
  }

  answer(answer: EnrolmentAnswer): readonly SessionEffect[] {
    return this.#step(answer)
  }

  timeout(timer: SessionTimer): readonly SessionEffect[] {
    return this.#step({ type: 'timeout', timer })
  }

  #step(event: SessionEvent): readonly SessionEffect[] {
    const { state, effects } = stepSession(this.#state, event, this.#options)
    this.#state = state
    return effects
  }
}

/** A name, `{"name": …}`, `{}` for the next free name, or `CANCEL`. */
function readCommand(payload: string): 'CANCEL' | string | undefined {
  const text = payload.trim()
  if (text === '') throw new Error('the payload must be a name, {"name": "Ann"} or CANCEL')
  if (!text.startsWith('{')) return text
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('the payload is not valid JSON: a name, {"name": "Ann"} or CANCEL')
  }
  const { name, ...others } = value as { name?: unknown }
  if (Object.keys(others).length > 0 || (name !== undefined && (typeof name !== 'string' || name.trim() === '')))
    throw new Error('the payload must be a name, {"name": "Ann"} or CANCEL')
  return name as string | undefined
}

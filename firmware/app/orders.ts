/**
 * What a command over MQTT asks for, and whether it may: only one that is new, understood and allowed is obeyed. Whatever
 * else is refused, and the refusal is told, within bounds.
 */
import type { DoorState } from '../domain/door.js'
import type { NewEvent } from '../domain/events.js'
import { type Mode, modes } from '../domain/rules.js'
import type { BrokerCommand } from '../ports.js'

export type Order =
  | { readonly order: 'unlock' | 'lock' | 'acknowledge' }
  | { readonly order: 'mode'; readonly mode: Mode }
  | { readonly order: 'enrol'; readonly payload: string }
  | { readonly refused: string }
  /** An empty payload is how a retained message is cleared. */
  | undefined

export interface Standing {
  readonly remoteUnlock: boolean
  readonly remoteMode: boolean
  readonly door: DoorState
  readonly mode: Mode
  /** Why a mode cannot be had. */
  readonly refusal: (mode: Mode) => string | undefined
}

export function orderOf({ topic, payload, retained }: BrokerCommand, standing: Standing): Order {
  if (payload.length === 0) return undefined
  if (retained) return { refused: 'a retained command is never obeyed' }
  const word = payload.toString('utf8').trim()
  switch (topic) {
    case 'lock/set':
      return lockOrder(word, standing)
    case 'mode/set':
      return modeOrder(word, standing)
    case 'alarm/set':
      return alarmOrder(word, standing)
    case 'enrol/set':
      return { order: 'enrol', payload: word }
    default:
      return { refused: 'no such command' }
  }
}

function lockOrder(word: string, { remoteUnlock, mode, door }: Standing): Order {
  if (!remoteUnlock) return { refused: 'remote unlocking is off: mqtt.remoteUnlock' }
  if (word === 'UNLOCK') return mode === 'lockdown' ? { refused: 'the door is in lockdown' } : { order: 'unlock' }
  if (word !== 'LOCK') return { refused: 'the payload must be LOCK or UNLOCK' }
  return door.held ? { refused: 'the door is held unlocked: end that with mode/set' } : { order: 'lock' }
}

/** Opening the house from afar is remote unlocking, too. */
function modeOrder(word: string, { remoteMode, remoteUnlock, refusal }: Standing): Order {
  const mode = modes.find((name) => name === word)
  if (!remoteMode) return { refused: 'changing the mode from afar is off: mqtt.remoteMode' }
  if (mode === undefined) return { refused: `the payload must be one of ${modes.join(', ')}` }
  if (mode === 'open' && !remoteUnlock) return { refused: 'remote unlocking is off: mqtt.remoteUnlock' }
  const refused = refusal(mode)
  return refused === undefined ? { order: 'mode', mode } : { refused }
}

function alarmOrder(word: string, { door }: Standing): Order {
  if (word !== 'ACKNOWLEDGE') return { refused: 'the payload must be ACKNOWLEDGE' }
  if (door.alarm !== 'forced') return { refused: 'no alarm waits to be acknowledged' }
  if (door.leaf === 'open') return { refused: 'the door still stands open; close it first' }
  return { order: 'acknowledge' }
}

/** At most so many refusals are told in so many ms. */
const mostRefusals = 10
const refusalsPerMs = 60_000

/** Whoever may publish must not be able to flood the audit log: what goes beyond the rate is counted and told later. */
export class Refusals {
  #since = Number.NEGATIVE_INFINITY
  #told = 0
  #silent = 0

  /** The event, unless there were too many lately. `now`: monotonic ms. */
  tell(topic: string, reason: string, now: number, by?: string): NewEvent[] {
    if (now - this.#since >= refusalsPerMs) {
      this.#since = now
      this.#told = 0
    }
    if (this.#told >= mostRefusals) {
      this.#silent++
      return []
    }
    const suppressed = this.#silent
    this.#told++
    this.#silent = 0
    return [{ type: 'refused', detail: { topic, reason, ...(by && { by }), ...(suppressed > 0 && { suppressed }) } }]
  }
}

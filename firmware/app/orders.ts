/** Whether what a command asks for may be done as the door stands now. */
import type { Asked } from '../domain/commands.js'
import type { DoorState } from '../domain/door.js'
import { type Mode, modes } from '../domain/rules.js'

export type Order =
  | { readonly order: 'unlock' | 'lock' | 'acknowledge' }
  | { readonly order: 'mode'; readonly mode: Mode }
  | { readonly order: 'enrol'; readonly payload: string }
  | { readonly order: 'restart' }
  | { readonly refused: string }

export interface Standing {
  readonly remoteUnlock: boolean
  readonly remoteMode: boolean
  readonly door: DoorState
  readonly mode: Mode
  /** Why a mode cannot be had. */
  readonly refusal: (mode: Mode) => string | undefined
}

export function orderOf({ topic, word, text }: Asked, standing: Standing): Order {
  switch (topic) {
    case 'lock/set':
      return lockOrder(word, standing)
    case 'mode/set':
      return modeOrder(word, standing)
    case 'alarm/set':
      return alarmOrder(standing)
    case 'enrol/set':
      return { order: 'enrol', payload: text ?? word }
    case 'recognizer/set':
      return { order: 'restart' }
  }
}

function lockOrder(word: string, { remoteUnlock, mode, door }: Standing): Order {
  if (!remoteUnlock) return { refused: 'remote unlocking is off: mqtt.remoteUnlock' }
  if (word === 'UNLOCK') return mode === 'lockdown' ? { refused: 'the door is in lockdown' } : { order: 'unlock' }
  if (door.held) return { refused: 'the door is held unlocked: end that with mode/set' }
  return door.strike && door.leaving
    ? { refused: 'somebody is leaving: the exit button was pressed' }
    : { order: 'lock' }
}

/** Opening the house from afar is remote unlocking, too. */
function modeOrder(word: string, { remoteMode, remoteUnlock, refusal }: Standing): Order {
  const mode = modes.find((name) => name === word)
  if (!remoteMode) return { refused: 'changing the mode from afar is off: mqtt.remoteMode' }
  if (mode === undefined) return { refused: 'there is no such mode' }
  if (mode === 'open' && !remoteUnlock) return { refused: 'remote unlocking is off: mqtt.remoteUnlock' }
  const refused = refusal(mode)
  return refused === undefined ? { order: 'mode', mode } : { refused }
}

function alarmOrder({ door }: Standing): Order {
  if (door.alarm !== 'forced') return { refused: 'no alarm waits to be acknowledged' }
  if (door.leaf === 'open') return { refused: 'the door still stands open; close it first' }
  return { order: 'acknowledge' }
}

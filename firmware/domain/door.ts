/**
 * The door: a strike, a leaf and its alarms, as `step(state, event) -> { state, effects }`.
 *
 *     locked -grant-> unlocking (strike on) -opens-> open (strike off) -closes-> locked
 *     unlocking -timeout-> locked        open -too long-> held_open -closes-> locked
 *     locked -opens without grant-> forced -closed and acknowledged-> locked
 *
 * The exit button grants from every state. A door found open at boot is held open, never forced.
 */
import type { NewEvent } from './events.js'

export type DoorTimer = 'strike' | 'grace' | 'held'
export type GrantedBy = 'face' | 'exit' | 'remote'

export interface DoorOptions {
  /** How long one grant powers the strike, ms. */
  readonly strikeMs: number
  /** An open door is held open after this, ms. */
  readonly heldOpenMs: number
  /** A leaf that opens this long after the strike let go was still opened by that grant, ms: contacts lag. */
  readonly graceMs: number
  /** False: no contact is wired, and what the door line says is ignored. */
  readonly sensor: boolean
}

export interface DoorState {
  readonly strike: boolean
  readonly leaf: 'closed' | 'open'
  readonly alarm: 'none' | 'held_open' | 'forced'
  /** The last grant still covers an opening: strike on, or let go less than `graceMs` ago. */
  readonly covered: boolean
}

export type DoorEvent =
  | { readonly type: 'boot'; readonly open: boolean }
  | {
      readonly type: 'grant'
      readonly by: GrantedBy
      readonly person?: string
      readonly similarity?: number
      readonly track?: number
    }
  | { readonly type: 'lock' }
  | { readonly type: 'leaf'; readonly open: boolean }
  | { readonly type: 'timeout'; readonly timer: DoorTimer }
  | { readonly type: 'acknowledge' }

export type DoorEffect =
  | { readonly do: 'strike'; readonly on: boolean }
  | { readonly do: 'timer'; readonly timer: DoorTimer; readonly ms: number }
  | { readonly do: 'cancel'; readonly timer: DoorTimer }
  | { readonly do: 'record'; readonly event: NewEvent }

export interface DoorStep {
  readonly state: DoorState
  readonly effects: readonly DoorEffect[]
}

export const initialDoor: DoorState = { strike: false, leaf: 'closed', alarm: 'none', covered: false }

export type DoorPhase = 'locked' | 'unlocking' | 'open' | 'held_open' | 'forced'

export function phase(state: DoorState): DoorPhase {
  if (state.alarm !== 'none') return state.alarm
  if (state.leaf === 'open') return 'open'
  return state.strike ? 'unlocking' : 'locked'
}

export function stepDoor(state: DoorState, event: DoorEvent, options: DoorOptions): DoorStep {
  switch (event.type) {
    case 'boot':
      return options.sensor && event.open
        ? {
            state: { ...initialDoor, leaf: 'open', alarm: 'held_open' },
            effects: [{ do: 'strike', on: false }, heldOpen('found open at start')],
          }
        : { state: initialDoor, effects: [{ do: 'strike', on: false }] }
    case 'grant':
      return grant(state, event, options)
    case 'lock':
      return state.strike
        ? {
            state: { ...state, strike: false, covered: false },
            effects: [
              { do: 'strike', on: false },
              { do: 'cancel', timer: 'strike' },
            ],
          }
        : { state, effects: [] }
    case 'leaf':
      if (!options.sensor || event.open === (state.leaf === 'open')) return { state, effects: [] }
      return event.open ? opened(state, options) : closed(state)
    case 'timeout':
      return timeout(state, event.timer, options)
    case 'acknowledge':
      return state.alarm === 'forced' && state.leaf === 'closed'
        ? { state: { ...state, alarm: 'none' }, effects: [] }
        : { state, effects: [] }
  }
}

/** Somebody entitled stands here, so a forced door that has been closed again is acknowledged with it. */
function grant(state: DoorState, event: Extract<DoorEvent, { type: 'grant' }>, options: DoorOptions): DoorStep {
  const { type: _, by, ...who } = event
  const alarm = state.alarm === 'forced' && state.leaf === 'closed' ? 'none' : state.alarm
  return {
    state: { ...state, alarm, strike: true, covered: true },
    effects: [
      { do: 'strike', on: true },
      { do: 'timer', timer: 'strike', ms: options.strikeMs },
      { do: 'cancel', timer: 'grace' },
      { do: 'record', event: { type: by === 'exit' ? 'exit' : 'granted', ...who, detail: { by } } },
    ],
  }
}

function opened(state: DoorState, options: DoorOptions): DoorStep {
  const release: DoorEffect[] = state.strike
    ? [
        { do: 'strike', on: false },
        { do: 'cancel', timer: 'strike' },
      ]
    : []
  if (!state.covered)
    return {
      state: { ...state, leaf: 'open', alarm: 'forced' },
      effects: [
        { do: 'record', event: { type: 'forced' } },
        { do: 'timer', timer: 'held', ms: options.heldOpenMs },
      ],
    }
  return {
    state: { ...state, leaf: 'open', strike: false, covered: false },
    effects: [...release, { do: 'cancel', timer: 'grace' }, { do: 'timer', timer: 'held', ms: options.heldOpenMs }],
  }
}

function closed(state: DoorState): DoorStep {
  return {
    state: { ...state, leaf: 'closed', alarm: state.alarm === 'forced' ? 'forced' : 'none' },
    effects: [
      { do: 'cancel', timer: 'held' },
      { do: 'record', event: { type: 'door_closed' } },
    ],
  }
}

function timeout(state: DoorState, timer: DoorTimer, options: DoorOptions): DoorStep {
  if (timer === 'strike' && state.strike)
    return {
      state: { ...state, strike: false },
      effects: [
        { do: 'strike', on: false },
        { do: 'timer', timer: 'grace', ms: options.graceMs },
      ],
    }
  if (timer === 'grace' && !state.strike) return { state: { ...state, covered: false }, effects: [] }
  // A forced door stays forced, and is told to be open still.
  if (timer === 'held' && state.leaf === 'open' && state.alarm !== 'held_open')
    return {
      state: { ...state, alarm: state.alarm === 'forced' ? 'forced' : 'held_open' },
      effects: [heldOpen('not closed in time')],
    }
  return { state, effects: [] }
}

const heldOpen = (reason: string): DoorEffect => ({ do: 'record', event: { type: 'held_open', detail: { reason } } })

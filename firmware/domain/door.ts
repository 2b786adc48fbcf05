/**
 * The door: a strike, a leaf, a bolt and their alarms, as `step(state, event) -> { state, effects }`.
 *
 *     locked -grant-> unlocking (strike on) -opens-> open (strike off) -closes-> locked
 *     unlocking -timeout-> locked        open -too long-> held_open -closes-> locked
 *     locked -opens without grant-> forced -closed and acknowledged-> locked
 *
 * Grants work in every state, with the door open too: a contact that is stuck must lock nobody in or out. There is no
 * fire mode: what a fire asks for cuts the strike's supply without any computer. A door found open at boot is held open,
 * never forced.
 */
import type { NewEvent } from './events.js'

export const doorTimers = ['strike', 'grace', 'held', 'jam'] as const
export type DoorTimer = (typeof doorTimers)[number]
export type GrantedBy = 'face' | 'exit' | 'remote'

export interface DoorOptions {
  /** How long one grant powers the strike, ms. */
  readonly strikeMs: number
  /** Powered until the door opens, at most for this, ms; instead of `strikeMs`. Needs a contact. */
  readonly holdMs?: number
  /** An open door is held open after this, ms. */
  readonly heldOpenMs: number
  /** A leaf that opens this long after the strike let go was still opened by that grant, ms: contacts lag. */
  readonly graceMs: number
  /** False: no contact is wired, and what the door line says is ignored. */
  readonly sensor: boolean
  /** A bolt position monitor is wired: strike and bolt that disagree for longer, ms, are jammed. */
  readonly jamMs?: number
}

export interface DoorState {
  readonly strike: boolean
  readonly leaf: 'closed' | 'open'
  readonly alarm: 'none' | 'held_open' | 'forced'
  /** The last grant still covers an opening: strike on, or let go less than `graceMs` ago. */
  readonly covered: boolean
  /** Open house: the strike is powered again and again until told otherwise. */
  readonly held: boolean
  /** The exit button was pressed: until the strike's time is over, no command takes it away. */
  readonly leaving: boolean
  /** What the monitor says: the bolt is out. */
  readonly thrown: boolean
  readonly jammed: boolean
}

export type DoorEvent =
  | { readonly type: 'boot'; readonly open: boolean; readonly thrown?: boolean }
  | {
      readonly type: 'grant'
      readonly by: GrantedBy
      readonly person?: string
      /** The second person of a two-person rule. */
      readonly with?: string
      readonly similarity?: number
      readonly track?: number
    }
  /** `ending`: nobody guards the door any more. */
  | { readonly type: 'lock'; readonly ending?: boolean }
  | { readonly type: 'hold'; readonly on: boolean }
  | { readonly type: 'leaf'; readonly open: boolean }
  | { readonly type: 'bolt'; readonly thrown: boolean }
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

export const initialDoor: DoorState = {
  strike: false,
  leaf: 'closed',
  alarm: 'none',
  covered: false,
  held: false,
  leaving: false,
  thrown: true,
  jammed: false,
}

export type DoorPhase = 'locked' | 'unlocking' | 'open' | 'held_open' | 'forced'

export function phase(state: DoorState): DoorPhase {
  if (state.alarm !== 'none') return state.alarm
  if (state.leaf === 'open') return 'open'
  return state.strike ? 'unlocking' : 'locked'
}

export type LockState = 'LOCKED' | 'UNLOCKING' | 'UNLOCKED' | 'LOCKING' | 'JAMMED'

/**
 * The `lock/state` topic: no more than the sensors there are can know. Only a bolt monitor shows that the strike has not
 * moved yet, or not at all; only a contact shows that the leaf may still be on its way after the strike let go.
 */
export function lockState(state: DoorState, options: DoorOptions): LockState {
  const { strike, leaf, thrown, covered, jammed } = state
  if (jammed) return 'JAMMED'
  const monitored = options.jamMs !== undefined
  if (strike) return monitored && thrown ? 'UNLOCKING' : 'UNLOCKED'
  if (leaf === 'open') return 'UNLOCKED'
  if (monitored ? !thrown : options.sensor && covered) return 'LOCKING'
  return 'LOCKED'
}

/** No grant powers the strike for longer, ms: the guard's bound. */
export const longestStrikeMs = ({ strikeMs, holdMs }: Pick<DoorOptions, 'strikeMs' | 'holdMs'>) =>
  Math.max(strikeMs, holdMs ?? 0)

export function stepDoor(state: DoorState, event: DoorEvent, options: DoorOptions): DoorStep {
  const step = react(state, event, options)
  return options.jamMs === undefined ? step : watchBolt(state, step, options.jamMs, options.sensor)
}

function react(state: DoorState, event: DoorEvent, options: DoorOptions): DoorStep {
  switch (event.type) {
    case 'boot': {
      const fresh = { ...initialDoor, thrown: event.thrown ?? true }
      return options.sensor && event.open
        ? {
            state: { ...fresh, leaf: 'open', alarm: 'held_open' },
            effects: [{ do: 'strike', on: false }, heldOpen('found open at start')],
          }
        : { state: fresh, effects: [{ do: 'strike', on: false }] }
    }
    case 'grant':
      return grant(state, event, options)
    case 'lock':
      if (state.leaving && state.strike && !event.ending) return { state: { ...state, held: false }, effects: [] }
      return state.strike
        ? {
            state: { ...state, strike: false, covered: false, held: false, leaving: false },
            effects: [
              { do: 'strike', on: false },
              { do: 'cancel', timer: 'strike' },
            ],
          }
        : { state, effects: [] }
    case 'hold':
      return hold(state, event.on, options)
    case 'leaf':
      if (!options.sensor || event.open === (state.leaf === 'open')) return { state, effects: [] }
      return event.open ? opened(state, options) : closed(state)
    case 'bolt':
      return { state: { ...state, thrown: event.thrown }, effects: [] }
    case 'timeout':
      return timeout(state, event.timer, options)
    case 'acknowledge':
      return state.alarm === 'forced' && state.leaf === 'closed'
        ? { state: { ...state, alarm: 'none' }, effects: [ended('forced', 'remote')] }
        : { state, effects: [] }
  }
}

/**
 * Somebody entitled stands here, so a forced door that has been closed again is acknowledged with it. The exit button
 * acknowledges nothing: whoever broke in can press it.
 */
function grant(state: DoorState, event: Extract<DoorEvent, { type: 'grant' }>, options: DoorOptions): DoorStep {
  const { type: _, by, with: second, ...who } = event
  const acknowledged = state.alarm === 'forced' && state.leaf === 'closed' && by !== 'exit'
  // A door that is open already will not open: it cannot be waited for.
  const waits = options.holdMs !== undefined && state.leaf === 'closed'
  const ms = state.held ? renewal(options) : waits ? options.holdMs : options.strikeMs
  const detail = second === undefined ? { by } : { by, with: second }
  return {
    state: {
      ...state,
      alarm: acknowledged ? 'none' : state.alarm,
      strike: true,
      covered: true,
      leaving: by === 'exit' || (state.leaving && state.strike),
    },
    effects: [
      { do: 'strike', on: true },
      { do: 'timer', timer: 'strike', ms },
      { do: 'cancel', timer: 'grace' },
      { do: 'record', event: { type: by === 'exit' ? 'exit' : 'granted', ...who, detail } },
      ...(acknowledged ? [ended('forced', by)] : []),
    ],
  }
}

/** Half the guard's bound: a strike that nobody renews ends by itself, so even an open house is never forgotten. */
const renewal = (options: DoorOptions) => longestStrikeMs(options) / 2

function hold(state: DoorState, on: boolean, options: DoorOptions): DoorStep {
  if (on === state.held) return { state, effects: [] }
  return on
    ? {
        state: { ...state, held: true, strike: true, covered: true },
        effects: [
          { do: 'strike', on: true },
          { do: 'timer', timer: 'strike', ms: renewal(options) },
          { do: 'cancel', timer: 'grace' },
        ],
      }
    : letGo({ ...state, held: false }, options, [{ do: 'cancel', timer: 'strike' }])
}

const letGo = (state: DoorState, options: DoorOptions, more: readonly DoorEffect[] = []): DoorStep => ({
  state: { ...state, strike: false, leaving: false },
  effects: [{ do: 'strike', on: false }, ...more, { do: 'timer', timer: 'grace', ms: options.graceMs }],
})

function opened(state: DoorState, options: DoorOptions): DoorStep {
  const open: DoorEffect = { do: 'timer', timer: 'held', ms: options.heldOpenMs }
  if (!state.covered)
    return {
      state: { ...state, leaf: 'open', alarm: 'forced' },
      effects: [{ do: 'record', event: { type: 'forced' } }, open],
    }
  if (state.held) return { state: { ...state, leaf: 'open' }, effects: [open] }
  // Let go at once: it has done its work, and a leaf that falls shut is locked.
  const release: DoorEffect[] = state.strike
    ? [
        { do: 'strike', on: false },
        { do: 'cancel', timer: 'strike' },
      ]
    : []
  return {
    state: { ...state, leaf: 'open', strike: false, covered: false, leaving: false },
    effects: [...release, { do: 'cancel', timer: 'grace' }, open],
  }
}

function closed(state: DoorState): DoorStep {
  return {
    state: { ...state, leaf: 'closed', alarm: state.alarm === 'forced' ? 'forced' : 'none' },
    effects: [
      { do: 'cancel', timer: 'held' },
      { do: 'record', event: { type: 'door_closed' } },
      ...(state.alarm === 'held_open' ? [ended('held_open', 'closing')] : []),
    ],
  }
}

function timeout(state: DoorState, timer: DoorTimer, options: DoorOptions): DoorStep {
  if (timer === 'strike' && state.held)
    return {
      state,
      effects: [
        { do: 'strike', on: true },
        { do: 'timer', timer: 'strike', ms: renewal(options) },
      ],
    }
  if (timer === 'strike' && state.strike) return letGo(state, options)
  if (timer === 'grace' && !state.strike) return { state: { ...state, covered: false }, effects: [] }
  // A forced door stays forced, and is told to be open still.
  if (timer === 'held' && state.leaf === 'open' && state.alarm !== 'held_open')
    return {
      state: { ...state, alarm: state.alarm === 'forced' ? 'forced' : 'held_open' },
      effects: [heldOpen('not closed in time')],
    }
  const jams = timer === 'jam' && options.jamMs !== undefined && !state.jammed
  if (jams && disagreement(state, options.sensor) !== 'none') {
    const reason = state.strike ? 'the bolt did not withdraw' : 'the bolt did not lock'
    return {
      state: { ...state, jammed: true },
      effects: [{ do: 'record', event: { type: 'jammed', detail: { reason } } }],
    }
  }
  return { state, effects: [] }
}

/** Starts and stops the time that strike and bolt may disagree for, and ends the alarm once they agree. */
function watchBolt(before: DoorState, { state, effects }: DoorStep, jamMs: number, sensor: boolean): DoorStep {
  const was = disagreement(before, sensor)
  const is = disagreement(state, sensor)
  if (is === 'none') {
    const calm: DoorEffect[] = [{ do: 'cancel', timer: 'jam' }]
    if (state.jammed) calm.push(ended('jammed', 'bolt'))
    return was === 'none' && !state.jammed
      ? { state, effects }
      : { state: { ...state, jammed: false }, effects: [...effects, ...calm] }
  }
  return is === was ? { state, effects } : { state, effects: [...effects, { do: 'timer', timer: 'jam', ms: jamMs }] }
}

/** A bolt cannot lock an open door; without a contact nobody knows whether it is open, and only withdrawing is judged. */
function disagreement({ strike, thrown, leaf }: DoorState, sensor: boolean): 'none' | 'withdraw' | 'lock' {
  if (strike) return thrown ? 'withdraw' : 'none'
  return sensor && leaf === 'closed' && !thrown ? 'lock' : 'none'
}

const heldOpen = (reason: string): DoorEffect => ({ do: 'record', event: { type: 'held_open', detail: { reason } } })
const ended = (alarm: string, by: string): DoorEffect => ({
  do: 'record',
  event: { type: 'alarm_ended', detail: { alarm, by } },
})

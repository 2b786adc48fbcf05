/**
 * What the status LED and the buzzer say: one table of patterns, and a player as `step(state, event) -> { state, effects }`
 * whose timers are effects.
 */

export type Signal =
  | 'saved'
  | 'undone'
  | 'failed'
  | 'confirming'
  | 'collecting'
  | 'granted'
  | 'denied'
  | 'unknown'
  | 'camera-fault'
  | 'broker-lost'
  | 'ready'

interface Pattern {
  /** Milliseconds on, off, on …; `lit` is on for as long as it lasts. */
  readonly led: readonly number[] | 'lit'
  /** Sounded once, when the signal begins. */
  readonly buzzer: readonly number[]
  /** Shown for as long as it is so, over and over; a moment is shown once. */
  readonly lasting: boolean
}

/** In order of priority: of what is to be said at once, the first is shown. */
export const patterns: Readonly<Record<Signal, Pattern>> = {
  saved: { led: [2000, 200], buzzer: [80, 80, 80], lasting: false },
  undone: { led: [600, 200, 100, 200, 600, 300], buzzer: [80, 80, 400], lasting: false },
  failed: { led: [100, 100, 100, 100, 100, 100, 100, 100, 100, 400], buzzer: [600], lasting: false },
  confirming: { led: [120, 120], buzzer: [], lasting: true },
  collecting: { led: [500, 500], buzzer: [80], lasting: true },
  granted: { led: 'lit', buzzer: [80], lasting: true },
  denied: { led: [200, 200, 200, 200, 200, 400], buzzer: [300], lasting: false },
  unknown: { led: [80, 120, 80, 400], buzzer: [], lasting: false },
  'camera-fault': { led: [1000, 250, 100, 250], buzzer: [], lasting: true },
  'broker-lost': { led: [100, 150, 100, 2650], buzzer: [], lasting: true },
  ready: { led: [50, 4950], buzzer: [], lasting: true },
}

const byPriority = Object.keys(patterns) as Signal[]
const rank = (signal: Signal) => byPriority.indexOf(signal)

export type SignalTimer = 'signal-led' | 'signal-buzzer'

export type SignalEvent =
  /** What is so now, all of it, and what has just happened. */
  | { readonly type: 'now'; readonly lasting: readonly Signal[]; readonly moments: readonly Signal[] }
  | { readonly type: 'timeout'; readonly timer: SignalTimer }
  | { readonly type: 'stop' }

export type SignalEffect =
  | { readonly do: 'led'; readonly on: boolean }
  | { readonly do: 'buzzer'; readonly on: boolean }
  | { readonly do: 'timer'; readonly timer: SignalTimer; readonly ms: number }
  | { readonly do: 'cancel'; readonly timer: SignalTimer }

export interface SignalState {
  readonly lasting: readonly Signal[]
  readonly shown?: { readonly signal: Signal; readonly step: number }
  readonly sounded?: { readonly pattern: readonly number[]; readonly step: number }
  readonly led: boolean
  readonly buzzer: boolean
}

export interface SignalStep {
  readonly state: SignalState
  readonly effects: readonly SignalEffect[]
}

export const initialSignals: SignalState = { lasting: [], led: false, buzzer: false }

export function stepSignals(state: SignalState, event: SignalEvent): SignalStep {
  switch (event.type) {
    case 'now':
      return now({ ...state, lasting: event.lasting }, event.moments)
    case 'timeout':
      return event.timer === 'signal-led' ? nextFlash(state) : nextSound(state)
    case 'stop':
      return {
        state: initialSignals,
        effects: [
          { do: 'cancel', timer: 'signal-led' },
          { do: 'cancel', timer: 'signal-buzzer' },
          { do: 'led', on: false },
          { do: 'buzzer', on: false },
        ],
      }
  }
}

const first = (signals: readonly Signal[]) =>
  signals.reduce<Signal | undefined>(
    (best, signal) => (best === undefined || rank(signal) < rank(best) ? signal : best),
    undefined,
  )

/** A moment that something more important hides is not made up for: it would tell of what is long over. */
function now(state: SignalState, moments: readonly Signal[]): SignalStep {
  const { shown, lasting } = state
  const moment = first(moments)
  const running = shown && !patterns[shown.signal].lasting ? [shown.signal] : []
  const top = first([...lasting, ...moments, ...running])
  if (top === undefined) return dark(state)
  const again = moment !== undefined && top === moment
  return top === shown?.signal && !again ? { state, effects: [] } : begin(state, top)
}

function dark(state: SignalState): SignalStep {
  const { shown, ...rest } = state
  if (shown === undefined) return { state, effects: [] }
  const cancel: SignalEffect = { do: 'cancel', timer: 'signal-led' }
  return { state: { ...rest, led: false }, effects: state.led ? [cancel, { do: 'led', on: false }] : [cancel] }
}

function begin(state: SignalState, signal: Signal): SignalStep {
  const flash = show(state, signal, 0)
  const { buzzer } = patterns[signal]
  if (buzzer.length === 0) return flash
  const sound = play(flash.state, buzzer, 0)
  return { state: sound.state, effects: [...flash.effects, ...sound.effects] }
}

/** `step` counts through the pattern's milliseconds; even ones are on. */
function show(state: SignalState, signal: Signal, step: number): SignalStep {
  const { led } = patterns[signal]
  const on = led === 'lit' || step % 2 === 0
  const change: SignalEffect[] = on === state.led ? [] : [{ do: 'led', on }]
  const timer: SignalEffect =
    led === 'lit' ? { do: 'cancel', timer: 'signal-led' } : { do: 'timer', timer: 'signal-led', ms: led[step]! }
  return { state: { ...state, led: on, shown: { signal, step } }, effects: [...change, timer] }
}

function nextFlash(state: SignalState): SignalStep {
  const { shown, ...rest } = state
  if (shown === undefined) return { state, effects: [] }
  const { led, lasting } = patterns[shown.signal]
  const step = shown.step + 1
  if (led !== 'lit' && step < led.length) return show(state, shown.signal, step)
  if (lasting) return show(state, shown.signal, 0)
  const next = first(rest.lasting)
  return next === undefined ? dark(state) : show(rest, next, 0)
}

function play(state: SignalState, pattern: readonly number[], step: number): SignalStep {
  const { sounded: _, ...rest } = state
  const over = step >= pattern.length
  const on = !over && step % 2 === 0
  const change: SignalEffect[] = on === state.buzzer ? [] : [{ do: 'buzzer', on }]
  if (over) return { state: { ...rest, buzzer: false }, effects: [...change, { do: 'cancel', timer: 'signal-buzzer' }] }
  return {
    state: { ...rest, buzzer: on, sounded: { pattern, step } },
    effects: [...change, { do: 'timer', timer: 'signal-buzzer', ms: pattern[step]! }],
  }
}

const nextSound = (state: SignalState): SignalStep =>
  state.sounded ? play(state, state.sounded.pattern, state.sounded.step + 1) : { state, effects: [] }

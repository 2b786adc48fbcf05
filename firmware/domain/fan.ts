/**
 * The fan, as `step(state, event) -> { state, effects }`: the hottest zone through a curve with hysteresis. Whatever is
 * not known to be cool enough is cooled: without a reading the fan runs at full speed.
 */
import type { NewEvent } from './events.js'

/** Points of degrees Celsius and percent, both rising; straight lines between them. */
export type Curve = readonly (readonly [celsius: number, percent: number])[]

export interface FanOptions {
  readonly curve: Curve
  /** The fan slows down when it is this much cooler, degrees Celsius. */
  readonly hysteresis: number
  /** Without a reading for this long it runs at full speed, ms. */
  readonly staleMs: number
  /** A tachometer that shows no turn for this long, although the fan is driven, tells of a fault, ms. */
  readonly stallMs: number
}

export interface FanState {
  /** The temperature that the curve is asked for: follows a rise at once and a fall late. */
  readonly held?: number
  readonly celsius?: number
  readonly percent: number
  readonly rpm?: number
  /** It did not turn at the speed it was asked for: it gets what every fan turns with. */
  readonly lifted?: boolean
  /** Since when it is driven and does not turn. */
  readonly stillSince?: number
  readonly fault?: 'no temperature' | 'stalled' | 'not driven'
}

export type FanEvent =
  /** `celsius` undefined: no zone could be read. `rpm` undefined: there is no tachometer. */
  | { readonly type: 'reading'; readonly now: number; readonly celsius?: number; readonly rpm?: number }
  | { readonly type: 'stale' }
  | { readonly type: 'driven'; readonly reason?: string }

export type FanEffect =
  | { readonly do: 'drive'; readonly percent: number }
  /** Answered by `stale`, unless it is set again before. */
  | { readonly do: 'watch'; readonly ms: number }
  | { readonly do: 'record'; readonly event: NewEvent }

export interface FanStep {
  readonly state: FanState
  readonly effects: readonly FanEffect[]
}

const full = 100
/** Some fans do not start below this, percent: what stands still is asked for so much, then it is stalled. */
const turning = 30

export const initialFan: FanState = { percent: full }

/** Percent at that temperature: the first point's below it, the last point's above it. */
export function onCurve(curve: Curve, celsius: number): number {
  const [first] = curve
  if (first === undefined || !Number.isFinite(celsius)) return full
  if (celsius <= first[0]) return first[1]
  for (let i = 1; i < curve.length; i++) {
    const [[lowAt, low], [highAt, high]] = [curve[i - 1]!, curve[i]!]
    if (celsius <= highAt) return low + ((high - low) * (celsius - lowAt)) / (highAt - lowAt)
  }
  return curve.at(-1)![1]
}

export function stepFan(state: FanState, event: FanEvent, options: FanOptions): FanStep {
  switch (event.type) {
    case 'reading':
      return event.celsius === undefined ? blind(state) : reading(state, event.celsius, event, options)
    case 'stale':
      return blind(state)
    case 'driven':
      return driven(state, event.reason)
  }
}

function reading(
  state: FanState,
  celsius: number,
  { now, rpm }: { now: number; rpm?: number },
  options: FanOptions,
): FanStep {
  const held = Math.max(celsius, Math.min(state.held ?? celsius, celsius + options.hysteresis))
  const percent = Math.round(onCurve(options.curve, held))
  const { stillSince: _, rpm: __, lifted: ___, ...before } = state
  const still = rpm !== undefined && rpm <= 0 && state.percent > 0
  const long = still && now - (state.stillSince ?? now) >= options.stallMs
  const slow = state.percent < turning
  const stalled = long && !slow
  const lifted = percent > 0 && (state.lifted === true || (long && slow))
  // At a speed that it has just been given it has its time to start.
  const since = still ? (long && slow ? now : (state.stillSince ?? now)) : undefined
  const next: FanState = {
    ...before,
    held,
    celsius,
    // What does not turn is asked for all it can give.
    percent: stalled ? full : lifted ? Math.max(percent, turning) : percent,
    ...(lifted && { lifted }),
    ...(rpm !== undefined && { rpm }),
    ...(since !== undefined && { stillSince: since }),
  }
  const fault = stalled ? 'stalled' : state.fault === 'not driven' ? state.fault : undefined
  const told = withFault(next, fault)
  return {
    state: told.state,
    effects: [{ do: 'drive', percent: next.percent }, { do: 'watch', ms: options.staleMs }, ...told.effects],
  }
}

function blind(state: FanState): FanStep {
  const { held: _, celsius: __, ...rest } = state
  const told = withFault({ ...rest, percent: full }, 'no temperature')
  return { state: told.state, effects: [{ do: 'drive', percent: full }, ...told.effects] }
}

function driven(state: FanState, reason: string | undefined): FanStep {
  if (reason === undefined) return state.fault === 'not driven' ? withFault(state, undefined) : { state, effects: [] }
  return withFault(state, 'not driven', reason)
}

/** A fault is told once, and once that it is over. */
function withFault(state: FanState, fault: FanState['fault'], reason?: string): FanStep {
  const { fault: before, ...rest } = state
  if (fault === before) return { state, effects: [] }
  if (fault === undefined) return { state: rest, effects: [{ do: 'record', event: { type: 'fan_restored' } }] }
  const detail = { fault, ...(reason !== undefined && { reason }) }
  return { state: { ...rest, fault }, effects: [{ do: 'record', event: { type: 'fan_fault', detail } }] }
}

/**
 * What to do about a camera, as `step(state, event) -> { state, effects }`. A camera that opened but gave no frame is not
 * open: `opened` is only said once a frame came. A recording that ends has ended; a live source that ends is a fault.
 */
import { backoffMs } from './backoff.js'

export interface CameraState {
  readonly phase: 'closed' | 'opening' | 'live' | 'waiting' | 'ended'
  /** Openings that failed or ended in a fault since frames last flowed for `steadyMs`. */
  readonly faults: number
  readonly liveSince?: number
}

export type CameraEvent =
  | { readonly type: 'start' }
  | { readonly type: 'opened'; readonly now: number }
  | { readonly type: 'failed'; readonly reason: string; readonly now: number }
  | { readonly type: 'ended'; readonly now: number }
  | { readonly type: 'retry' }

export type CameraEffect =
  | { readonly do: 'open' }
  | { readonly do: 'close' }
  | { readonly do: 'retry'; readonly ms: number }
  | { readonly do: 'tell'; readonly status: 'live' | 'fault' | 'ended'; readonly reason?: string }

export interface CameraHealthOptions {
  /** A recording comes to an end; nothing else does. */
  readonly recording: boolean
  readonly backoff: { readonly firstMs: number; readonly maxMs: number }
  /** Frames that flow this long, ms, forgive earlier faults. */
  readonly steadyMs: number
}

export const initialCamera: CameraState = { phase: 'closed', faults: 0 }

export function stepCamera(
  state: CameraState,
  event: CameraEvent,
  options: CameraHealthOptions,
): { readonly state: CameraState; readonly effects: readonly CameraEffect[] } {
  switch (event.type) {
    case 'start':
    case 'retry':
      return { state: { ...state, phase: 'opening' }, effects: [{ do: 'open' }] }
    case 'opened':
      return { state: { ...state, phase: 'live', liveSince: event.now }, effects: [{ do: 'tell', status: 'live' }] }
    case 'ended':
      if (options.recording)
        return { state: { ...state, phase: 'ended' }, effects: [{ do: 'close' }, { do: 'tell', status: 'ended' }] }
      return fault(state, 'the stream ended', event.now, options)
    case 'failed':
      return fault(state, event.reason, event.now, options)
  }
}

function fault(state: CameraState, reason: string, now: number, options: CameraHealthOptions) {
  const steady = state.phase === 'live' && now - (state.liveSince ?? now) >= options.steadyMs
  const faults = steady ? 1 : state.faults + 1
  const effects: CameraEffect[] = [
    { do: 'close' },
    { do: 'tell', status: 'fault', reason },
    { do: 'retry', ms: backoffMs(options.backoff, faults - 1) },
  ]
  return { state: { phase: 'waiting', faults } satisfies CameraState, effects }
}

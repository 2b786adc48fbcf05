/**
 * Whether one camera session is well, as `step(state, event) -> { state, fault?, ended?, repeated? }`: which of its outcomes
 * are faults. Frames that come are not enough: they must change, and keep their size. A camera that opened but gave no
 * frame is not open; a recording that ends has ended, while a live source that ends is a fault.
 */
import type { CameraFault } from './camera-faults.js'

export interface SessionState {
  readonly width?: number
  readonly height?: number
  /** Fingerprints of the last pictures, newest last. */
  readonly recent: readonly number[]
  /** Since when, and in how many frames, nothing has changed; ms. */
  readonly since: number
  readonly same: number
}

/** `before`: the session before it. A picture that is frozen behind the camera comes again when that is opened again. */
export const newSession = (before?: SessionState): SessionState => ({ recent: before?.recent ?? [], since: 0, same: 0 })

export type SessionEvent =
  | {
      readonly type: 'frame'
      readonly width: number
      readonly height: number
      /** Equal for equal pictures; 0 says nothing. */
      readonly fingerprint: number
      readonly now: number
    }
  | { readonly type: 'stall'; readonly seconds: number }
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'end' }

export interface SessionOptions {
  /** A recording comes to an end; nothing else does. */
  readonly recording: boolean
  /** What was asked of the camera; absent where the source has a size of its own, which it must then keep. */
  readonly size?: { readonly width: number; readonly height: number }
  /** The same picture for this long, ms, is a frozen camera: a sensor's noise is never the same twice. 0: never. */
  readonly frozenMs: number
}

/** So many equal frames at least: a slow camera's two are no proof. */
const frozenFrames = 4
/** A driver whose sensor stands still may go round its buffers, each with an old picture: V4L2 has 32 of them at most. */
const recentPictures = 32

export interface SessionStep {
  readonly state: SessionState
  readonly fault?: CameraFault
  readonly ended?: true
  /** The frame shows a picture that was there before, to the bit: it proves nothing of who is there now. */
  readonly repeated?: true
}

export function stepSession(state: SessionState, event: SessionEvent, options: SessionOptions): SessionStep {
  switch (event.type) {
    case 'frame':
      return frame(state, event, options)
    case 'stall':
      return { state, fault: { kind: 'stall', reason: `no frame for ${event.seconds.toFixed(1)} s` } }
    case 'error':
      // nvarguscamerasrc ends its stream where it ought to report an error.
      return { state, fault: { kind: /the stream ended/.test(event.message) ? 'end' : 'error', reason: event.message } }
    case 'end':
      return options.recording ? { state, ended: true } : { state, fault: { kind: 'end', reason: 'the stream ended' } }
  }
}

function frame(
  state: SessionState,
  { width, height, fingerprint, now }: Extract<SessionEvent, { type: 'frame' }>,
  { size, frozenMs }: SessionOptions,
): SessionStep {
  const due = size ?? (state.width === undefined ? { width, height } : { width: state.width, height: state.height! })
  if (width !== due.width || height !== due.height) {
    const reason = `a picture of ${width}x${height} came instead of ${due.width}x${due.height}`
    return { state, fault: { kind: 'size', reason } }
  }
  const repeated = fingerprint !== 0 && state.recent.includes(fingerprint)
  const still = repeated && state.same > 0
  const recent = fingerprint === 0 || repeated ? state.recent : [...state.recent, fingerprint].slice(-recentPictures)
  const next = { width, height, recent, since: still ? state.since : now, same: still ? state.same + 1 : 1 }
  if (frozenMs === 0 || next.same < frozenFrames || now - next.since < frozenMs)
    return { state: next, ...(repeated && { repeated }) }
  const seconds = ((now - next.since) / 1000).toFixed(1)
  return { state: next, fault: { kind: 'frozen', reason: `the same picture for ${seconds} s` } }
}

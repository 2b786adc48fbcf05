/**
 * Whether init's watchdog may be fed, as `step(state, event) -> { state, effects }`. It is fed while lines, store and
 * camera all progress; a supervisor whose event loop turns and that does nothing any more must not look alive. The
 * recognizer's word alone feeds nothing: lines and store are the supervisor's own, and are asked each time.
 *
 * Times are `Clock.now`, ms.
 */

/**
 * - lines: the lines were read;
 * - store: it answered, if only that it cannot: a full disk is no hang, and a restart would forget who is known;
 * - camera: frames, or a step of what brings them back.
 */
export const watchedParts = ['lines', 'store', 'camera'] as const
export type WatchedPart = (typeof watchedParts)[number]

export interface WatchdogState {
  /** When each part must have progressed again. */
  readonly due: Readonly<Record<WatchedPart, number>>
  /** Frames the recognizer had counted when it last told; its next process begins anew. */
  readonly frames: number
  /** Told of until it progresses. */
  readonly stuck: readonly WatchedPart[]
}

export type WatchdogEvent =
  | { readonly type: 'progress'; readonly part: 'lines' | 'store'; readonly now: number }
  /** The recognizer's account: frames judged since its start. */
  | { readonly type: 'frames'; readonly count: number; readonly now: number }
  /** Something was done about the camera. */
  | { readonly type: 'ladder'; readonly now: number }
  /** A recognizer is being started, which may have to build its plans first. */
  | { readonly type: 'loading'; readonly waitMs?: number; readonly now: number }
  /** Nothing is expected: a recording has ended, or a device is waited for that is not there. */
  | { readonly type: 'resting' }
  | { readonly type: 'tick'; readonly now: number }

export type WatchdogEffect = { readonly do: 'feed' } | { readonly do: 'stuck'; readonly part: WatchedPart }

export interface WatchdogLimits {
  readonly linesMs: number
  readonly storeMs: number
  readonly cameraMs: number
  readonly loadingMs: number
}

/** Nothing has happened yet, and everything has its full time. */
export const startWatchdog = (now: number, limits: WatchdogLimits): WatchdogState => ({
  due: { lines: now + limits.linesMs, store: now + limits.storeMs, camera: now + limits.loadingMs },
  frames: 0,
  stuck: [],
})

export function stepWatchdog(
  state: WatchdogState,
  event: WatchdogEvent,
  limits: WatchdogLimits,
): { readonly state: WatchdogState; readonly effects: readonly WatchdogEffect[] } {
  switch (event.type) {
    case 'progress':
      return progressed(state, event.part, event.now + (event.part === 'lines' ? limits.linesMs : limits.storeMs))
    case 'frames': {
      const told = { ...state, frames: event.count }
      // A recognizer that counts and never gets further is not seeing anything.
      return event.count > state.frames
        ? progressed(told, 'camera', event.now + limits.cameraMs)
        : { state: told, effects: [] }
    }
    case 'ladder':
      return progressed(state, 'camera', event.now + limits.cameraMs)
    case 'loading':
      return progressed({ ...state, frames: 0 }, 'camera', event.now + (event.waitMs ?? 0) + limits.loadingMs)
    case 'resting':
      return progressed(state, 'camera', Number.POSITIVE_INFINITY)
    case 'tick':
      return tick(state, event.now)
  }
}

function progressed(state: WatchdogState, part: WatchedPart, due: number) {
  const stuck = state.stuck.filter((other) => other !== part)
  return { state: { ...state, stuck, due: { ...state.due, [part]: due } }, effects: [] }
}

function tick(state: WatchdogState, now: number) {
  const stuck = watchedParts.filter((part) => now >= state.due[part])
  if (stuck.length === 0) return { state: { ...state, stuck }, effects: [{ do: 'feed' } as const] }
  const effects = stuck.filter((part) => !state.stuck.includes(part)).map((part) => ({ do: 'stuck', part }) as const)
  return { state: { ...state, stuck }, effects }
}

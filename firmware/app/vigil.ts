/** Keeps init informed: patience while starting and stopping, READY, one line of status, and the watchdog's food. */
import type { LadderPhase } from '../domain/camera-ladder.js'
import {
  startWatchdog,
  stepWatchdog,
  type WatchdogEvent,
  type WatchdogLimits,
  type WatchdogState,
  type WatchedPart,
} from '../domain/watchdog.js'
import type { Clock, InitSystem, Log } from '../ports.js'
import type { Effect, StateReport, SupervisorEvent } from './supervisor-types.js'

/** Starting or stopping that takes longer is a hang: a large store is read through in minutes, ms. */
const patienceMs = 15 * 60_000
/** Patience is asked for in pieces: without an event loop there is no next piece, ms. */
const pieceMs = 60_000

const longestTickMs = 1_000
/** A fed watchdog is fed this many times a period at least. */
const feedsPerPeriod = 4

/**
 * The lines are the door. The store gets longer than any of its jobs may hold it up: the door works without it, and a
 * restart in the middle of a repair would begin the repair anew. The camera has a ladder of its own, which has to have
 * failed first; and TensorRT builds its plans for minutes, on a small board for many.
 */
export const watchdogLimits: WatchdogLimits = {
  linesMs: 5_000,
  storeMs: 5 * 60_000,
  cameraMs: 5 * 60_000,
  loadingMs: 30 * 60_000,
}

/** Rungs of domain/camera-ladder. */
const steps: ReadonlySet<Effect['do']> = new Set([
  'open-camera',
  'close-camera',
  'restart-recognizer',
  'ask-host',
  'keep-ladder',
])

/** Where it waits for something that may never come. */
const resting: ReadonlySet<LadderPhase> = new Set(['absent', 'ended', 'rebooting'])

const words: Record<WatchedPart, string> = {
  lines: 'the lines cannot be read',
  store: 'the store does not answer',
  camera: 'neither frames nor anything that would bring them back',
}

export interface VigilPorts {
  readonly init: InitSystem
  readonly clock: Clock
  readonly log: Log
  /** The first picture, or the next one, may take so long, ms. */
  readonly pictureMs?: number
  readonly limits?: WatchdogLimits
}

export class Vigil {
  readonly #ports: VigilPorts
  readonly #limits: WatchdogLimits
  #phase: 'starting' | 'guarding' | 'stopping' = 'starting'
  #since: number
  #state: WatchdogState
  #status = ''
  #readLines = () => {}

  constructor(ports: VigilPorts) {
    this.#ports = ports
    const limits = ports.limits ?? watchdogLimits
    this.#limits = { ...limits, cameraMs: limits.cameraMs + (ports.pictureMs ?? 0) }
    this.#since = ports.clock.now()
    this.#state = startWatchdog(this.#since, this.#limits)
  }

  /** How often `tick` is to be called, ms. */
  get tickMs(): number {
    const { watchdogMs } = this.#ports.init
    return watchdogMs === undefined ? longestTickMs : Math.min(longestTickMs, watchdogMs / feedsPerPeriod)
  }

  /** The exit button works. `readLines` throws when the lines cannot be read. */
  guarding(readLines: () => void): void {
    this.#readLines = readLines
    this.#phase = 'guarding'
    this.#state = startWatchdog(this.#ports.clock.now(), this.#limits)
    this.#ports.init.ready()
  }

  stopping(): void {
    this.#phase = 'stopping'
    this.#since = this.#ports.clock.now()
    this.#ports.init.stopping()
  }

  storeAnswered(): void {
    this.#feed({ type: 'progress', part: 'store', now: this.#ports.clock.now() })
  }

  /** The camera is not to be opened before the store can be read: a restart would begin its repair anew. */
  cameraWaits(): void {
    this.#feed({ type: 'ladder', now: this.#ports.clock.now() })
  }

  /** What the supervisor was told, what it did, and how the door is since. */
  saw(event: SupervisorEvent, effects: readonly Effect[], report: StateReport): void {
    const progress = progressOf(event, effects, this.#ports.clock.now())
    if (progress) this.#feed(progress)
    const status = statusOf(report)
    if (status === this.#status) return
    this.#status = status
    this.#ports.init.status(status)
  }

  tick(): void {
    const { init, clock, log } = this.#ports
    const now = clock.now()
    if (this.#phase !== 'guarding') {
      if (now - this.#since < patienceMs) init.extend(pieceMs)
      return
    }
    try {
      this.#readLines()
      this.#feed({ type: 'progress', part: 'lines', now })
    } catch (error) {
      log.debug(`the lines cannot be read: ${(error as Error).message}`)
    }
    this.#feed({ type: 'tick', now })
  }

  #feed(event: WatchdogEvent): void {
    const { state, effects } = stepWatchdog(this.#state, event, this.#limits)
    this.#state = state
    for (const effect of effects) {
      if (effect.do === 'feed') this.#ports.init.feed()
      else if (this.#ports.init.watchdogMs === undefined) this.#ports.log.error(`${words[effect.part]}`)
      else this.#ports.log.error(`${words[effect.part]}: the watchdog is fed no more, and facelatch will be restarted`)
    }
  }
}

/** What the supervisor does about the camera counts, and frames; that the recognizer says something does not. */
function progressOf(event: SupervisorEvent, effects: readonly Effect[], now: number): WatchdogEvent | undefined {
  if (event.type === 'recognizer-lost') return { type: 'loading', waitMs: event.restartMs, now }
  if (effects.some((effect) => effect.do === 'publish-health' && resting.has(effect.camera.phase)))
    return { type: 'resting' }
  if (effects.some((effect) => steps.has(effect.do) || (effect.do === 'timer' && effect.timer === 'camera-step')))
    return { type: 'ladder', now }
  if (event.type !== 'recognizer' || event.message.type !== 'health') return undefined
  return { type: 'frames', count: event.message.health.frames, now }
}

const statusOf = ({ door, camera, recognizer, people, store, mode, configuration }: StateReport): string =>
  [
    // First, since systemctl cuts the line at the terminal's edge.
    ...(configuration === undefined ? [] : ['THE CONFIGURATION CANNOT BE USED: guarding with the last good one']),
    `door ${door}`,
    `camera ${recognizer === 'running' ? camera : `waits: recognizer ${recognizer}`}`,
    `${people} ${people === 1 ? 'person' : 'people'}`,
    ...(store === 'ok' ? [] : ['the store fails']),
    ...(mode === 'normal' ? [] : [`mode ${mode}`]),
  ].join(', ')

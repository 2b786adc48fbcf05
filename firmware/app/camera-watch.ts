/** Keeps a camera open and its frames flowing; what to do about faults is camera-health's to say. */
import {
  type CameraEffect,
  type CameraEvent,
  type CameraState,
  initialCamera,
  stepCamera,
} from '../domain/camera-health.js'
import type { Camera, Clock, Picture } from '../ports.js'
import type { CameraStatus } from './messages.js'

export interface CameraWatchPorts {
  readonly clock: Clock
  readonly recording: boolean
  open(): Promise<Camera>
  /** A new camera session: stream time starts again. */
  begin(): void
  /** Takes over the frame and releases it. */
  frame(frame: Picture): Promise<void>
  tell(status: 'live' | 'fault' | 'ended', reason?: string): void
}

const backoff = { firstMs: 500, maxMs: 15_000 }
/** Frames that flow this long, ms, forgive earlier faults. */
const steadyMs = 30_000

export class CameraWatch {
  readonly #ports: CameraWatchPorts
  #state: CameraState = initialCamera
  #camera: Camera | undefined
  #droppedBefore = 0
  #stopped = false
  #loop: Promise<void> = Promise.resolve()
  #cancelRetry = () => {}
  status: CameraStatus = 'opening'

  constructor(ports: CameraWatchPorts) {
    this.#ports = ports
  }

  /** Frames that were never looked at, over all sessions. */
  get dropped(): number {
    return this.#droppedBefore + (this.#camera?.stats().dropped ?? 0)
  }

  /** Harmless when already started. */
  start(): void {
    if (this.#state.phase === 'closed' && !this.#stopped) this.#feed({ type: 'start' })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRetry()
    await this.#camera?.close()
    await this.#loop
  }

  #feed(event: CameraEvent): void {
    if (this.#stopped) return
    const options = { recording: this.#ports.recording, backoff, steadyMs }
    const { state, effects } = stepCamera(this.#state, event, options)
    this.#state = state
    for (const effect of effects) this.#carryOut(effect)
  }

  #carryOut(effect: CameraEffect): void {
    switch (effect.do) {
      case 'open':
        this.#loop = this.#watch()
        return
      case 'close':
        this.#droppedBefore = this.dropped
        void this.#camera?.close()
        this.#camera = undefined
        return
      case 'retry':
        this.#cancelRetry = this.#ports.clock.after(effect.ms, () => this.#feed({ type: 'retry' }))
        return
      case 'tell':
        this.status = effect.status
        this.#ports.tell(effect.status, effect.reason)
    }
  }

  async #watch(): Promise<void> {
    const now = () => this.#ports.clock.now()
    try {
      const camera = await this.#ports.open()
      if (this.#stopped) return camera.close()
      this.#camera = camera
      this.#ports.begin()
      this.#feed({ type: 'opened', now: now() })
      while (!this.#stopped) {
        const outcome = await camera.next()
        if (outcome.type === 'frame') await this.#ports.frame(outcome.frame)
        else if (outcome.type === 'end') return this.#feed({ type: 'ended', now: now() })
        else
          return this.#feed({
            type: 'failed',
            reason: outcome.type === 'stall' ? `no frame for ${outcome.seconds} s` : outcome.message,
            now: now(),
          })
      }
    } catch (error) {
      this.#feed({ type: 'failed', reason: (error as Error).message, now: now() })
    }
  }
}

/**
 * Holds the camera in the recognizer process: opens and closes it when told, and watches each session for what
 * domain/camera-health calls a fault. What to do about one is the supervisor's to say, which outlives this process.
 */
import type { CameraFault } from '../domain/camera-faults.js'
import { newSession, type SessionEvent, type SessionOptions, stepSession } from '../domain/camera-health.js'
import type { Camera, Picture } from '../ports.js'
import type { CameraStatus } from './messages.js'

export interface CameraWatchPorts {
  readonly session: SessionOptions
  /** Rejects with a fault. */
  open(): Promise<Camera>
  /** What could be wrong with opening, from its error. */
  faultOf(error: Error): CameraFault
  /** Pipelines that their drivers did not let go. */
  stuck(): number
  /** A new camera session: stream time starts again. */
  begin(): void
  /** Takes over the frame and releases it. `repeated`: its picture was there before, to the bit. */
  frame(frame: Picture, repeated: boolean): Promise<void>
  tell(status: 'live' | 'ended'): void
  fault(fault: CameraFault): void
  closed(stuck: boolean): void
}

export class CameraWatch {
  readonly #ports: CameraWatchPorts
  #camera: Camera | undefined
  #droppedBefore = 0
  /** Counts sessions: one that was closed meanwhile has nothing more to say. */
  #session = 0
  #loop: Promise<void> = Promise.resolve()
  #closing: Promise<void> = Promise.resolve()
  #state = newSession()
  status: CameraStatus = 'opening'

  constructor(ports: CameraWatchPorts) {
    this.#ports = ports
  }

  /** Frames that were never looked at, over all sessions. */
  get dropped(): number {
    return this.#droppedBefore + (this.#camera?.stats().dropped ?? 0)
  }

  open(): void {
    const session = ++this.#session
    const before = this.#end()
    this.#loop = before.then(() => this.#watch(session))
  }

  /** Says `closed` when the camera is let go, or its driver will not. */
  async close(): Promise<void> {
    this.#session++
    await this.#end()
    this.#ports.closed(this.#ports.stuck() > 0)
  }

  async stop(): Promise<void> {
    this.#session++
    await this.#end()
  }

  /** Never rejects; lasts as long as the native side waits for a driver. */
  async #end(): Promise<void> {
    this.#leave()
    await this.#loop
    await this.#closing
  }

  #leave(): void {
    const camera = this.#camera
    this.#droppedBefore = this.dropped
    this.#camera = undefined
    if (camera) this.#closing = Promise.all([this.#closing, camera.close().catch(() => {})]).then(() => {})
  }

  async #watch(session: number): Promise<void> {
    const over = () => session !== this.#session
    if (over()) return
    const outcome = await this.#run(over).catch((error: Error) => this.#ports.faultOf(error))
    if (over()) return
    this.#leave()
    if (outcome === 'ended') {
      this.status = 'ended'
      this.#ports.tell('ended')
    } else if (outcome !== 'closed') {
      this.status = 'fault'
      this.#ports.fault(outcome)
    }
  }

  /** One session, from opening to what ended it. */
  async #run(over: () => boolean): Promise<CameraFault | 'ended' | 'closed'> {
    // A driver that still holds the last pipeline is not asked for another one.
    if (this.#ports.stuck() > 0)
      return { kind: 'stuck', reason: 'the camera driver does not let go of the last session' }
    const camera = await this.#ports.open()
    if (over()) {
      await camera.close()
      return 'closed'
    }
    this.#camera = camera
    this.#ports.begin()
    this.#state = newSession(this.#state)
    let live = false
    const { session: options } = this.#ports
    while (!over()) {
      const outcome = await camera.next()
      if (over()) break
      const event: SessionEvent =
        outcome.type === 'frame'
          ? {
              type: 'frame',
              width: outcome.frame.width,
              height: outcome.frame.height,
              fingerprint: options.recording ? 0 : outcome.frame.fingerprint(),
              now: outcome.frame.arrived,
            }
          : outcome
      const stepped = stepSession(this.#state, event, options)
      this.#state = stepped.state
      if (stepped.ended) return 'ended'
      if (stepped.fault) {
        if (outcome.type === 'frame') outcome.frame.release()
        return stepped.fault
      }
      if (outcome.type !== 'frame') continue
      if (!live) {
        live = true
        this.status = 'live'
        this.#ports.tell('live')
      }
      await this.#ports.frame(outcome.frame, stepped.repeated ?? false)
    }
    return 'closed'
  }
}

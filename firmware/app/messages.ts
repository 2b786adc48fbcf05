/** What the two processes say to each other. Pixels never cross, except a snapshot that somebody asked for. */
import type { Config } from '../config.js'
import type { FaultKind } from '../domain/camera-faults.js'
import type { FaceView } from '../domain/enrolment-collection.js'
import type { FrameSize } from '../domain/quality.js'
import type { Box, TrackState, Verdict } from '../domain/types.js'
import type { GalleryPart } from '../ports.js'

export interface SightedTrack {
  readonly id: number
  readonly state: TrackState
  readonly box: Box
  readonly verdict: Verdict
  /** Identified in this very frame, in agreement with the verdict. */
  readonly verified: boolean
  /** How the face was seen; absent when it was not seen in this frame. */
  readonly view?: {
    readonly frame: FrameSize
    /** Looking into the camera, in [0, 1]: `qualityFactors` in domain/quality.ts. */
    readonly pose: number
  }
}

/** Percentiles in milliseconds. */
export interface Spread {
  readonly p50: number
  readonly p99: number
}

/** The recognizer's own account of itself; counts are since its start. */
export interface Health {
  readonly camera: CameraStatus
  readonly frames: number
  readonly sweeps: number
  readonly embeddings: number
  readonly dropped: number
  /** Frames judged per second since the last account. */
  readonly fps: number
  /** Mean milliseconds per judged frame since the start, by stage. */
  readonly stages: Readonly<Record<string, number>>
  /** Whole frame, decode excluded. */
  readonly frameMs: Spread
  /** Peak resident memory of the process, bytes. */
  readonly peakMemory: number
}

export type CameraStatus = 'opening' | 'live' | 'fault' | 'ended'

export type FromRecognizer =
  | {
      readonly type: 'ready'
      readonly engine: string
      readonly embedder: string
      readonly threshold: number
      /** Why the CPU computes although there is a GPU. */
      readonly fallback?: string
      /** Better embedders whose files are damaged: what, where, remedy. */
      readonly passedOver?: readonly string[]
      /** What loading did, for people. */
      readonly notes?: readonly string[]
    }
  | {
      readonly type: 'sighting'
      /** Stream time, ms. */
      readonly at: number
      /** `Clock.now` when the frame left the decoder. */
      readonly arrived: number
      /** `Clock.now` when the frame was judged. */
      readonly decided: number
      readonly tracks: readonly SightedTrack[]
    }
  | {
      /** The faces of one frame, for the enrolment that asked for them. */
      readonly type: 'sample'
      readonly session: number
      /** `Clock.now` when the frame left the decoder. */
      readonly arrived: number
      readonly faces: readonly FaceView[]
    }
  | {
      /** `closed` answers the order to close; it tells nothing of the camera's health but whether a driver is `stuck`. */
      readonly type: 'camera'
      readonly status: 'live' | 'fault' | 'ended' | 'closed'
      readonly kind?: FaultKind
      readonly reason?: string
      readonly stuck?: boolean
    }
  | { readonly type: 'health'; readonly health: Health }
  /** That part of the gallery holds for every frame from now on. */
  | { readonly type: 'gallery'; readonly number: number }
  | { readonly type: 'snapshot'; readonly track: number; readonly event: string; readonly png: Uint8Array }
  | { readonly type: 'fatal'; readonly reason: string }

export type ToRecognizer =
  | { readonly type: 'configure'; readonly config: Config }
  /** Answered with its number when it holds. */
  | { readonly type: 'gallery'; readonly number: number; readonly part: GalleryPart }
  | { readonly type: 'snapshot'; readonly track: number; readonly event: string; readonly label: string }
  /** Send samples of every frame from now on, or no more when there is no session. */
  | { readonly type: 'enrol'; readonly session?: number }
  /** Opened once there is a gallery, too. */
  | { readonly type: 'camera'; readonly order: 'open' | 'close' }
  | { readonly type: 'stop' }

/**
 * The words every part of facelatch shares. Pure data: no behaviour, no node:, no npm.
 *
 * Times named `at` in frames, faces and tracks are stream time: milliseconds since the camera session began, strictly
 * increasing within the session (a looped file goes on counting). Wall-clock times are ISO 8601 strings in UTC.
 */

/** Pixels of the frame, origin at its top left corner; x, y is the box's own top left corner and may be negative. */
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/**
 * Ten numbers, pixels of the frame: x, y of the eye on the picture's left, the eye on its right, the nose tip, the mouth
 * corner on the left, the mouth corner on the right.
 */
export type Landmarks = readonly number[]

/** One detected face. `score` is the detector's own confidence in [0, 1]. */
export interface Face {
  readonly box: Box
  readonly landmarks: Landmarks
  readonly score: number
}

export type TrackState = 'tentative' | 'confirmed' | 'lost'

/** One face followed over frames. A `lost` track was not seen in this frame and may still come back. */
export interface Track {
  readonly id: number
  readonly state: TrackState
  /** Filtered position: where the tracker believes the face is now. */
  readonly box: Box
  /** This frame's detection; absent when the track was not seen in this frame. */
  readonly face?: Face
  /** Detections so far. */
  readonly hits: number
  readonly firstSeen: number
  readonly lastSeen: number
}

/** Where the detector has to look in the next frame. */
export type Plan = { readonly kind: 'sweep' } | { readonly kind: 'refine'; readonly boxes: readonly Box[] }

/** A person's best similarity to a probe, cosine in [-1, 1]. */
export interface Candidate {
  readonly person: string
  readonly similarity: number
}

/** What the recognizer says of one track's face in one frame. */
export interface Answer {
  readonly track: number
  /** L2-normalised. */
  readonly embedding: Float32Array
  /** How good a probe this picture is, in [0, 1]. */
  readonly quality: number
  /** Best similarity per person, at most two different people, best first; empty when the gallery is empty. */
  readonly candidates: readonly Candidate[]
  /** Log-odds of a living face, one for each liveness net; absent where it was not judged. */
  readonly liveness?: readonly number[]
  /** The same face's, where it is judged whether it lives. */
  readonly landmarks?: Landmarks
}

export type Verdict =
  | { readonly kind: 'undecided' }
  | {
      readonly kind: 'known'
      readonly person: string
      readonly similarity: number
      readonly votes: number
      /** It looks like a picture, and the door was told to make no more of that than an event. */
      readonly looksFlat?: true
    }
  | { readonly kind: 'unknown'; readonly similarity: number; readonly votes: number; readonly looksFlat?: true }
  /** A picture: of whom, where that is known. */
  | { readonly kind: 'spoof'; readonly person?: string; readonly similarity: number; readonly votes: number }

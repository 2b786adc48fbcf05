/**
 * Is a track a living face or a picture of one, decided over frames. One frame is easily wrong: a living face may be badly
 * lit, a print may catch the light. What the nets say of several frames of one track is fused, and so is what evaluation
 * measures: `fuse` is the only arithmetic there is.
 */
import { movesAsPlane } from './flatness.js'
import type { Link, Move } from './tracker.js'
import type { Answer, Landmarks, Track, Verdict } from './types.js'

/** `require`: only living faces are known; `warn`: a picture is let in and told of. */
export type LivenessMode = 'off' | 'warn' | 'require'

export type Liveliness = 'undecided' | 'live' | 'spoof'

/** Frames that are fused for one decision. */
export const framesTogether = 10

/** Readings older than this say nothing of the face that is there now, ms of stream time. */
const maxAgeMs = 15_000

/**
 * Who was taken for a picture has to look alive for twice as many frames, and so on up to this: whoever waves a picture
 * until one lucky moment has few moments.
 */
const mostTogether = 80

/** What one frame tells. */
export interface LivenessFrame {
  /** Log-odds of a living face, one a net. */
  readonly odds: readonly number[]
  readonly landmarks?: Landmarks
}

/**
 * How much some frames of one face, together, look alive, in [0, 1]; the same for one frame as for many. A frame is the mean
 * of its nets, many frames are the mean of the half that looks least alive: a living face is one in every frame, a picture in
 * some, when it catches the light. A face that moves as a plane is none, whatever the nets say.
 */
export function fuse(frames: readonly LivenessFrame[]): number {
  if (movesAsPlane(frames.flatMap(({ landmarks }) => (landmarks === undefined ? [] : [landmarks])))) return 0
  const odds = frames.map((frame) => frame.odds.reduce((sum, one) => sum + one, 0) / frame.odds.length)
  // Sorting would put what is no number anywhere.
  if (odds.some(Number.isNaN)) return 0
  const least = odds.sort((a, b) => a - b).slice(0, Math.ceil(odds.length / 2))
  const mean = least.reduce((sum, one) => sum + one, 0) / least.length
  return 1 / (1 + Math.exp(-mean))
}

interface Reading extends LivenessFrame {
  readonly at: number
}

interface Watch {
  readings: readonly Reading[]
  decided: Liveliness
  /** Readings that the next decision takes. */
  needed: number
}

const fresh = (): Watch => ({ readings: [], decided: 'undecided', needed: framesTogether })

/** Remembers each track's frames; a face that may be another's than before starts from nothing. */
export class Liveness {
  readonly #liveFrom: number
  readonly #watches = new Map<number, Watch>()

  /** `liveFrom`: fused score from which a face counts as living (the model manifest's). */
  constructor(liveFrom: number) {
    this.#liveFrom = liveFrom
  }

  /** All tracks of a frame, before they are asked about: others are forgotten, and so is a face that was away. */
  see(tracks: readonly (Track & { readonly link?: Link })[]): void {
    const alive = new Set(tracks.map(({ id }) => id))
    for (const id of this.#watches.keys()) if (!alive.has(id)) this.#watches.delete(id)
    for (const { id, link } of tracks) if (link === 'resumed') this.#watches.delete(id)
  }

  /** Whether more frames of this track would decide something. */
  pending(track: number): boolean {
    return this.verdict(track) !== 'live'
  }

  /** The tracker found out whose face is whose: what was seen under these ids may have been other faces. */
  follow(moves: readonly Move[]): void {
    for (const { from, to } of moves) {
      this.#watches.delete(from)
      this.#watches.delete(to)
    }
  }

  /** Takes a frame's answers, under the ids they belong to; after `follow`. */
  add(answers: readonly Answer[], at: number): void {
    for (const { track, liveness, landmarks } of answers) {
      if (liveness === undefined || liveness.length === 0) continue
      const watch = this.#watches.get(track) ?? fresh()
      this.#watches.set(track, watch)
      const last = watch.readings.at(-1)
      if (last !== undefined && last.at >= at) continue
      watch.readings = [
        ...watch.readings.filter((reading) => at - reading.at <= maxAgeMs),
        { at, odds: liveness, ...(landmarks && { landmarks }) },
      ].slice(-watch.needed)
      this.#decide(watch)
    }
  }

  verdict(track: number): Liveliness {
    return this.#watches.get(track)?.decided ?? 'undecided'
  }

  #decide(watch: Watch): void {
    if (watch.readings.length < watch.needed) return
    // Also when the odds are not numbers.
    if (fuse(watch.readings) >= this.#liveFrom) {
      watch.decided = 'live'
      return
    }
    watch.decided = 'spoof'
    watch.readings = []
    watch.needed = Math.min(mostTogether, 2 * watch.needed)
  }

  /** A new camera session. */
  reset(): void {
    this.#watches.clear()
  }
}

/** Whether a face may be enrolled from: a picture that nobody has seen through yet would be let in for ever. */
export const enrollable = (liveliness: Liveliness, mode: LivenessMode): boolean =>
  mode !== 'require' || liveliness === 'live'

/** What a verdict is worth once it is known whether the face lives. */
export function heeding(verdict: Verdict, liveliness: Liveliness, mode: LivenessMode): Verdict {
  if (mode === 'off' || liveliness === 'live' || verdict.kind === 'undecided' || verdict.kind === 'spoof')
    return verdict
  if (liveliness === 'spoof')
    return mode === 'require' ? { ...verdict, kind: 'spoof' } : { ...verdict, looksFlat: true }
  return mode === 'require' && verdict.kind === 'known' ? { kind: 'undecided' } : verdict
}

/**
 * How well faces were followed, against the truth: CLEAR MOT (Bernardin and Stiefelhagen, EURASIP JIVP 2008) for what happens from
 * frame to frame, IDF1 (Ristani et al., ECCV workshops 2016) for how long identities last. All counts, so that sequences add up.
 */
import { assign } from '../domain/assignment.js'
import { iou, size } from '../domain/geometry.js'
import type { Box } from '../domain/types.js'

/** One face of one frame, as it really is. */
export interface TruthFace {
  readonly person: string
  readonly box: Box
  /** Part of the box that is inside the frame and not hidden, in [0, 1]. */
  readonly visible: number
}

export interface TrackedFace {
  readonly id: number
  readonly box: Box
}

export interface TrackedFrame {
  readonly truth: readonly TruthFace[]
  /** The tracks that claim to see their face in this frame. */
  readonly tracks: readonly TrackedFace[]
}

export interface TrackingCounts {
  /** Faces that had to be followed, frame by frame. */
  readonly faces: number
  readonly misses: number
  readonly falsePositives: number
  /** A person's face goes on under another track's number than before. */
  readonly switches: number
  /** A person's face was followed, then not although it was there, then again. */
  readonly fragmentations: number
  /** Frames in which person and track belong together when each person is given one track for the whole sequence, optimally. */
  readonly together: number
  /** Frames of all tracks, those on faces that did not have to be followed left out. */
  readonly tracked: number
}

/** A face of which less is visible, or that is smaller, need not be followed; following it is no mistake. */
export interface Demands {
  readonly visible: number
  /** Pixels. */
  readonly side: number
}

/** Overlap from which a track is on a face. Detectors disagree by a tenth of a face, hidden faces by more. */
export const onFace = 0.4

export const demanded = (face: TruthFace, { visible, side }: Demands) =>
  face.visible >= visible && size(face.box) >= side

/** The truth's face that a track is on, among all, by overlap; undefined when it is on none. */
export function ownerOf(box: Box, truth: readonly TruthFace[]): TruthFace | undefined {
  const best = truth.reduce<TruthFace | undefined>(
    (found, face) => (found === undefined || iou(box, face.box) > iou(box, found.box) ? face : found),
    undefined,
  )
  return best !== undefined && iou(box, best.box) >= onFace ? best : undefined
}

export function trackingCounts(frames: readonly TrackedFrame[], demands: Demands): TrackingCounts {
  const last = new Map<string, number>()
  const following = new Map<string, boolean>()
  const shared = new Map<string, Map<number, number>>()
  const counts = { faces: 0, misses: 0, falsePositives: 0, switches: 0, fragmentations: 0, tracked: 0 }
  const lost = new Set<string>()
  for (const { truth, tracks } of frames) {
    const pairs = correspond(truth, tracks, last)
    const taken = new Set(pairs.values())
    for (const face of truth) {
      const { person } = face
      const track = pairs.get(face)
      if (!demanded(face, demands)) {
        if (track !== undefined) last.set(person, track.id)
        continue
      }
      counts.faces++
      if (track === undefined) {
        counts.misses++
        if (following.get(person)) lost.add(person)
        continue
      }
      counts.tracked++
      if (last.has(person) && last.get(person) !== track.id) counts.switches++
      if (lost.delete(person)) counts.fragmentations++
      last.set(person, track.id)
      following.set(person, true)
      const own = shared.get(person) ?? new Map<number, number>()
      shared.set(person, own.set(track.id, (own.get(track.id) ?? 0) + 1))
    }
    for (const track of tracks) {
      // A second track on a face is as wrong as one on none; on a face that need not be followed it is neither.
      const owner = ownerOf(track.box, truth)
      if (taken.has(track) || (owner !== undefined && !demanded(owner, demands))) continue
      counts.falsePositives++
      counts.tracked++
    }
    // Who is out of view is not lost: coming back is no fragmentation.
    for (const person of lost) if (!truth.some((face) => face.person === person)) lost.delete(person)
  }
  return { ...counts, together: mostTogether(shared) }
}

/** Pairs of one frame: those of the frame before as long as they hold, and then the best of the others. */
function correspond(
  truth: readonly TruthFace[],
  tracks: readonly TrackedFace[],
  last: ReadonlyMap<string, number>,
): Map<TruthFace, TrackedFace> {
  const pairs = new Map<TruthFace, TrackedFace>()
  const kept = new Set<TrackedFace>()
  for (const face of truth) {
    const before = tracks.find((track) => track.id === last.get(face.person) && !kept.has(track))
    if (before === undefined || iou(face.box, before.box) < onFace) continue
    pairs.set(face, before)
    kept.add(before)
  }
  const [faces, free] = [truth.filter((face) => !pairs.has(face)), tracks.filter((track) => !kept.has(track))]
  const cost = faces.map((face) =>
    free.map((track) => {
      const overlap = iou(face.box, track.box)
      return overlap >= onFace ? 1 - overlap : Number.POSITIVE_INFINITY
    }),
  )
  for (const [i, j] of assign(cost).entries()) if (j >= 0) pairs.set(faces[i]!, free[j]!)
  return pairs
}

function mostTogether(shared: ReadonlyMap<string, ReadonlyMap<number, number>>): number {
  const people = [...shared.values()]
  const ids = [...new Set(people.flatMap((own) => [...own.keys()]))]
  const most = Math.max(0, ...people.flatMap((own) => [...own.values()]))
  const cost = people.map((own) => ids.map((id) => most - (own.get(id) ?? 0)))
  return assign(cost).reduce((sum, j, i) => sum + (j < 0 ? 0 : (people[i]!.get(ids[j]!) ?? 0)), 0)
}

export function addCounts(all: readonly TrackingCounts[]): TrackingCounts {
  const sum = { faces: 0, misses: 0, falsePositives: 0, switches: 0, fragmentations: 0, together: 0, tracked: 0 }
  for (const counts of all) for (const key of Object.keys(sum) as (keyof TrackingCounts)[]) sum[key] += counts[key]
  return sum
}

/** Multiple object tracking accuracy: 1 less the mistakes per face; below 0 when there are more of them than faces. */
export const mota = ({ faces, misses, falsePositives, switches }: TrackingCounts) =>
  faces === 0 ? 1 : 1 - (misses + falsePositives + switches) / faces

/** Harmonic mean of the share of faces and the share of tracks that belong together for the whole sequence. */
export const idf1 = ({ faces, tracked, together }: TrackingCounts) =>
  faces + tracked === 0 ? 1 : (2 * together) / (faces + tracked)

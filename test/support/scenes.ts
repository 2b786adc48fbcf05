/**
 * Synthetic scenes: people on paths in front of a camera, a detector and an embedder that err, and the frame loop of
 * tracker and votes over them. Everything random comes from a seed.
 */

import { cosine, iou } from '../../firmware/domain/geometry.js'
import type { FollowedTrack, Move } from '../../firmware/domain/tracker.js'
import { Tracker, type TrackerOptions } from '../../firmware/domain/tracker.js'
import type { Answer, Box, Candidate, Face, Plan, Verdict } from '../../firmware/domain/types.js'
import { Votes, type VotesOptions } from '../../firmware/domain/votes.js'
import { normal, type Random, seeded } from '../../firmware/evaluation/sequences/random.js'

export { normal, type Random, seeded }

export const frameSize = { width: 640, height: 480 }
/** Of the synthetic embedder: one person's pictures are at about 0.69 to his template, two people at 0 ± 0.09. */
export const threshold = 0.4
const dimensions = 128

export function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

export function randomLooks(random: Random): Float32Array {
  return unit(Float32Array.from({ length: dimensions }, () => normal(random)))
}

/** One picture of a face: its looks with noise, `closeness` being the expected cosine to them. */
export function picture(looks: Float32Array, random: Random, closeness = 0.69): Float32Array {
  const noise = randomLooks(random)
  const across = Math.sqrt(1 - closeness ** 2)
  return unit(looks.map((value, i) => closeness * value + across * noise[i]!))
}

/** A frontal face of that box, with the landmarks where a detector would put them. */
export function faceAt(box: Box, score = 0.98): Face {
  const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height]
  return {
    box,
    score,
    landmarks: [at(0.31, 0.4), at(0.69, 0.4), at(0.5, 0.61), at(0.35, 0.83), at(0.65, 0.83)].flat(),
  }
}

export function square(x: number, y: number, side: number): Box {
  return { x: x - side / 2, y: y - side / 2, width: side, height: side }
}

/** Where somebody's face is; `undefined` when it cannot be seen. Distance decides who hides whom: larger faces are nearer. */
export interface Spot {
  readonly x: number
  readonly y: number
  readonly side: number
}

export interface Person {
  readonly name: string
  readonly looks: Float32Array
  readonly enrolled: boolean
  readonly path: (at: number) => Spot | undefined
  /** This frame's embedding, where the usual noise will not do. */
  readonly picture?: (at: number, random: Random) => Float32Array
}

export interface SceneOptions {
  readonly people: readonly Person[]
  readonly frames: readonly number[]
  readonly seed: number
  /** Error of the detector's boxes, standard deviation in face sizes. */
  readonly jitter?: number
  /** Chance that a visible face is not detected in a frame. */
  readonly missed?: number
  readonly tracker?: Partial<TrackerOptions>
  readonly votes?: Partial<VotesOptions>
}

/** What one frame came to. */
export interface Scene {
  readonly at: number
  readonly plan: Plan
  readonly tracks: readonly FollowedTrack[]
  readonly asked: readonly number[]
  readonly moves: readonly Move[]
  /** Who the track's face in this frame really is, by track id, as the tracks are after `remember`. */
  readonly truth: ReadonlyMap<number, string>
  readonly verdicts: ReadonlyMap<number, Verdict>
}

/** Frame times at that rate, milliseconds, with a tenth of jitter. */
export function frameTimes(fps: number, from: number, to: number, random?: Random): number[] {
  const times: number[] = []
  for (let i = 0, at = from; at <= to; i++, at = from + (i * 1000) / fps)
    times.push(at + (random === undefined ? 0 : (random() * 100) / fps))
  return times
}

/** Runs a frame's life over every frame. */
export function play(options: SceneOptions): Scene[] {
  const random = seeded(options.seed)
  const tracker = new Tracker(threshold, options.tracker)
  const votes = new Votes(threshold, options.votes)
  const gallery = options.people.filter(({ enrolled }) => enrolled)
  return options.frames.map((at) => {
    const plan = tracker.plan(at)
    const seen = detect(options, plan, at, random)
    const tracks = tracker.update([...seen.keys()], at, plan)
    const due = votes.due(tracks, at, frameSize)
    const answers = due.map((track): Answer => {
      const person = seen.get(track.face!)!
      const embedding = person.picture?.(at, random) ?? picture(person.looks, random)
      return { track: track.id, embedding, quality: 0.8, candidates: match(embedding, gallery) }
    })
    const recollection = tracker.remember(answers, at)
    votes.follow(recollection.moves)
    votes.add(recollection.answers, at)
    const visible = tracker.tracks.filter(({ face }) => face !== undefined)
    return {
      at,
      plan,
      tracks: tracker.tracks,
      asked: due.map(({ id }) => id),
      moves: recollection.moves,
      truth: new Map(visible.map(({ id, face }) => [id, seen.get(face!)!.name])),
      verdicts: new Map(visible.map(({ id }) => [id, votes.verdict(id, at)])),
    }
  })
}

/** The people whom each track id followed, in order. */
export function followedBy(scenes: readonly Scene[]): Map<number, string[]> {
  const names = new Map<number, string[]>()
  for (const { truth } of scenes)
    for (const [id, name] of truth) {
      const list = names.get(id) ?? []
      if (list.at(-1) !== name) list.push(name)
      names.set(id, list)
    }
  return names
}

/** The ids that followed one person, in order. */
export function idsOf(scenes: readonly Scene[], name: string): number[] {
  const ids: number[] = []
  for (const { truth } of scenes) for (const [id, who] of truth) if (who === name && ids.at(-1) !== id) ids.push(id)
  return ids
}

/** Frames in which somebody was called known as somebody he is not. */
export function mistaken(scenes: readonly Scene[]): { at: number; track: number }[] {
  return scenes.flatMap(({ at, truth, verdicts }) =>
    [...verdicts]
      .filter(([track, verdict]) => verdict.kind === 'known' && verdict.person !== truth.get(track))
      .map(([track]) => ({ at, track })),
  )
}

export function match(embedding: Float32Array, gallery: readonly Person[]): Candidate[] {
  return gallery
    .map(({ name, looks }) => ({ person: name, similarity: cosine(embedding, looks) }))
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, 2)
}

function detect({ people, jitter = 0.03, missed = 0 }: SceneOptions, plan: Plan, at: number, random: Random) {
  const seen = new Map<Face, Person>()
  const present = people.flatMap((person) => {
    const spot = person.path(at)
    return spot === undefined ? [] : [{ person, spot }]
  })
  for (const { person, spot } of present) {
    const hidden = present.some(
      (other) =>
        other.spot.side > spot.side &&
        Math.hypot(other.spot.x - spot.x, other.spot.y - spot.y) < 0.5 * (other.spot.side / 2 + spot.side / 2) * 1.2,
    )
    const side = spot.side * Math.exp(jitter * normal(random))
    const box = square(spot.x + spot.side * jitter * normal(random), spot.y + spot.side * jitter * normal(random), side)
    if (hidden || random() < missed) continue
    // A refining detector corrects a box that is roughly right and finds nothing elsewhere.
    if (plan.kind === 'refine' && !plan.boxes.some((planned) => iou(planned, box) > 0.3)) continue
    seen.set(faceAt(box), person)
  }
  return seen
}

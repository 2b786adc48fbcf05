/**
 * Follows faces over frames: which detection continues which track, and, once embeddings arrive, whether it really did.
 *
 * A track is a body (where a face is) and a memory (what it looks like). Motion moves bodies; an embedding that
 * contradicts the memory parts the two, because an identity belongs to the memory. Short absences are bridged by motion
 * and marked, long ones only by appearance. Ids are never used twice.
 */
import type { Likeness, Memory, Tie } from './assignment.js'
import { learn, lookAlike, pair } from './assignment.js'
import { cosine, distinct, separation, sizeRatio } from './geometry.js'
import type { Motion, MotionOptions } from './kalman.js'
import { boxOf, correct, defaultMotionOptions, predict, startMotion, uncertainty } from './kalman.js'
import type { Answer, Face, Plan, Track } from './types.js'

/** Times in milliseconds of stream time, lengths in face sizes, margins in units of (1 − the embedder's threshold). */
export interface TrackerOptions extends MotionOptions {
  /** A full sweep at least this often while faces are followed: how long a newcomer beside them may go unseen. */
  readonly sweepIntervalMs: number
  /** The same while nobody is followed; 0 sweeps every frame. */
  readonly idleSweepIntervalMs: number
  /** A detection continues a track when it overlaps the predicted box by this. */
  readonly minIou: number
  /** Detections of one frame that overlap by this are one face. */
  readonly duplicateIou: number
  /** Without overlap, a detection this near may still continue a track that nothing else could. */
  readonly maxJump: number
  /** Detections that make a track confirmed. */
  readonly confirmHits: number
  /** Frames in a row that a tentative track may be missed in. */
  readonly tentativeMisses: number
  /** For so long a face that is not seen is expected where it was heading; later only its looks bring a track back. */
  readonly coastMs: number
  /** A track missed for longer is `resumed` when it is seen again: somebody else may have stepped in. */
  readonly gapMs: number
  /** A lost track is forgotten after this. */
  readonly lostMs: number
  /** An embedding this far below the threshold from the track's memory is another face. */
  readonly switchMargin: number
  /** An embedding this far above the threshold from a lost track's memory is that face, if no other comes as near. */
  readonly reidMargin: number
  /** How far from its last verified place a face may come back, besides what `speed` allows for the time between. */
  readonly reidReach: number
  /** Tracks followed at once; further newcomers wait. */
  readonly maxTracks: number
}

export const defaultTrackerOptions: TrackerOptions = {
  ...defaultMotionOptions,
  sweepIntervalMs: 400,
  idleSweepIntervalMs: 0,
  minIou: 0.2,
  duplicateIou: 0.5,
  maxJump: 2.5,
  confirmHits: 2,
  tentativeMisses: 1,
  coastMs: 1500,
  gapMs: 150,
  lostMs: 4000,
  switchMargin: 0.2,
  reidMargin: 0.2,
  reidReach: 2,
  maxTracks: 64,
}

/**
 * How sure it is that this frame's detection is the face of the frames before. `firm`: nothing else could have been.
 * `contested`: another face was near enough to be mistaken for it, or it was missed briefly. `resumed`: it was away for
 * longer, or jumped, or the stream paused.
 */
export type Link = 'firm' | 'contested' | 'resumed'

export interface FollowedTrack extends Track {
  readonly link: Link
}

/**
 * The face seen under the id `from` belongs to the id `to`. `merged`: `from` was a newcomer and is gone, its votes are
 * `to`'s. `moved`: `from` had another face before, its votes stay with that. `split`: the same, and `to` is a fresh id.
 */
export interface Move {
  readonly kind: 'merged' | 'moved' | 'split'
  readonly from: number
  readonly to: number
}

export interface Recollection {
  /** The answers under the ids they belong to; those of tracks that are gone are left out. */
  readonly answers: readonly Answer[]
  readonly moves: readonly Move[]
}

/** Where and when the memory last agreed with what was seen. */
interface Anchor {
  readonly motion: Motion
  readonly at: number
  readonly hits: number
}

/** What follows a face in the picture. */
interface Body {
  readonly motion: Motion
  readonly lastSeen: number
  readonly face: Face | undefined
  readonly hits: number
  readonly misses: number
  readonly confirmed: boolean
  readonly link: Link
}

interface Entry {
  readonly id: number
  readonly firstSeen: number
  body: Body
  memory: Memory | undefined
  anchor: Anchor | undefined
  /** Another track's face turned out to look like this one's: the next detection needs verifying. */
  suspect: boolean
  /** Its face turned out to be another's: nobody knows where to expect it, only its looks bring it back. */
  adrift: boolean
}

/** The predicted centre is less certain than this many face sizes: a refining detector would look in the wrong place. */
const refineUncertainty = 0.5
/** Frames that never came prove less than frames without the face: a pause counts from so many times `gapMs`. */
const pauseGaps = 4
/** Face growth or shrinkage over which nobody is recognised again by looks: a bound on plausibility. */
const reidSizeRatio = 2.5
/** A track is a newcomer, that may turn out to be a lost one, for so many embeddings. */
const newcomerSamples = 3
export class Tracker {
  readonly #options: TrackerOptions
  readonly #likeness: Likeness
  #entries: Entry[] = []
  #nextId = 1
  #at = Number.NEGATIVE_INFINITY
  #sweptAt = Number.NEGATIVE_INFINITY
  #missed = false
  #planned: Plan = { kind: 'sweep' }

  /** `threshold`: cosine from which the embedder's gallery matches count (the model manifest's). */
  constructor(threshold: number, options: Partial<TrackerOptions> = {}) {
    this.#options = { ...defaultTrackerOptions, ...options }
    const { switchMargin, reidMargin } = this.#options
    const room = 1 - threshold
    this.#likeness = {
      different: threshold - switchMargin * room,
      same: threshold + reidMargin * room,
      lead: reidMargin * room,
    }
  }

  /** Where the detector has to look in the frame taken `at`. */
  plan(at: number): Plan {
    this.#planned = this.#planFor(at)
    return this.#planned
  }

  /**
   * Takes the frame's detections. `plan` is what the detector was told, the last `plan()` unless given. Returns all tracks
   * in order of id, those not seen in this frame without `face`. Throws RangeError when time does not advance: `reset()`
   * when a new camera session begins.
   */
  update(faces: readonly Face[], at: number, plan: Plan = this.#planned): readonly FollowedTrack[] {
    if (!(at > this.#at))
      throw new RangeError(`tracker: frame at ${at} ms after one at ${this.#at} ms; reset() when the camera restarts`)
    this.#at = at
    if (plan.kind === 'sweep') this.#sweptAt = at

    const detections = distinct(faces, this.#options.duplicateIou)
    const followed = this.#followed(at)
    const motions = followed.map((entry) => this.#motionAt(entry, at))
    const pairs = pair(motions, detections, this.#options)
    for (const entry of this.#entries) entry.body = { ...entry.body, face: undefined, misses: entry.body.misses + 1 }
    for (const [i, { face, tie }] of pairs) this.#continue(followed[i]!, motions[i]!, face, tie, at)
    this.#missed = followed.some((entry) => entry.body.face === undefined)

    this.#entries = this.#entries.filter((entry) => this.#survives(entry, at))
    const taken = new Set([...pairs.values()].map(({ face }) => face))
    for (const face of detections) if (!taken.has(face)) this.#begin(face, at)
    return this.tracks
  }

  /**
   * Takes what the recognizer said of faces of the last frame and decides whose they are. An embedding that contradicts
   * its track's memory moves the face to the lost or equally contradicted track that it fits, or else to a fresh id; a
   * newcomer's that fits one lost track alone, within reach, makes it that track again. Call it once a frame with all
   * answers together, or faces that changed places cannot be put right.
   */
  remember(answers: readonly Answer[], at: number): Recollection {
    const probes = new Map<Entry, Answer>()
    for (const answer of answers) {
      const entry = this.#entries.find(({ id, body }) => id === answer.track && body.face !== undefined)
      if (entry !== undefined && !probes.has(entry)) probes.set(entry, answer)
    }
    const contradicted = new Set<Entry>()
    for (const [entry, { embedding }] of probes)
      if (entry.memory !== undefined && cosine(entry.memory.sum, embedding) < this.#likeness.different)
        contradicted.add(entry)

    const homes = this.#homes(probes, contradicted, at)
    const leaving = [...probes.keys()].filter((entry) => homes.has(entry) || contradicted.has(entry))
    const bodies = leaving.map((entry) => bodyOf(entry, contradicted.has(entry)))
    for (const entry of leaving) vacate(entry)

    const moves: Move[] = []
    const owner = new Map([...probes.keys()].map((entry) => [entry, entry]))
    for (const [i, entry] of leaving.entries()) {
      const home = homes.get(entry)
      const to = home ?? this.#create(bodies[i]!, at)
      if (home !== undefined) occupy(home, bodies[i]!)
      else this.#suspectDoubles(probes, probes.get(entry)!.embedding)
      const kind = home === undefined ? 'split' : contradicted.has(entry) ? 'moved' : 'merged'
      moves.push({ kind, from: entry.id, to: to.id })
      owner.set(entry, to)
    }
    // What one odd picture made, or a newcomer that was somebody else, has nothing to come back for.
    const spent = new Set(
      leaving.filter((entry) => entry.body.face === undefined && (!contradicted.has(entry) || samples(entry) < 2)),
    )
    this.#entries = this.#entries.filter((entry) => !spent.has(entry)).sort((a, b) => a.id - b.id)
    for (const [entry, { embedding }] of probes) {
      const to = owner.get(entry)!
      to.anchor = { motion: to.body.motion, at, hits: to.body.hits }
      to.memory = learn(to.memory, embedding, this.#likeness)
    }
    return {
      answers: [...probes].map(([entry, answer]) => ({ ...answer, track: owner.get(entry)!.id })),
      moves,
    }
  }

  /** All tracks as of the last `update` or `remember`. */
  get tracks(): readonly FollowedTrack[] {
    return this.#entries.map((entry) => this.#publish(entry))
  }

  /** A new camera session: every track ends, ids go on. */
  reset(): void {
    this.#entries = []
    this.#at = Number.NEGATIVE_INFINITY
    this.#sweptAt = Number.NEGATIVE_INFINITY
    this.#missed = false
    this.#planned = { kind: 'sweep' }
  }

  #planFor(at: number): Plan {
    const { sweepIntervalMs, idleSweepIntervalMs } = this.#options
    const followed = this.#followed(at)
    const interval = followed.length === 0 ? idleSweepIntervalMs : sweepIntervalMs
    if (at - this.#sweptAt >= interval || this.#missed) return { kind: 'sweep' }
    const motions = followed.map((entry) => this.#motionAt(entry, at))
    if (motions.some((motion) => uncertainty(motion) > refineUncertainty)) return { kind: 'sweep' }
    return { kind: 'refine', boxes: motions.map(boxOf) }
  }

  /** The tracks that motion may still continue. */
  #followed(at: number): Entry[] {
    return this.#entries.filter(({ body, adrift }) => !adrift && at - body.lastSeen <= this.#options.coastMs)
  }

  #motionAt({ body }: Entry, at: number): Motion {
    return predict(body.motion, at - body.lastSeen, this.#options)
  }

  #continue(entry: Entry, motion: Motion, face: Face, tie: Tie, at: number): void {
    const { gapMs, confirmHits } = this.#options
    const { body } = entry
    // `misses` already counts this frame.
    const missed = body.misses > 1
    const away = at - body.lastSeen > (missed ? gapMs : pauseGaps * gapMs)
    const resumed = away || tie === 'jumped' || entry.suspect
    entry.suspect = false
    entry.body = {
      motion: correct(motion, face.box, this.#options),
      lastSeen: at,
      face,
      hits: body.hits + 1,
      misses: 0,
      confirmed: body.confirmed || body.hits + 1 >= confirmHits,
      link: resumed ? 'resumed' : missed || tie === 'contested' ? 'contested' : 'firm',
    }
  }

  #survives({ body, memory }: Entry, at: number): boolean {
    const { coastMs, lostMs, tentativeMisses } = this.#options
    const away = at - body.lastSeen
    if (!body.confirmed) return body.misses <= tentativeMisses && away <= coastMs
    // Without a memory nothing can bring it back once motion no longer may.
    return away <= (memory === undefined ? Math.min(coastMs, lostMs) : lostMs)
  }

  #begin(face: Face, at: number): void {
    if (this.#entries.filter(({ body }) => body.face !== undefined).length >= this.#options.maxTracks) return
    const motion = startMotion(face.box, this.#options)
    const confirmed = this.#options.confirmHits <= 1
    this.#create({ motion, lastSeen: at, face, hits: 1, misses: 0, confirmed, link: 'firm' }, at)
  }

  #create(body: Body, at: number): Entry {
    const entry: Entry = {
      id: this.#nextId++,
      firstSeen: at,
      body,
      memory: undefined,
      anchor: undefined,
      suspect: false,
      adrift: false,
    }
    this.#entries.push(entry)
    return entry
  }

  /** Where faces that contradict their track, or are new, belong; two that claim the same track both go without. */
  #homes(probes: ReadonlyMap<Entry, Answer>, contradicted: ReadonlySet<Entry>, at: number): Map<Entry, Entry> {
    const claims = new Map<Entry, Entry>()
    for (const [entry, { embedding }] of probes) {
      if (!contradicted.has(entry) && samples(entry) >= newcomerSamples) continue
      const others = this.#entries.filter((other) => other !== entry)
      const home = lookAlike(embedding, others, this.#likeness)
      if (home === undefined || !this.#plausible(home, entry, at)) continue
      if (home.body.face === undefined || contradicted.has(home)) claims.set(entry, home)
    }
    const claimants = new Map<Entry, number>()
    for (const home of claims.values()) claimants.set(home, (claimants.get(home) ?? 0) + 1)
    return new Map([...claims].filter(([, home]) => claimants.get(home) === 1))
  }

  #plausible(home: Entry, { body }: Entry, at: number): boolean {
    if (home.anchor === undefined) return false
    const { reidReach, speed } = this.#options
    const then = boxOf(home.anchor.motion)
    const now = boxOf(body.motion)
    const reach = reidReach + (speed * (at - home.anchor.at)) / 1000
    return separation(then, now) <= reach && sizeRatio(then, now) <= reidSizeRatio
  }

  /** A face that had to leave its track may be another visible track's, which then follows somebody else. */
  #suspectDoubles(probes: ReadonlyMap<Entry, Answer>, embedding: Float32Array): void {
    for (const other of this.#entries) {
      if (other.memory === undefined || probes.has(other)) continue
      if (cosine(other.memory.sum, embedding) >= this.#likeness.same) other.suspect = true
    }
  }

  #publish({ id, firstSeen, body }: Entry): FollowedTrack {
    const { face, hits, lastSeen, link, confirmed } = body
    const state = !confirmed ? 'tentative' : face === undefined ? 'lost' : 'confirmed'
    const box = boxOf(predict(body.motion, this.#at - lastSeen, this.#options))
    const track = { id, state, box, hits, firstSeen, lastSeen, link } as const
    return face === undefined ? track : { ...track, face }
  }
}

function samples(entry: Entry): number {
  return entry.memory?.samples ?? 0
}

/** The body that a track's face takes along; of a contradicted track only what it saw since its memory last agreed. */
function bodyOf({ body, anchor }: Entry, contradicted: boolean): Body {
  const before = contradicted ? (anchor?.hits ?? 0) : 0
  return { ...body, hits: Math.max(1, body.hits - before), confirmed: true }
}

/** Takes a track back to where its memory last agreed, and out of sight. */
function vacate(entry: Entry): void {
  const { anchor, body } = entry
  entry.body = { ...body, face: undefined, misses: 1 }
  entry.adrift = true
  if (anchor !== undefined)
    entry.body = { ...entry.body, motion: anchor.motion, lastSeen: anchor.at, hits: anchor.hits }
}

function occupy(entry: Entry, body: Body): void {
  entry.body = { ...body, hits: entry.body.hits + body.hits }
  entry.adrift = false
  entry.suspect = false
}

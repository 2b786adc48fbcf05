/** A frame's life, from pixels to verdicts. */
import { createHistogram } from 'node:perf_hooks'
import type { Config } from '../config.js'
import type { FaceView } from '../domain/enrolment-collection.js'
import { enrollable, heeding, Liveness, type LivenessMode } from '../domain/liveness.js'
import { type FrameSize, quality, qualityFactors } from '../domain/quality.js'
import { type FollowedTrack, Tracker } from '../domain/tracker.js'
import type { Answer } from '../domain/types.js'
import { Votes } from '../domain/votes.js'
import type { Picture, Recognizer } from '../ports.js'
import type { Health, SightedTrack } from './messages.js'

export interface Judged {
  readonly tracks: readonly SightedTrack[]
  /** Somebody is in view, or has just gone. */
  readonly tell: boolean
  /** The faces seen in this frame, while somebody is being enrolled. */
  readonly faces?: readonly FaceView[]
}

/** Least stream time between two samples of a face that is being enrolled, ms: frames closer than this look alike. */
const sampleEveryMs = 120

export class Pipeline {
  readonly #recognizer: Recognizer
  readonly #minQuality: number
  readonly #tracker: Tracker
  readonly #votes: Votes
  readonly #mode: LivenessMode
  /** Undefined where nobody judges whether faces live. */
  readonly #liveness: Liveness | undefined
  readonly #stages = new Map<string, number>()
  readonly #frameTimes = createHistogram()
  #frames = 0
  #sweeps = 0
  #embeddings = 0
  #told = 0
  #accountedAt = 0
  #accountedFrames = 0
  #sampling = false
  #sampledAt = Number.NEGATIVE_INFINITY

  constructor(recognizer: Recognizer, config: Config) {
    this.#recognizer = recognizer
    this.#minQuality = config.enrolment.minQuality
    this.#tracker = new Tracker(recognizer.threshold, config.tracker)
    this.#votes = new Votes(recognizer.threshold, config.votes)
    const { liveFrom } = recognizer
    this.#liveness = liveFrom === undefined ? undefined : new Liveness(liveFrom)
    this.#mode = config.recognizer.liveness
    if (this.#mode === 'require' && this.#liveness === undefined)
      throw new Error('recognizer.liveness is "require", and no liveness net is loaded')
  }

  /** A new camera session: its stream time starts again, and nobody was seen in it yet. */
  begin(): void {
    this.#tracker.reset()
    this.#votes.reset()
    this.#liveness?.reset()
    this.#sampledAt = Number.NEGATIVE_INFINITY
  }

  /** Somebody is being enrolled: frames come with their faces, one alone embedded more often than votes need. */
  sample(on: boolean): void {
    this.#sampling = on
    this.#sampledAt = Number.NEGATIVE_INFINITY
  }

  /** The gallery has changed, and with it what earlier votes meant. */
  forgetVotes(): void {
    this.#votes.reset()
  }

  /**
   * Takes one frame, in the order of their `at`. The frame stays the caller's. `repeated`: its picture was judged before.
   * Whoever it shows is not seen anew: a camera that stands still would let him in again and again.
   */
  async frame(frame: Picture, repeated = false): Promise<Judged> {
    const began = process.hrtime.bigint()
    const plan = this.#tracker.plan(frame.at)
    const { faces, timings } = await this.#recognizer.detect(frame, plan.kind === 'refine' ? plan.boxes : undefined)
    const tracks = this.#tracker.update(faces, frame.at, plan)
    this.#liveness?.see(tracks)
    const pending = (track: number) => this.#liveness?.pending(track) ?? false
    const wanted = this.#votes.due(tracks, frame.at, frame, pending, repeated)
    const due = repeated ? [] : this.#withSample(wanted, tracks, frame)
    const answers = await this.#identify(frame, due)
    const { answers: owned, moves } = this.#tracker.remember(answers, frame.at)
    this.#votes.follow(moves)
    this.#liveness?.follow(moves)
    this.#votes.add(owned, frame.at)
    this.#liveness?.add(owned, frame.at)
    const sighted = this.#tracker.tracks.map((track) => this.#sight(track, owned, frame))

    this.#frames++
    if (plan.kind === 'sweep') this.#sweeps++
    this.#embeddings += answers.length
    this.#addStages(timings)
    this.#frameTimes.record(process.hrtime.bigint() - began)
    const tell = sighted.length > 0 || this.#told > 0
    this.#told = sighted.length
    const views = this.#sampling ? this.#view(owned, sighted, frame) : undefined
    return { tracks: sighted, tell, ...(views && { faces: views }) }
  }

  #withSample(due: FollowedTrack[], tracks: readonly FollowedTrack[], frame: Picture): FollowedTrack[] {
    if (!this.#sampling || frame.at - this.#sampledAt < sampleEveryMs) return due
    const [track, ...others] = tracks.filter(({ face }) => face !== undefined)
    if (track === undefined || others.length > 0 || due.includes(track)) return due
    return quality(track.face!, frame) >= this.#minQuality ? [...due, track] : due
  }

  #view(answers: readonly Answer[], sighted: readonly SightedTrack[], frame: Picture): FaceView[] {
    const seen = this.#tracker.tracks.filter(({ face }) => face !== undefined)
    return seen.map(({ id, state }) => {
      const { verdict } = sighted.find((track) => track.id === id)!
      const view = { track: id, confirmed: state === 'confirmed', verdict }
      const answer = answers.find(({ track }) => track === id)
      if (answer === undefined || answer.quality < this.#minQuality) return view
      if (!enrollable(this.#liveness?.verdict(id) ?? 'undecided', this.#mode)) return view
      this.#sampledAt = frame.at
      const { embedding, quality, candidates } = answer
      return { ...view, sample: { embedding, quality, candidates } }
    })
  }

  async #identify(frame: Picture, due: readonly FollowedTrack[]): Promise<Answer[]> {
    if (due.length === 0) return []
    const landmarks = due.map(({ face }) => face!.landmarks)
    const boxes = this.#liveness === undefined ? undefined : due.map(({ face }) => face!.box)
    const { faces, timings } = await this.#recognizer.identify(frame, landmarks, boxes)
    this.#addStages(timings)
    return due.map(({ id, face }, i) => {
      const { clarity, ...answer } = faces[i]!
      return { track: id, quality: quality(face!, frame, clarity), landmarks: face!.landmarks, ...answer }
    })
  }

  #sight({ id, state, box, face }: FollowedTrack, answers: readonly Answer[], frame: Picture): SightedTrack {
    const verdict = heeding(this.#votes.verdict(id, frame.at), this.#liveness?.verdict(id) ?? 'undecided', this.#mode)
    const answer = answers.find(({ track }) => track === id)
    const verified = verdict.kind === 'known' && answer !== undefined && this.#votes.voteOf(answer) === verdict.person
    if (face === undefined) return { id, state, box, verdict, verified }
    const size: FrameSize = { width: frame.width, height: frame.height }
    return { id, state, box, verdict, verified, view: { frame: size, pose: qualityFactors(face, size).pose } }
  }

  #addStages(timings: Readonly<Record<string, number | undefined>>): void {
    for (const [stage, ms] of Object.entries(timings))
      this.#stages.set(stage, (this.#stages.get(stage) ?? 0) + (ms ?? 0))
  }

  /** Counts and times so far; `now`: any clock's ms, the same on every call. */
  account(now: number): Omit<Health, 'camera' | 'dropped' | 'peakMemory'> {
    const seconds = (now - this.#accountedAt) / 1000
    const fps = seconds > 0 ? (this.#frames - this.#accountedFrames) / seconds : 0
    this.#accountedAt = now
    this.#accountedFrames = this.#frames
    return {
      frames: this.#frames,
      sweeps: this.#sweeps,
      embeddings: this.#embeddings,
      fps,
      stages: Object.fromEntries([...this.#stages].map(([stage, ms]) => [stage, ms / Math.max(1, this.#frames)])),
      frameMs: { p50: this.#frameTimes.percentile(50) / 1e6, p99: this.#frameTimes.percentile(99) / 1e6 },
    }
  }
}

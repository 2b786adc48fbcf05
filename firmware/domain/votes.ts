/**
 * Who a track is, decided over frames: which faces are worth an embedding now, and what all answers so far say together.
 *
 * A vote is one answer of one frame. Strangers do get a lucky frame and residents a bad one, so nobody is known by one
 * vote, and votes barely over the threshold count for less. A known person is suspended by the first vote against, until
 * the next vote for him, and dropped by several in a row. A track that was away, or may have been taken for another, is
 * suspended likewise.
 */
import type { FrameSize } from './quality.js'
import { quality } from './quality.js'
import type { Link, Move } from './tracker.js'
import type { Answer, Track, Verdict } from './types.js'

/** Times in milliseconds of stream time, margins in units of (1 − the embedder's threshold). */
export interface VotesOptions {
  /** Faces of less quality are neither embedded nor counted, in [0, 1]. */
  readonly minQuality: number
  /** A tentative track, which may be no face, is worth an embedding only from this quality. */
  readonly tentativeQuality: number
  /** Faces embedded in one frame. */
  readonly maxPerFrame: number
  /** Least time between two embeddings of one track: frames closer than this look alike and prove little. */
  readonly retryMs: number
  /** A track that another face came close to is looked at this often. */
  readonly contestedReverifyMs: number
  /** A known track is looked at this often. */
  readonly reverifyMs: number
  /** An unknown or long undecided track is looked at this often. */
  readonly unknownReverifyMs: number
  /** A face that is seen better by this factor than ever before is looked at at once. */
  readonly improvement: number
  /** Known without a vote for it for so long is undecided until verified. */
  readonly freshMs: number
  /** Half of a vote's weight is gone after this. */
  readonly halfLifeMs: number
  /** Votes older than this are gone, */
  readonly maxAgeMs: number
  /** and all but so many of the newest. */
  readonly maxVotes: number
  /** The best person must beat the second best by this. */
  readonly margin: number
  /** Similarities up to this far below the threshold say neither known nor unknown. */
  readonly doubt: number
  /** Part of its weight that a doubtful vote has, against everybody. */
  readonly doubtWeight: number
  /** From this quality on a vote counts in full. */
  readonly fullQuality: number
  /** From this far above the threshold a vote counts in full; at the threshold it counts `weakVote` of one. */
  readonly clear: number
  readonly weakVote: number
  /**
   * By so many full votes those for a person must outnumber those against, to make him known. If one frame in ten makes a
   * stranger look like a resident, that happens by chance in about 9^-minVotes of visits, however long they are: the
   * odds of the gambler's ruin.
   */
  readonly minVotes: number
  /** From the first to the last vote for the person. */
  readonly minSpanMs: number
  /** The same two for calling somebody unknown. */
  readonly minUnknownVotes: number
  readonly minUnknownSpanMs: number
  /** Votes in a row, doubtful ones aside, that drop a known person. */
  readonly revokeVotes: number
}

export const defaultVotesOptions: VotesOptions = {
  minQuality: 0.15,
  tentativeQuality: 0.6,
  maxPerFrame: 4,
  retryMs: 50,
  contestedReverifyMs: 200,
  reverifyMs: 1000,
  unknownReverifyMs: 2000,
  improvement: 1.3,
  freshMs: 3000,
  halfLifeMs: 5000,
  maxAgeMs: 15_000,
  maxVotes: 20,
  margin: 0.1,
  doubt: 0.1,
  doubtWeight: 0.3,
  fullQuality: 0.4,
  clear: 0.2,
  // Who hovers at the threshold never gets in: with 0.3, three strangers' stills in 1764, made into tracks, did in the end.
  weakVote: 0,
  minVotes: 4,
  minSpanMs: 100,
  minUnknownVotes: 5,
  minUnknownSpanMs: 800,
  revokeVotes: 3,
}

interface Vote {
  readonly at: number
  /** Part of a full vote that it counts when it is fresh. */
  readonly weight: number
  /** The person; null for nobody known; undefined when in doubt. */
  readonly person: string | null | undefined
  readonly similarity: number
}

interface Poll {
  votes: readonly Vote[]
  /** Undecided; null for unknown. */
  decided: string | null | undefined
  votedAt: number
  askedAt: number
  /** Of the face when it was asked for, before its pixels were looked at. */
  askedQuality: number
  /** What its pixels left of that, last time: light and blur are taken to stay. */
  clarity: number
  /** The last answer's picture was too bad to count. */
  poor: boolean
  bestQuality: number
  /** The verdict waits for a vote: a known person's for one that says the same. */
  held: boolean
  contested: boolean
  contestedNow: boolean
}

type Followed = Track & { readonly link?: Link }

/** Part of a lead that is left when age has done its worst to just enough votes at two frames a second. */
const freshness = 0.85

/** A vote against leaves a known person under suspicion for so many votes, one of less weight than `weak` for one. */
const suspicion = 3
const weak = 0.5

const never = Number.NEGATIVE_INFINITY

export class Votes {
  readonly #options: VotesOptions
  readonly #threshold: number
  readonly #polls = new Map<number, Poll>()

  /** `threshold`: cosine from which the embedder's gallery matches count (the model manifest's). */
  constructor(threshold: number, options: Partial<VotesOptions> = {}) {
    this.#options = { ...defaultVotesOptions, ...options }
    this.#threshold = threshold
  }

  /**
   * The tracks worth identifying in this frame, most urgent first. `tracks` are all that the tracker has, seen or lost:
   * votes on others are forgotten. A known track in view that is good enough is due in the first frame `reverifyMs` after
   * its last vote; when more are due than `maxPerFrame`, those longest overdue for their kind go first. `wanted`: known
   * tracks that somebody needs more pictures of are due as if undecided. `repeated`: of a picture that was there before
   * nobody is due, and nobody has been asked for.
   */
  due<T extends Followed>(
    tracks: readonly T[],
    at: number,
    frame: FrameSize,
    wanted: (track: number) => boolean = () => false,
    repeated = false,
  ): T[] {
    this.#retain(tracks)
    const waiting: { track: T; urgency: number; quality: number }[] = []
    for (const track of tracks) {
      if (track.face === undefined) continue
      const poll = this.#poll(track.id)
      if (track.link === 'resumed') poll.held = true
      poll.contestedNow = track.link === 'contested'
      poll.contested ||= poll.contestedNow
      if (repeated) continue
      const seen = quality(track.face, frame)
      const least = track.state === 'tentative' ? this.#options.tentativeQuality : this.#options.minQuality
      if (seen < least) continue
      const urgency = this.#urgency(poll, seen, at, typeof poll.decided === 'string' && wanted(track.id))
      if (urgency >= 1) waiting.push({ track, urgency, quality: seen })
    }
    waiting.sort((a, b) => (a.urgency === b.urgency ? a.track.id - b.track.id : b.urgency - a.urgency))
    const chosen = waiting.slice(0, this.#options.maxPerFrame)
    for (const { track, quality: seen } of chosen) {
      const poll = this.#poll(track.id)
      poll.askedAt = at
      poll.askedQuality = seen
    }
    return chosen.map(({ track }) => track)
  }

  /** Counts a frame's answers, one vote a track, and returns the verdicts on these tracks. */
  add(answers: readonly Answer[], at: number): Map<number, Verdict> {
    for (const answer of answers) {
      const poll = this.#poll(answer.track)
      if (poll.votedAt >= at) continue
      poll.clarity = poll.askedQuality > 0 ? Math.min(1, answer.quality / poll.askedQuality) : 1
      poll.bestQuality = Math.max(poll.bestQuality, poll.askedQuality * poll.clarity)
      poll.poor = !(answer.quality >= this.#options.minQuality)
      if (poll.poor) continue
      poll.votedAt = at
      if (!poll.contestedNow) poll.contested = false
      poll.votes = [...poll.votes, this.#cast(answer, at)]
        .filter((vote) => at - vote.at <= this.#options.maxAgeMs)
        .slice(-this.#options.maxVotes)
      this.#decide(poll, at)
    }
    return new Map(answers.map(({ track }) => [track, this.verdict(track, at)]))
  }

  /**
   * What the votes say of a track now. `similarity` is the mean of the votes that carry the verdict, weighted like them,
   * `votes` their number.
   */
  verdict(track: number, at: number): Verdict {
    const poll = this.#polls.get(track)
    if (poll === undefined || poll.decided === undefined || poll.held) return { kind: 'undecided' }
    const { votes, similarity, last } = this.#count(poll, poll.decided, at)
    if (poll.decided === null) return { kind: 'unknown', similarity, votes }
    if (at - last > this.#options.freshMs) return { kind: 'undecided' }
    return { kind: 'known', person: poll.decided, similarity, votes }
  }

  /** Follows what the tracker found out about whose face is whose; call it before `add`. */
  follow(moves: readonly Move[]): void {
    for (const { kind, from, to } of moves) {
      if (kind === 'merged') this.merge(from, to)
      else this.#hold(from)
      if (kind === 'moved') this.#hold(to)
    }
  }

  /** The votes on `from` become votes on `into`, whose verdict waits for a vote that says the same. */
  merge(from: number, into: number): void {
    const source = this.#polls.get(from)
    this.#polls.delete(from)
    const target = this.#poll(into)
    if (source !== undefined) {
      const both = [...target.votes, ...source.votes].sort((a, b) => a.at - b.at)
      target.votes = both.filter((vote, i) => vote.at !== both[i - 1]?.at).slice(-this.#options.maxVotes)
      target.votedAt = Math.max(target.votedAt, source.votedAt)
      target.askedAt = Math.max(target.askedAt, source.askedAt)
    }
    target.held = true
  }

  forget(tracks: Iterable<number>): void {
    for (const track of tracks) this.#polls.delete(track)
  }

  /** Forgets all votes: the gallery has changed, and with it what they meant. */
  reset(): void {
    this.#polls.clear()
  }

  #retain(tracks: readonly Track[]): void {
    const alive = new Set(tracks.map(({ id }) => id))
    this.forget([...this.#polls.keys()].filter((id) => !alive.has(id)))
  }

  #hold(track: number): void {
    const poll = this.#polls.get(track)
    if (poll !== undefined) poll.held = true
  }

  #poll(track: number): Poll {
    let poll = this.#polls.get(track)
    if (poll === undefined) {
      poll = {
        votes: [],
        decided: undefined,
        votedAt: never,
        askedAt: never,
        askedQuality: 0,
        clarity: 1,
        poor: false,
        bestQuality: 0,
        held: false,
        contested: false,
        contestedNow: false,
      }
      this.#polls.set(track, poll)
    }
    return poll
  }

  /** How many times over its waiting time a track has waited; under 1 it is not due. */
  #urgency(poll: Poll, seen: number, at: number, wanted: boolean): number {
    const { retryMs, contestedReverifyMs, improvement } = this.#options
    if (at - poll.askedAt < retryMs) return 0
    const better = seen * poll.clarity >= poll.bestQuality * improvement
    // In the dark, or out of focus, looking more often shows no more.
    if (poll.poor) return (at - poll.askedAt) / contestedReverifyMs
    const wait = better || wanted ? retryMs : this.#wait(poll)
    return (at - poll.votedAt) / wait
  }

  /** How long after a track's last vote the next one is due. */
  #wait(poll: Poll): number {
    const { retryMs, contestedReverifyMs, reverifyMs, unknownReverifyMs, maxVotes } = this.#options
    const { decided, votes } = poll
    const latest = votes.at(-1)
    // Somebody the votes cannot settle on is not worth an embedding in every frame for ever.
    if (decided === undefined) return votes.length < maxVotes ? retryMs : contestedReverifyMs
    if (poll.held || latest?.person !== decided) return retryMs
    if (poll.contested) return contestedReverifyMs
    if (decided === null) return unknownReverifyMs
    const shaky = latest.weight < weak || votes.slice(-suspicion).some(({ person }) => person !== decided)
    return shaky ? contestedReverifyMs : reverifyMs
  }

  /** Whom one answer alone speaks for: a person, null for nobody known, undefined when in doubt. */
  voteOf(answer: Answer): string | null | undefined {
    return this.#cast(answer, 0).person
  }

  #cast({ candidates, quality: probe }: Answer, at: number): Vote {
    const { margin, doubt, doubtWeight, fullQuality, clear, weakVote } = this.#options
    const room = 1 - this.#threshold
    const full = Math.min(1, probe / fullQuality)
    const [best, second] = candidates
    // An empty gallery resembles nobody: 0, as unrelated embeddings do on average.
    if (best === undefined) return { at, weight: full, person: null, similarity: 0 }
    const { person, similarity } = best
    const above = (similarity - this.#threshold) / room
    if (!(above >= -doubt)) return { at, weight: full, person: null, similarity }
    const lead = second === undefined ? Number.POSITIVE_INFINITY : (similarity - second.similarity) / room
    if (above < 0 || !(lead >= margin)) return { at, weight: full * doubtWeight, person: undefined, similarity }
    const strength = Math.min(1, weakVote + (1 - weakVote) * (above / clear))
    return { at, weight: full * strength, person, similarity }
  }

  #decide(poll: Poll, at: number): void {
    const { decided } = poll
    if (typeof decided === 'string') {
      const against = opposition(poll.votes, decided)
      // Enough in a row: what stood for the old verdict says nothing of the face that these votes saw.
      if (against.length >= this.#options.revokeVotes)
        poll.votes = poll.votes.filter((vote) => vote.at >= against[0]!.at)
      if (this.#count(poll, decided, at).lead >= 0) {
        const latest = poll.votes.at(-1)?.person
        const supported = poll.votes.slice(-suspicion).some(({ person }) => person === decided)
        // Against, the verdict waits: the votes stay, and the next one for it restores it. In doubt nothing changes soon.
        if (latest !== undefined || !supported) poll.held = latest !== decided
        return
      }
    } else if (decided === null && this.#count(poll, null, at).lead >= 0) {
      poll.decided = this.#acquire(poll, at) ?? null
      poll.held = false
      return
    }
    poll.decided = this.#acquire(poll, at)
    poll.held = false
  }

  /** The verdict that the votes are enough for, if any. */
  #acquire(poll: Poll, at: number): string | null | undefined {
    const { minVotes, minSpanMs, minUnknownVotes, minUnknownSpanMs } = this.#options
    for (const person of new Set(poll.votes.map((vote) => vote.person))) {
      if (person === undefined) continue
      const { lead, votes, first, last } = this.#count(poll, person, at)
      const [needed, span] = person === null ? [minUnknownVotes, minUnknownSpanMs] : [minVotes, minSpanMs]
      if (votes >= needed && lead >= needed * freshness && last - first >= span) return person
    }
    return undefined
  }

  /** What the votes for one outcome come to. `lead`: full votes for it less those against, older ones counting less. */
  #count(poll: Poll, person: string | null, at: number) {
    let lead = 0
    let own = 0
    let similarity = 0
    let votes = 0
    let first = Number.POSITIVE_INFINITY
    let last = never
    for (const vote of poll.votes) {
      const weight = vote.weight * 2 ** ((vote.at - at) / this.#options.halfLifeMs)
      lead += vote.person === person ? weight : -weight
      if (vote.person !== person) continue
      own += weight
      similarity += weight * vote.similarity
      votes++
      first = Math.min(first, vote.at)
      last = Math.max(last, vote.at)
    }
    return { lead, similarity: own > 0 ? similarity / own : 0, votes, first, last }
  }
}

/** The latest votes in a row against a person; doubtful ones neither count nor end the row. */
function opposition(votes: readonly Vote[], person: string): Vote[] {
  const against: Vote[] = []
  for (let i = votes.length - 1; i >= 0; i--) {
    const vote = votes[i]!
    if (vote.person === person) break
    if (vote.person !== undefined) against.unshift(vote)
  }
  return against
}

/** What was decided about the people of a sequence, against who they really are; and what one picture alone would have said. */

import { centre } from '../domain/geometry.js'
import type { Box, Verdict } from '../domain/types.js'
import type { Rate } from './operating-points.js'
import { rate } from './operating-points.js'
import { quantile } from './statistics.js'
import { type Demands, demanded, ownerOf, type TrackedFace, type TrackedFrame, type TruthFace } from './tracking.js'

export interface JudgedFace extends TrackedFace {
  readonly verdict: Verdict
  readonly verified: boolean
}

/** The best match of one face of one frame. */
export interface SingleAnswer {
  readonly box: Box
  /** Nobody when nobody is enrolled. */
  readonly person: string | undefined
  readonly similarity: number
}

export interface JudgedFrame extends TrackedFrame {
  /** Milliseconds since the first frame. */
  readonly at: number
  /** What it took to judge it, milliseconds. */
  readonly judgedMs: number
  readonly tracks: readonly JudgedFace[]
  readonly answers: readonly SingleAnswer[]
  /** The door was opened for this person, by the face that this track was on. */
  readonly grants: readonly { readonly person: string; readonly track: number }[]
}

/** One person in one sequence. */
export interface Visit {
  readonly person: string
  readonly resident: boolean
  /** Frames in which the face is there to be judged. */
  readonly frames: number
  /** From the first such frame to the grant, both counted; undefined when he was not let in. */
  readonly granted?: { readonly frames: number; readonly ms: number }
  /** The same to the first verdict of unknown. */
  readonly unknown?: { readonly frames: number; readonly ms: number }
  /** Tracks that were called somebody else while on this person's face, and those of them confirmed by the same frame. */
  readonly wrongVerdicts: number
  readonly wrongVerified: number
  /** Times that the door was opened for somebody else by this person's face. */
  readonly wrongGrants: number
  /** Had each answer of one frame decided. */
  readonly single: {
    readonly answers: number
    readonly right: number
    readonly wrong: number
    /** From the first frame there is to judge to the first right answer, both counted. */
    readonly rightAfter?: number
  }
}

export interface Decisions {
  readonly visits: readonly Visit[]
  /** Grants, verdicts and accepted answers that belong to no face that is there. */
  readonly wrongGrantsOfNobody: number
}

/** @param threshold what a door would ask of one picture. */
export function decisions(
  frames: readonly JudgedFrame[],
  residents: ReadonlySet<string>,
  threshold: number,
  demands: Demands,
): Decisions {
  const people = [...new Set(frames.flatMap(({ truth }) => truth.map(({ person }) => person)))]
  const nobody = frames.flatMap(({ truth, tracks, grants }) =>
    grants.filter(({ track }) => ownerOfTrack(track, tracks, truth) === undefined),
  )
  return {
    visits: people.map((person) => visitOf(person, residents.has(person), frames, threshold, demands)),
    wrongGrantsOfNobody: nobody.length,
  }
}

const ownerOfTrack = (id: number, tracks: readonly JudgedFace[], truth: readonly TruthFace[]) => {
  const track = tracks.find((one) => one.id === id)
  return track && ownerOf(track.box, truth)
}

function visitOf(
  person: string,
  resident: boolean,
  frames: readonly JudgedFrame[],
  threshold: number,
  demands: Demands,
): Visit {
  const first = frames.findIndex(({ truth }) => truth.some((face) => face.person === person && demanded(face, demands)))
  const since = (index: number) => ({
    frames: index - first + 1,
    ms: frames[index]!.at - frames[Math.max(0, first)]!.at,
  })
  const own = frames.map(({ truth, tracks }) => tracks.filter(({ box }) => ownerOf(box, truth)?.person === person))
  const named = (face: JudgedFace) => (face.verdict.kind === 'known' ? face.verdict.person : undefined)
  const mistaken = own.flatMap((faces) => faces.filter((face) => named(face) !== undefined && named(face) !== person))
  const byFace = frames.map(({ grants }, i) => grants.filter(({ track }) => own[i]!.some(({ id }) => id === track)))
  const granted = byFace.findIndex((grants) => grants.some((grant) => grant.person === person))
  const unknown = own.findIndex((faces) => faces.some(({ verdict }) => verdict.kind === 'unknown'))
  return {
    person,
    resident,
    frames: frames.filter(({ truth }) => truth.some((face) => face.person === person && demanded(face, demands)))
      .length,
    ...(granted < 0 ? {} : { granted: since(granted) }),
    ...(unknown < 0 ? {} : { unknown: since(unknown) }),
    wrongVerdicts: new Set(mistaken.map(({ id }) => id)).size,
    wrongVerified: new Set(mistaken.filter(({ verified }) => verified).map(({ id }) => id)).size,
    wrongGrants: byFace.flat().filter((grant) => grant.person !== person).length,
    single: singles(person, frames, first, threshold),
  }
}

function singles(person: string, frames: readonly JudgedFrame[], first: number, threshold: number): Visit['single'] {
  const own = frames.map(({ answers, truth }) =>
    answers.filter(({ box }) => nearestFace(box, truth)?.person === person),
  )
  const accepted = own.map((answers) => answers.filter(({ similarity }) => similarity >= threshold))
  const right = accepted.map((answers) => answers.filter((answer) => answer.person === person).length)
  const after = right.findIndex((count) => count > 0)
  const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0)
  return {
    answers: sum(own.map(({ length }) => length)),
    right: sum(right),
    wrong: sum(accepted.map(({ length }) => length)) - sum(right),
    ...(after < 0 ? {} : { rightAfter: after - first + 1 }),
  }
}

/** Landmarks span less than the face's box: whose they are is told by the middle. */
function nearestFace(box: Box, truth: readonly TruthFace[]): TruthFace | undefined {
  const { x, y } = centre(box)
  const holding = truth.filter(
    (face) => x >= face.box.x && y >= face.box.y && x < face.box.x + face.box.width && y < face.box.y + face.box.height,
  )
  const away = (face: TruthFace) => Math.hypot(centre(face.box).x - x, centre(face.box).y - y)
  return holding.reduce<TruthFace | undefined>(
    (best, face) => (best === undefined || away(face) < away(best) ? face : best),
    undefined,
  )
}

export interface DecisionSummary {
  readonly residents: {
    readonly visits: number
    readonly admitted: Rate
    /** From the first frame with the face to the grant, of those admitted. */
    readonly frames: Spread
    readonly ms: Spread
    /** Residents called unknown at some time. */
    readonly calledUnknown: number
    readonly wrongVerdicts: number
    readonly wrongVerified: number
    readonly wrongGrants: Rate
    readonly single: SingleSummary
  }
  readonly strangers: {
    readonly visits: number
    readonly people: number
    readonly wrongVerdicts: number
    readonly wrongVerified: number
    readonly wrongGrants: Rate
    /** 19 times in 20 the true share of wrong grants is below this, if visits were independent. */
    readonly below: number
    readonly calledUnknown: Rate
    readonly single: SingleSummary
  }
  readonly wrongGrantsOfNobody: number
}

export interface Spread {
  readonly median: number
  readonly p95: number
}

export interface SingleSummary {
  readonly answers: number
  readonly right: number
  readonly wrong: number
  /** Visits in which some single frame would have let the face in as somebody else. */
  readonly visitsWrong: Rate
  readonly frames: Spread
}

export function summarize(all: readonly Decisions[]): DecisionSummary {
  const visits = all.flatMap((one) => one.visits).filter(({ frames }) => frames > 0)
  const residents = visits.filter(({ resident }) => resident)
  const strangers = visits.filter(({ resident }) => !resident)
  const granted = residents.flatMap((visit) => visit.granted ?? [])
  const common = (of: readonly Visit[]) => ({
    visits: of.length,
    wrongVerdicts: total(of.map((visit) => visit.wrongVerdicts)),
    wrongVerified: total(of.map((visit) => visit.wrongVerified)),
    wrongGrants: rate(of.filter((visit) => visit.wrongGrants > 0).length, of.length),
    single: single(of),
  })
  const { wrongGrants, ...others } = common(strangers)
  return {
    residents: {
      ...common(residents),
      admitted: rate(granted.length, residents.length),
      frames: spread(granted.map(({ frames }) => frames)),
      ms: spread(granted.map(({ ms }) => ms)),
      calledUnknown: residents.filter(({ unknown }) => unknown !== undefined).length,
    },
    strangers: {
      ...others,
      people: new Set(strangers.map(({ person }) => person)).size,
      wrongGrants,
      below: upperBound(wrongGrants),
      calledUnknown: rate(strangers.filter(({ unknown }) => unknown !== undefined).length, strangers.length),
    },
    wrongGrantsOfNobody: total(all.map((one) => one.wrongGrantsOfNobody)),
  }
}

function single(visits: readonly Visit[]): SingleSummary {
  const singles = visits.map((visit) => visit.single)
  return {
    answers: total(singles.map(({ answers }) => answers)),
    right: total(singles.map(({ right }) => right)),
    wrong: total(singles.map(({ wrong }) => wrong)),
    visitsWrong: rate(singles.filter(({ wrong }) => wrong > 0).length, singles.length),
    frames: spread(singles.flatMap(({ rightAfter }) => rightAfter ?? [])),
  }
}

/**
 * 19 times in 20 the true share is below this. None of n: 1 - 0.05^(1/n), about 3/n (the rule of three, Hanley and Lippman-Hand,
 * JAMA 1983); else Wilson's upper limit, which is a little wider.
 */
export const upperBound = ({ count, of, high }: Rate) => (count > 0 || of === 0 ? high : 1 - 0.05 ** (1 / of))

/** By the nearest rank; NaN of nothing. */
export function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), p95: quantile(values, 0.95) }
}

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

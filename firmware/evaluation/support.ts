/** Whether what was measured carries the threshold that would come of it. */

import { cosine } from '../domain/enrolment.js'

/** How much of everything there was: strangers, people, … */
export type Counts = Readonly<Record<string, number>>

/**
 * Rule of three (Hanley and Lippman-Hand, JAMA 249, 1983): where none of n did, the true share is below 3 / n, 19 times in 20. A door is
 * not hung on less than that a stranger in a hundred, at the most, is somebody enrolled.
 */
export const believed = 0.01
export const fewestFor = (share: number) => Math.ceil(3 / share - 1e-9)

/** Who is enrolled counts, too: each person more is one more whom a stranger may resemble. A household and its guests. */
const fewestPeople = 10

interface Support {
  /** Different ones with a face. */
  readonly strangers: number
  /** Names that they stand under. */
  readonly named?: number
  /** Enrolled with a template or more. */
  readonly people: number
}

export const amount = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

/**
 * The same man in a folder for each of his pictures is one stranger, and a stranger who cannot be told from another tells nothing more.
 * @param apart similarity from which two faces may be one person's.
 */
export function differentFaces(faces: readonly Float32Array[], apart: number): number {
  const counted: Float32Array[] = []
  for (const face of faces) if (counted.every((other) => cosine(face, other) < apart)) counted.push(face)
  return counted.length
}

/** @returns what is too little for a similarity from which a face is somebody; undefined when it is enough. */
export function tooFewStrangers({ strangers, named = strangers, people }: Support): string | undefined {
  const fewest = fewestFor(believed)
  if (strangers < fewest)
    return `${amount(strangers, 'different stranger')} with a face${named > strangers ? ` (under ${named} names)` : ''} ${strangers === 1 ? 'is' : 'are'} too few: none of ${fewest} must pass, so that of all fewer than ${100 * believed} % do (rule of three)`
  if (people < fewestPeople)
    return `${people === 1 ? '1 person enrolled is' : `${people} people enrolled are`} too few: strangers who resemble none of them may resemble one of ${fewestPeople}`
  return undefined
}

/** Each subject is judged at the operating point of the others; of fewer than these, one decides for all. */
const fewestSubjects = 5

export interface LivenessCounts {
  /** Subjects with frames enough to be fused: of themselves, and of pictures of them. */
  readonly living: number
  readonly attacked: number
  /** Frames of pictures in which a face was judged. */
  readonly pictures: number
  /** Frames that are fused. */
  readonly together: number
  /** Of pictures, the share of single frames that may pass. */
  readonly wanted: number
}

/** @returns what is too little for an operating point of liveness; undefined when it is enough. */
export function tooFewSubjects(counts: LivenessCounts): string | undefined {
  const { living, attacked, pictures, together, wanted } = counts
  if (living < fewestSubjects || attacked < fewestSubjects)
    return `${living} living subjects and ${attacked} subjects of pictures, of ${together} frames or more with a face each, are too few: ${fewestSubjects} of both are needed`
  const fewest = Math.ceil(1 / wanted - 1e-9)
  if (pictures < fewest)
    return `${pictures} frames of pictures are too few: one in ${fewest} may pass, and that cannot be seen of fewer`
  return undefined
}

export interface Point {
  readonly similarity: number
  readonly measured: Counts
}

/** What one was measured on less of than the other; undefined when there is nothing. */
function lessOf(next: Counts, old: Counts): string | undefined {
  const less = Object.entries(old).filter(([what, count]) => (next[what] ?? 0) < count)
  return less.length === 0
    ? undefined
    : less.map(([what, count]) => `${next[what] ?? 0} ${what} instead of ${count}`).join(', ')
}

/**
 * Less was measured, and it came out laxer.
 * @param standard what was measured on most so far.
 * @returns what there was less of; undefined when the new one is as strict, or measured on as much.
 */
export function laxerFromLess(next: Point, standard: Point | undefined): string | undefined {
  if (standard === undefined || next.similarity >= standard.similarity) return undefined
  const less = lessOf(next.measured, standard.measured)
  return less && `${next.similarity} is laxer than ${standard.similarity} and measured on less: ${less}`
}

/** What later ones are held against: a strict one measured on little does not make way for a lax one measured on little. */
export const standardAfter = (next: Point, standard: Point | undefined): Point | undefined =>
  standard !== undefined && lessOf(next.measured, standard.measured) !== undefined ? standard : undefined

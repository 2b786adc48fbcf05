/**
 * From the faces of one frame after the other to the templates of one new person: good and different pictures of a
 * single stranger, chosen, and confirmed by fresh ones.
 */
import { chooseTemplates, cosine, type Sample } from './enrolment.js'
import type { Candidate, Verdict } from './types.js'

/** One face of one frame. */
export interface FaceView {
  readonly track: number
  /** Seen often enough to be a face. */
  readonly confirmed: boolean
  readonly verdict: Verdict
  /** This frame's embedding, where the face is good enough to be enrolled from. */
  readonly sample?: {
    readonly embedding: Float32Array
    /** In [0, 1]. */
    readonly quality: number
    /** Those enrolled whom it is most like, best first. */
    readonly candidates: readonly Candidate[]
  }
}

export interface Collection {
  readonly phase: 'collecting' | 'confirming'
  readonly samples: readonly Sample[]
  /** Of the first sample. */
  readonly firstAt?: number
  /** Chosen of the samples, once there are enough. */
  readonly templates: readonly Sample[]
  /** Fresh samples that matched the templates. */
  readonly confirmed: number
  /** Samples in a row that are not of the face collected. */
  readonly odd: number
}

export interface LookOptions {
  /** Monotonic ms. */
  readonly now: number
  /** Cosine from which two pictures are of one person. */
  readonly threshold: number
  /** Templates kept. */
  readonly samples: number
  /** Samples are collected for at least this long, ms. */
  readonly collectMs: number
  /** Somebody enrolled who may be in view before the first sample: the admin, who steps aside. */
  readonly waitsFor: (person: string) => boolean
}

export type Looked =
  | { readonly collection: Collection }
  | { readonly templates: readonly Sample[] }
  | { readonly failed: string }

export const emptyCollection: Collection = { phase: 'collecting', samples: [], templates: [], confirmed: 0, odd: 0 }

/** Fewer different pictures say too little of a face. */
const leastSamples = 5
/** A larger choice than this many times what is kept adds nothing. */
const mostPerTemplate = 3
/** Pictures closer to each other than this part of the way from equality to the threshold are the same picture. */
const sameness = 0.02
/** Fresh pictures that must match what was chosen. */
const confirmations = 3
/** So many pictures in a row that do not match are somebody else. */
const mostOdd = 3

/** Takes one frame's faces in view; answers the templates once they are confirmed. */
export function look(collection: Collection, faces: readonly FaceView[], options: LookOptions): Looked {
  const seen = faces.filter(({ confirmed }) => confirmed)
  for (const { verdict } of seen)
    if (verdict.kind === 'known' && !options.waitsFor(verdict.person)) return { failed: `looks like ${verdict.person}` }
  // Until the first sample the admin may stand beside the visitor; two strangers are one too many at any time.
  const strangers = seen.filter(({ verdict }) => verdict.kind === 'unknown')
  if (strangers.length > 1 || (collection.samples.length > 0 && seen.length > 1))
    return { failed: 'two faces are in view' }
  // A chance detection beside the face costs this frame, not the session.
  const [stranger] = strangers
  if (faces.length !== 1 || stranger?.sample === undefined) return { collection }
  const { embedding, quality, candidates } = stranger.sample
  const like = candidates[0]
  if (like !== undefined && like.similarity >= options.threshold) return { failed: `looks like ${like.person}` }
  const sample: Sample = { embedding, quality, source: `track ${stranger.track} at the door` }
  return collection.phase === 'collecting' ? collect(collection, sample, options) : confirm(collection, sample, options)
}

const closest = (sample: Sample, others: readonly Sample[]) =>
  others.reduce((best, other) => Math.max(best, cosine(sample.embedding, other.embedding)), -1)

function collect(collection: Collection, sample: Sample, options: LookOptions): Looked {
  const { threshold, now, collectMs } = options
  const first = collection.samples.length === 0
  const similarity = closest(sample, collection.samples)
  if (!first && similarity < threshold) return odd(collection)
  const isNew = first || similarity < 1 - sameness * (1 - threshold)
  const samples = isNew ? [...collection.samples, sample] : collection.samples
  const firstAt = collection.firstAt ?? now
  const next: Collection = { ...collection, samples, firstAt, odd: 0 }
  const enough = samples.length >= leastSamples && now - firstAt >= collectMs
  if (!enough && samples.length < Math.max(leastSamples, mostPerTemplate * options.samples)) return { collection: next }
  const { templates } = chooseTemplates(samples, { count: options.samples, threshold })
  if (templates.length < Math.min(leastSamples, options.samples))
    return { failed: 'the pictures do not agree with each other' }
  return { collection: { ...next, phase: 'confirming', templates } }
}

function confirm(collection: Collection, sample: Sample, { threshold }: LookOptions): Looked {
  if (closest(sample, collection.templates) < threshold) return odd(collection)
  const confirmed = collection.confirmed + 1
  if (confirmed >= confirmations) return { templates: collection.templates }
  return { collection: { ...collection, confirmed, odd: 0 } }
}

function odd(collection: Collection): Looked {
  if (collection.odd + 1 >= mostOdd) return { failed: 'another face came into view' }
  return { collection: { ...collection, odd: collection.odd + 1 } }
}

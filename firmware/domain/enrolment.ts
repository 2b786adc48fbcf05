/** Choosing what is kept of a person: good samples that differ, all of one face, of nobody who is enrolled already. */
import type { Candidate } from './types.js'

/** One picture of the face to be enrolled. */
export interface Sample {
  /** L2-normalised. */
  readonly embedding: Float32Array
  /** In [0, 1]. */
  readonly quality: number
  /** For people: a file's name, or the second of a recording. */
  readonly source: string
}

export interface Refusal {
  readonly source: string
  readonly reason: string
}

export interface Choice {
  readonly templates: readonly Sample[]
  readonly refused: readonly Refusal[]
}

/** Cosine of two L2-normalised vectors. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/**
 * At most `count` templates. The sample most like all others stands for the person; one that is not a match to it
 * (similarity below `threshold`) is refused, for it may be somebody else. Of the rest the best is taken first, then each
 * time the one that adds most: quality times distance to what is taken already.
 */
export function chooseTemplates(
  samples: readonly Sample[],
  { count, threshold }: { count: number; threshold: number },
): Choice {
  if (samples.length === 0) return { templates: [], refused: [] }
  const centre = medoid(samples)
  const same = samples.filter((sample) => cosine(sample.embedding, centre.embedding) >= threshold)
  const refused = samples
    .filter((sample) => !same.includes(sample))
    .map(({ source }) => ({ source, reason: 'does not look like the same person as the other pictures' }))

  const templates: Sample[] = []
  const rest = new Map(same.map((sample) => [sample, 1]))
  while (templates.length < count && rest.size > 0) {
    const [next] = [...rest].reduce((best, entry) => (gain(entry) > gain(best) ? entry : best))
    rest.delete(next)
    templates.push(next)
    for (const [sample, distance] of rest)
      rest.set(sample, Math.min(distance, 1 - cosine(sample.embedding, next.embedding)))
  }
  return { templates, refused }
}

const gain = ([sample, distance]: [Sample, number]) => sample.quality * distance

function medoid(samples: readonly Sample[]): Sample {
  const closeness = samples.map((a) => samples.reduce((sum, b) => sum + cosine(a.embedding, b.embedding), 0))
  return samples[closeness.indexOf(Math.max(...closeness))]!
}

/** How alike these samples and a person's own templates are, at best; undefined where he has none of this embedder. */
export function likeness(
  samples: readonly Sample[],
  gallery: readonly { readonly person: string; readonly embedding: Float32Array }[],
  name: string,
): number | undefined {
  const own = gallery.filter(({ person }) => person === name)
  if (own.length === 0) return undefined
  return Math.max(...own.flatMap((template) => samples.map((sample) => cosine(sample.embedding, template.embedding))))
}

/** The enrolled person, other than `name`, whom these samples would be taken for. */
export function lookAlike(
  samples: readonly Sample[],
  gallery: readonly { readonly person: string; readonly embedding: Float32Array }[],
  name: string,
  threshold: number,
): Candidate | undefined {
  let found: Candidate | undefined
  for (const template of gallery) {
    if (template.person === name) continue
    for (const sample of samples) {
      const similarity = cosine(sample.embedding, template.embedding)
      if (similarity >= threshold && similarity > (found?.similarity ?? -1))
        found = { person: template.person, similarity }
    }
  }
  return found
}

/**
 * Pictures are not kept, so what another embedder made of people cannot be made anew: they are enrolled again, or not
 * recognised. One line with the command, and with the one of `others` that knows them all; undefined when nobody is concerned.
 */
export function enrolAgain(
  people: readonly { readonly name: string; readonly templates: Readonly<Record<string, number>> }[],
  embedder: string,
  others: readonly string[] = [],
): { readonly what: string; readonly remedy: string } | undefined {
  const names = people.filter(({ templates }) => !templates[embedder]).map(({ name }) => name)
  const [first] = names
  if (first === undefined) return undefined
  const several = names.length > 1
  const before = others.find((other) => people.every(({ templates }) => templates[other]))
  return {
    what: `${names.join(', ')} ${several ? 'have' : 'has'} no templates of ${embedder}, the embedder in use, and ${several ? 'are' : 'is'} not recognised`,
    remedy: `${several ? 'enrol each of them again' : 'enrol again'}: facelatch people add ${JSON.stringify(first)} --more --images DIR (or --camera)${before === undefined ? '' : `; or set recognizer.embedder to "${before}", which knows everybody`}`,
  }
}

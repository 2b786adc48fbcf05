import { UserError } from '../app/errors.js'
import { cosine } from '../domain/enrolment.js'
import type { Dataset } from '../evaluation/dataset.js'
import { type Verification, verification } from '../evaluation/verification.js'
import type { Context } from './evaluate.js'
import type { Embeddings } from './evaluate-embeddings.js'

export interface VerificationResult extends Context, Verification {
  readonly kind: 'verification'
  readonly pictures: number
  /** Pictures in which no face was found; their pairs are taken for two people. */
  readonly withoutFace: number
}

export function runVerification(data: Dataset, embeddings: Embeddings, context: Context): VerificationResult {
  const pairs = data.pairs.map(({ a, b, same }) => {
    const [one, other] = [embeddings.get(a)?.embedding, embeddings.get(b)?.embedding]
    return { same, similarity: one && other ? cosine(one, other) : -1 }
  })
  const same = pairs.filter((pair) => pair.same).length
  if (same === 0 || same === pairs.length)
    throw new UserError(
      `${data.name} has ${same} pairs of one person and ${pairs.length - same} of two; give two people or more, one with two pictures`,
    )
  const withoutFace = [...embeddings.values()].filter((embedding) => embedding === null).length
  return { kind: 'verification', ...context, pictures: embeddings.size, withoutFace, ...verification(pairs) }
}

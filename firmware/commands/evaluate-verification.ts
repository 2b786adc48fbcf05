import { cosine } from '../domain/enrolment.js'
import { type Verification, verification } from '../evaluation/verification.js'
import type { Context } from './evaluate.js'
import type { Dataset } from './evaluate-data.js'
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
  const withoutFace = [...embeddings.values()].filter((embedding) => embedding === null).length
  return { kind: 'verification', ...context, pictures: embeddings.size, withoutFace, ...verification(pairs) }
}

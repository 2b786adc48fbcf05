/** A recognizer whose answers the support vector machines must agree with: `recognizer.classifier: svm`. */
import { agreed, templatesByPerson } from '../domain/classifiers.js'
import { probabilities } from '../domain/svm.js'
import type { Candidate } from '../domain/types.js'
import type { Identified, Machines, PersonTemplates, Recognizer, Template, Trainer } from '../ports.js'
import { AroundRecognizer } from './around-recognizer.js'

/**
 * Machines are trained beside the frames' path, each time the gallery has changed. Until they are there, and while there are
 * fewer than two people to tell apart, the nearest template decides alone, at its own threshold: it is the stricter one.
 */
export class Agreeing extends AroundRecognizer {
  readonly #gate: number
  readonly #trainer: Trainer
  readonly #failed: (reason: string) => void
  #machines: Machines | undefined
  #gallery = 0
  readonly #enrolled = new Map<string, PersonTemplates>()

  /** @param failed training failed; the door goes on without the machines. */
  constructor(inner: Recognizer, gate: number, trainer: Trainer, failed: (reason: string) => void) {
    super(inner)
    this.#gate = gate
    this.#trainer = trainer
    this.#failed = failed
  }

  override async identify(...given: Parameters<Recognizer['identify']>) {
    const { faces, timings } = await super.identify(...given)
    const machines = this.#machines
    if (machines === undefined) return { faces, timings }
    return { timings, faces: faces.map((face) => ({ ...face, candidates: this.#judged(face, machines) })) }
  }

  #judged({ embedding, candidates }: Identified, { people, machine }: Machines): Candidate[] {
    // Whoever is not among the best has no chance with the nearest template, but may be whom the machines name.
    const similarities = new Float32Array(people.length).fill(-1)
    for (const { person, similarity } of candidates) {
      const index = people.indexOf(person)
      if (index >= 0) similarities[index] = similarity
    }
    const left = agreed(similarities, probabilities(machine, embedding), this.#gate)
    return candidates.map(({ person, similarity }) => ({
      person,
      similarity: Math.min(similarity, left[people.indexOf(person)] ?? 0),
    }))
  }

  override setGallery(templates: readonly Template[]): void {
    super.setGallery(templates)
    this.#enrolled.clear()
    for (const [person, embeddings] of templatesByPerson(templates))
      this.#enrolled.set(person, { id: person, person, embeddings })
    this.#begin(true)
  }

  override changeGallery(people: readonly PersonTemplates[], settled: boolean): string[] {
    const wrong = super.changeGallery(people, settled)
    for (const person of people) {
      if (person.person === undefined) this.#enrolled.delete(person.id)
      else this.#enrolled.set(person.id, person)
    }
    this.#begin(settled)
    return wrong
  }

  /** Another gallery, which neither the machines of before nor those in training know. */
  #begin(train: boolean): void {
    this.#machines = undefined
    const gallery = ++this.#gallery
    if (!train) return
    const templates = [...this.#enrolled.values()].flatMap(({ person, embeddings }) =>
      embeddings.map((embedding) => ({ person: person!, embedding })),
    )
    this.#trainer.train(templates).then(
      (machines) => {
        // A later gallery has machines of its own coming.
        if (gallery === this.#gallery) this.#machines = machines
      },
      (error: Error) => this.#failed(error.message),
    )
  }

  override close(): Promise<void> {
    this.#gallery++
    return super.close()
  }
}

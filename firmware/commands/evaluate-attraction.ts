/**
 * Somebody with many pictures among people with few: does he attract whoever resembles nobody? Support vector machines with
 * equal costs for all templates make him do so; that was how doors of this kind failed.
 */
import { UserError } from '../app/errors.js'
import { type Classifier, first, type Gallery, imprinting, nearest } from '../domain/classifiers.js'
import { probabilities, train } from '../domain/svm.js'
import type { Dataset } from '../evaluation/dataset.js'
import type { Context } from './evaluate.js'
import type { Embeddings } from './evaluate-embeddings.js'

export interface AttractionResult extends Context {
  readonly kind: 'attraction'
  /** Who had many pictures, one after the other, and how many there were of him; the rest of `many` repeat them. */
  readonly crowded: readonly { readonly name: string; readonly pictures: number }[]
  readonly few: number
  readonly many: number
  readonly others: number
  /** Faces asked, for each of the crowded: strangers, and pictures of the others that are not enrolled. */
  readonly asked: { readonly strangers: number; readonly residents: number }
  readonly classifiers: readonly {
    readonly name: string
    /** Of all faces asked, who of them was nearest to the crowded one, when he had few pictures and when he had many. */
    readonly strangers: { readonly few: number; readonly many: number }
    readonly residents: { readonly few: number; readonly many: number }
  }[]
  readonly withoutFace: number
}

/** Cross-validation chooses it for nearly every gallery of lfw-dev; with it chosen, twenty galleries are trained in minutes. */
const cost = 1

const trained = (gallery: Gallery, balanced: boolean): Classifier => {
  const machine = train(gallery, { costs: [cost], balanced, calibrated: false })
  return (embedding) => probabilities(machine, embedding)
}

const ways: Readonly<Record<string, (gallery: Gallery) => Classifier>> = {
  nearest,
  imprinting,
  svm: (gallery) => trained(gallery, true),
  'svm, equal costs': (gallery) => trained(gallery, false),
}

/** The `crowds` people with most pictures have `many` templates in turn, everybody else `few`. */
export function runAttraction(
  data: Dataset,
  embeddings: Embeddings,
  context: Context,
  { few, many, crowds }: { few: number; many: number; crowds: number },
): AttractionResult {
  const embedded = (name: string) =>
    data.pictures.get(name)!.flatMap((picture) => embeddings.get(picture)?.embedding ?? [])
  const people = data.people.map((name) => ({ name, rows: embedded(name) })).filter(({ rows }) => rows.length > 0)
  const base: Gallery = people.map(({ rows }) => rows.slice(0, few))
  const strangers = data.strangers.flatMap(embedded)
  const crowded = people
    .map(({ name, rows }, person) => ({ name, rows, person }))
    .sort((a, b) => b.rows.length - a.rows.length)
    .slice(0, crowds)
  if (people.length < 2 || (strangers.length === 0 && people.every(({ rows }) => rows.length <= few)))
    throw new UserError(
      `${data.name} has nobody who could be attracted; give pictures of two people or more, and of strangers`,
    )
  const residents = (person: number) => people.flatMap(({ rows }, i) => (i === person ? [] : rows.slice(few)))
  const attracted = (classify: Classifier, person: number, faces: readonly Float32Array[]) =>
    faces.filter((face) => first(classify(face)).best === person).length
  return {
    kind: 'attraction',
    ...context,
    crowded: crowded.map(({ name, rows }) => ({ name, pictures: rows.length })),
    few,
    many,
    others: people.length - 1,
    asked: {
      strangers: strangers.length * crowded.length,
      residents: crowded.reduce((sum, { person }) => sum + residents(person).length, 0),
    },
    classifiers: Object.entries(ways).map(([name, way]) => {
      const usual = way(base)
      const counts = { strangers: { few: 0, many: 0 }, residents: { few: 0, many: 0 } }
      for (const { rows, person } of crowded) {
        const repeated = Array.from({ length: many }, (_, i) => rows[i % rows.length]!)
        const full = way(base.map((templates, i) => (i === person ? repeated : templates)))
        counts.strangers.few += attracted(usual, person, strangers)
        counts.strangers.many += attracted(full, person, strangers)
        counts.residents.few += attracted(usual, person, residents(person))
        counts.residents.many += attracted(full, person, residents(person))
      }
      return { name, ...counts }
    }),
    withoutFace: [...embeddings.values()].filter((seen) => seen === null).length,
  }
}

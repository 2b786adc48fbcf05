/** Who plays in which sequence: people enrolled, with pictures they were not enrolled with, and people who never are. */
import { type Dataset, dealt } from '../dataset.js'
import { fork, pick, type Random, seeded, shuffled } from './random.js'
import { briefFormat, doorFormat, type Format, type Kind, kinds, type Part, type Script, write } from './script.js'

export interface Company {
  /** Pictures by person that may be played with. */
  readonly residents: ReadonlyMap<string, readonly string[]>
  readonly strangers: ReadonlyMap<string, readonly string[]>
}

export interface Member {
  readonly part: Part
  readonly person: string
  readonly picture: string
}

/** Everything that a sequence follows from. */
export interface Plan {
  readonly script: Script
  readonly cast: readonly Member[]
}

/** Residents play with their probes; whoever has none does not play. Strangers are all who are not enrolled, listed or not. */
export function companyOf(data: Dataset, enrol: number): Company {
  const people = new Set(data.people)
  const left = [...people].map((name): [string, readonly string[]] => [name, dealt(data, name, enrol).probes])
  return {
    residents: new Map(left.filter(([, pictures]) => pictures.length > 0)),
    strangers: new Map([...data.pictures].filter(([name]) => !people.has(name))),
  }
}

/** `count` sequences of the kinds in turn, each with a seed of its own that follows from `seed`. */
export function planSequences(company: Company, seed: number, count: number, wanted: readonly Kind[] = kinds): Plan[] {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, i) => plan(company, wanted[i % wanted.length]!, fork(random), doorFormat))
}

/** `count` short sequences of a stranger alone, so that everybody plays before anybody plays again. */
export function planStrangers(company: Company, seed: number, count: number): Plan[] {
  const random = seeded(seed)
  if (count > 0 && company.strangers.size === 0) throw new RangeError('there are no strangers: everybody is enrolled')
  let round: string[] = []
  return Array.from({ length: count }, () => {
    if (round.length === 0) round = shuffled(random, [...company.strangers.keys()])
    const name = round.pop()!
    const one = { residents: company.residents, strangers: new Map([[name, company.strangers.get(name)!]]) }
    return plan(one, 'stranger', fork(random), briefFormat)
  })
}

function plan(company: Company, kind: Kind, seed: number, formatOf: (random: Random) => Format): Plan {
  const script = write(kind, seed, formatOf)
  const random = seeded(seed ^ 0xca57)
  const chosen: Member[] = []
  for (const { part } of script.roles) {
    const group = part === 'resident' ? company.residents : company.strangers
    const free = [...group.keys()].filter((name) => !chosen.some(({ person }) => person === name))
    if (free.length === 0) throw new RangeError(`too few ${part}s with pictures for a sequence of kind ${kind}`)
    const person = pick(random, free)
    chosen.push({ part, person, picture: pick(random, group.get(person)!) })
  }
  return { script, cast: chosen }
}

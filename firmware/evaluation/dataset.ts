/** Pictures of people, and who of them is enrolled. */

export interface Dataset {
  readonly name: string
  /** Pictures of each person, whole paths, in the order of their names. */
  readonly pictures: ReadonlyMap<string, readonly string[]>
  /** From pairs.tsv; else made from the folders. */
  readonly pairs: readonly Pair[]
  /** Names of those who are enrolled: people.txt, else everybody with two pictures or more. */
  readonly people: readonly string[]
  /** Names of those who never are: strangers.txt, else everybody with a single picture. */
  readonly strangers: readonly string[]
  /** people.txt is there: it names people with pictures enough. */
  readonly listed: boolean
}

export interface Pair {
  readonly a: string
  readonly b: string
  readonly same: boolean
}

/**
 * A person's pictures: the first `enrol` are templates, the others probes. In a person's own folder without lists, who has no more
 * than that keeps his last picture as a probe.
 */
export function dealt(data: Dataset, name: string, enrol: number) {
  const pictures = data.pictures.get(name)!
  const count = data.listed ? enrol : Math.min(enrol, Math.max(1, pictures.length - 1))
  return { templates: pictures.slice(0, count), probes: pictures.slice(count) }
}

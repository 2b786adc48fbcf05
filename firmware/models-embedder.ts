/** Which embedder runs, from which similarity on two faces are one, and whose templates may be compared. */
import {
  findModel,
  type Manifest,
  type ModelEntry,
  type Problem,
  type Threshold,
  thresholdOf,
  verifyModel,
} from './adapters/models-manifest.js'
import { UserError } from './app/errors.js'
import type { Config } from './config.js'

/** Exit code 2 where the configuration is at fault, 1 where files are. */
export class ModelError extends UserError {}

/** Best first, by people identified at equal odds for strangers (models/README.md): what `auto` looks for. */
const preference = ['mobilefacenet-128', 'mobilefacenet-192', 'dlib-resnet']

/** What `auto` may take, best first: the machines of `svm` need a threshold of their own. */
const candidates = (manifest: Manifest, { recognizer }: Config): ModelEntry[] =>
  preference
    .map((name) => findModel(manifest, name))
    .filter(({ thresholds }) => recognizer.classifier !== 'svm' || thresholds?.svm !== undefined)

/** @throws ModelError for an embedder that the manifest lacks: no waiting makes that right. */
export function checkEmbedderName(wanted: string, { models }: Manifest): void {
  const names = models.filter(({ role }) => role === 'embedder').map(({ name }) => name)
  if (wanted !== 'auto' && !names.includes(wanted))
    throw new ModelError(
      `configuration key "recognizer.embedder" must be "auto" or one of ${names.join(', ')}, not "${wanted}"; set it to one of them`,
      2,
    )
}

/** What `auto` would take once it is installed instead of this one. */
export function betterThan(config: Config, manifest: Manifest, embedder: string): string | undefined {
  const [best] = candidates(manifest, config)
  return config.recognizer.embedder === 'auto' && best!.name !== embedder ? best!.name : undefined
}

/**
 * The one that is named, else the best that is whole. `passedOver`: better ones whose files are there and are not what the manifest
 * names. Where none is whole, the one that is easiest to get. `problems`: of the files of the one that is chosen.
 */
export async function chooseEmbedder(
  config: Config,
  manifest: Manifest,
  folder: string,
): Promise<{
  readonly entry: ModelEntry
  readonly problems: readonly Problem[]
  readonly passedOver: readonly Problem[]
}> {
  const wanted = config.recognizer.embedder
  checkEmbedderName(wanted, manifest)
  const looked = async (entry: ModelEntry) => ({ entry, problems: await verifyModel(entry, folder) })
  if (wanted !== 'auto') return { ...(await looked(findModel(manifest, wanted))), passedOver: [] }
  const all: Awaited<ReturnType<typeof looked>>[] = []
  const isDamaged = ({ absent }: Problem) => !absent
  for (const candidate of candidates(manifest, config)) {
    const one = await looked(candidate)
    if (one.problems.length === 0)
      return { ...one, passedOver: all.flatMap(({ problems }) => problems.filter(isDamaged)) }
    all.push(one)
  }
  const chosen =
    all.find(({ problems }) => problems.some(isDamaged)) ??
    all.find(({ entry }) => entry.origin.type === 'build') ??
    all[0]!
  return { ...chosen, passedOver: [] }
}

/**
 * A configured threshold moves a measured one. It never stands in for one: it may have been measured for another net of the same name.
 * @throws ModelError where nobody has measured what the configuration asks for.
 */
export function thresholdsOf(
  config: Config,
  entry: ModelEntry,
): { readonly threshold: number; readonly gate?: number } {
  const { name, thresholds } = entry
  const least = measured(config, entry)
  if (least === undefined) {
    const { classifier } = config.recognizer
    const how = classifier === 'imprinting' ? ' --classifier imprinting' : ''
    throw new ModelError(
      `nobody has measured how similar faces are to ${name}${how && ' with imprinting'}; run "facelatch evaluate identification --embedder ${name}${how} --write-threshold"`,
      2,
    )
  }
  const similarity = config.recognizer.threshold ?? least
  if (config.recognizer.classifier !== 'svm') return { threshold: similarity }
  if (thresholds?.svm === undefined)
    throw new ModelError(
      `the manifest has no threshold of the classifier svm for ${name}; take another recognizer.classifier, or run "facelatch evaluate identification --embedder ${name} --classifier svm-alone --write-threshold"`,
      2,
    )
  return { threshold: similarity, gate: thresholds.svm.similarity }
}

/** With the classifier in use: the mean of somebody's templates is nearer to strangers than each of them. */
const thresholdIn = (config: Config, entry: ModelEntry): Threshold | undefined =>
  thresholdOf(entry, config.recognizer.classifier === 'imprinting' ? 'imprinting' : 'nearest')

export const measured = (config: Config, entry: ModelEntry): number | undefined =>
  thresholdIn(config, entry)?.similarity

/** By what strangers may get in who should not: a threshold below the measured one, or one that was forced. */
export function laxThresholds(config: Config, manifest: Manifest): string[] {
  const { threshold, embedder } = config.recognizer
  const used =
    embedder === 'auto' ? candidates(manifest, config) : manifest.models.filter(({ name }) => name === embedder)
  return used.flatMap((entry) => {
    const least = thresholdIn(config, entry)
    const measure = `run "facelatch evaluate identification --embedder ${entry.name} --write-threshold"`
    if (threshold === null)
      return least?.forced === undefined
        ? []
        : [
            `the threshold ${least.similarity} of ${entry.name} was written with --force, although ${least.forced}; ${measure}`,
          ]
    // Without a measured one the embedder is refused.
    if (least === undefined || threshold >= least.similarity) return []
    return [
      `recognizer.threshold ${threshold} is below ${least.similarity}, which was measured for ${embedder}: strangers are let in more often; raise it, or set it to null`,
    ]
  })
}

/**
 * For commands that look at faces and let nobody in, before anybody has measured a threshold: at 1 nobody is known.
 * @returns the manifest with this model as if that had been measured, and as it is where a threshold has been.
 */
export function asIfMeasured(config: Config, { models }: Manifest, name: string): Manifest {
  const threshold: Threshold = { similarity: 1, basis: 'nobody is known' }
  const give = (entry: ModelEntry): ModelEntry =>
    config.recognizer.classifier === 'imprinting'
      ? { ...entry, thresholds: { ...entry.thresholds, imprinting: threshold } }
      : { ...entry, threshold }
  return {
    models: models.map((entry) =>
      entry.name === name && entry.role === 'embedder' && measured(config, entry) === undefined ? give(entry) : entry,
    ),
  }
}

/** On how many people the threshold in use was measured: of more, strangers resemble somebody more often. */
export const measuredPeople = (config: Config, entry: ModelEntry): number | undefined =>
  config.recognizer.threshold === null ? thresholdIn(config, entry)?.measured?.people : undefined

/**
 * Whose templates can be compared: those of one net. What users convert has the name that they gave it, and may be another net
 * under the same name.
 */
export const spaceOf = ({ name, origin, files }: ModelEntry) =>
  origin.type === 'converted' ? `${name}-${files.embedder!.sha256.slice(0, 8)}` : name

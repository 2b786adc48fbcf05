/** Which models run: the manifest and the configuration in, files and numbers for the recognizer out. */
import { accessSync, constants, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { localFile, withLocal } from './adapters/models-local.js'
import {
  findModel,
  formatProblem,
  livenessNets,
  loadManifest,
  type Manifest,
  type ModelEntry,
  type Problem,
  verifyModel,
} from './adapters/models-manifest.js'
import type { RecognizerSetup } from './adapters/recognizer-native.js'
import { UserError } from './app/errors.js'
import type { Config } from './config.js'
import {
  checkEmbedderName,
  chooseEmbedder,
  laxThresholds,
  ModelError,
  spaceOf,
  thresholdsOf,
} from './models-embedder.js'
import { inRoot } from './root.js'

export const modelsFolder = (config: Config) => config.recognizer.models || inRoot('models/built')
/** What this release brings, and what was converted and measured here. */
export const readManifest = (config: Config) =>
  withLocal(loadManifest(inRoot('models/manifest.json')), modelsFolder(config))

/**
 * Before anything is computed that goes there in the end: it takes its time.
 * @throws UserError where nothing can be written into the folder of models.
 */
export function expectModelsWritable(config: Config): void {
  const folder = modelsFolder(config)
  try {
    accessSync(folder, constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UserError(
      `${folder} cannot be written (${code}); ${code === 'ENOENT' ? 'run "facelatch models build" first' : 'run this as the user it belongs to'}`,
    )
  }
}

/** Thresholds by which strangers may get in who should not, and those of one's own that no longer apply. One line each. */
export function thresholdWarnings(config: Config): string[] {
  const manifest = readManifest(config)
  const outdated = manifest.outdated.map(
    ({ model, classifier, threshold }) =>
      `the threshold ${threshold.similarity} that was measured here for ${model} (${classifier}) was measured with another file of it, and does not apply; measure again, or take it out of ${localFile(modelsFolder(config))}`,
  )
  return [...laxThresholds(config, manifest), ...outdated]
}

/** What keeps the liveness nets from being used; undefined where they can be. */
export async function livenessFault(config: Config): Promise<string | undefined> {
  const manifest = readManifest(config)
  for (const entry of livenessNets.map((name) => findModel(manifest, name))) {
    const [problem] = await verifyModel(entry, modelsFolder(config))
    if (problem) return formatProblem(problem)
  }
  return undefined
}

/** @throws ModelError when faces must live and nothing here can tell whether they do. */
async function checkLiveness(config: Config): Promise<void> {
  if (config.recognizer.liveness === 'require') await livenessUsable(config)
}

/** False where they are only wanted for a warning. @throws ModelError where they are required. */
async function livenessUsable(config: Config): Promise<boolean> {
  const fault = await livenessFault(config)
  if (fault !== undefined && config.recognizer.liveness === 'require')
    throw new ModelError(
      `recognizer.liveness is "require", but ${fault}; or set it to "warn" or "off": photos then open the door`,
      2,
    )
  return fault === undefined
}

/** What everybody must know who hangs this on a door. */
export async function warnings(config: Config): Promise<readonly string[]> {
  const photos = await photosOpen(config)
  return [...(photos === undefined ? [] : [photos]), ...thresholdWarnings(config)]
}

async function photosOpen(config: Config): Promise<string | undefined> {
  const { liveness } = config.recognizer
  if (liveness === 'require') return undefined
  const photos = `a photo of a resident opens the door: recognizer.liveness is "${liveness}"`
  const fault = await livenessFault(config)
  return fault === undefined ? photos : `${photos}, and ${fault}`
}

/** The nets that say whether a face lives; none where they are off, or missing and only wanted for a warning. */
async function chooseLiveness(config: Config, manifest: Manifest) {
  if (config.recognizer.liveness === 'off' || !(await livenessUsable(config))) return undefined
  const entries = livenessNets.map((name) => findModel(manifest, name))
  return {
    liveFrom: entries[0]!.threshold!.similarity,
    nets: entries.map(({ files }) => {
      const { file, input } = files.liveness!
      const { width, height, colour, mean, scale, crop } = input
      return {
        path: join(modelsFolder(config), file),
        width: width!,
        height: height!,
        colour,
        mean,
        scale,
        crop: crop!,
      }
    }),
  }
}

export const detectorName = ({ recognizer }: Config) => (recognizer.detector === 'yunet' ? 'yunet-n' : 'mtcnn')

/** Scores that a face must reach: MTCNN's stages as published, YuNet's as measured (models/README.md). */
const mtcnnScores: [number, number, number] = [0.6, 0.7, 0.7]
const yunetScore = 0.7

function detectorOptions(config: Config, { name, files }: ModelEntry): RecognizerSetup['options']['detector'] {
  const { minFace, maxFaces } = config.recognizer
  const at = (part: string) => join(modelsFolder(config), files[part]!.file)
  return name === 'mtcnn'
    ? {
        type: 'mtcnn',
        pnet: at('pnet'),
        rnet: at('rnet'),
        onet: at('onet'),
        minFace,
        maxFaces,
        scores: mtcnnScores,
        factor: 0.709,
      }
    : { type: 'yunet', path: at('detector'), minFace, maxFaces, score: yunetScore }
}

/** What runs, and what `auto` passed over although it is there: each file that is not what the manifest names. */
export interface ChosenModels extends RecognizerSetup {
  readonly passedOver: readonly Problem[]
}

/**
 * Chooses detector, embedder and liveness nets and checks their files' sha256: a model that is not the one the manifest names is never run.
 * @throws ModelError with one line per file that is missing or wrong, or for a folder or a name that there is not.
 */
export async function chooseModels(config: Config, manifest: Manifest = readManifest(config)): Promise<ChosenModels> {
  expectFolder(config)
  const folder = modelsFolder(config)
  const detector = findModel(manifest, detectorName(config))
  // Its O-Net settles a face's points, whatever found it.
  const points = findModel(manifest, 'mtcnn')
  const { entry: embedder, problems: ofEmbedder, passedOver } = await chooseEmbedder(config, manifest, folder)
  const ofDetector = await Promise.all([...new Set([detector, points])].map((entry) => verifyModel(entry, folder)))
  const problems = [...ofDetector.flat(), ...ofEmbedder]
  if (problems.length > 0) throw new ModelError(problems.map(formatProblem).join('\n'))

  const liveness = await chooseLiveness(config, manifest)
  const { input } = embedder.files.embedder!
  return {
    embedder: embedder.name,
    space: spaceOf(embedder),
    ...thresholdsOf(config, embedder),
    passedOver,
    classifier: config.recognizer.classifier,
    ...(liveness && { liveFrom: liveness.liveFrom }),
    options: {
      engine: config.recognizer.engine,
      tensorrt: { precision: config.recognizer.precision, plans: config.recognizer.plans || join(folder, 'plans') },
      threads: config.recognizer.threads || Math.max(1, availableParallelism() - 1),
      detector: detectorOptions(config, detector),
      landmarks: join(folder, points.files.onet!.file),
      embedder: {
        path: join(folder, embedder.files.embedder!.file),
        width: input.width!,
        height: input.height!,
        colour: input.colour,
        mean: input.mean,
        scale: input.scale,
        template: embedder.template!,
        dimensions: embedder.output!.dimensions,
      },
      ...(liveness && { liveness: liveness.nets }),
    },
  }
}

/** One line for each better embedder that is damaged. */
export const passedOverLines = ({ passedOver, embedder }: ChosenModels): string[] =>
  passedOver.map((one) => `${formatProblem(one)}; until then ${embedder} runs instead`)

/** Files that are there and are not what the manifest names, in use or not. */
export async function damagedModels(config: Config): Promise<Problem[]> {
  const folder = modelsFolder(config)
  const problems = await Promise.all(readManifest(config).models.map((entry) => verifyModel(entry, folder)))
  return problems.flat().filter(({ absent }) => !absent)
}

/** @throws ModelError for an embedder that there is none of, or one without the thresholds asked for. */
export function checkEmbedder(config: Config): void {
  const manifest = readManifest(config)
  const { embedder } = config.recognizer
  checkEmbedderName(embedder, manifest)
  if (embedder !== 'auto') thresholdsOf(config, findModel(manifest, embedder))
}

/**
 * What no waiting makes right: nobody is recognized with it.
 * @throws ModelError for an embedder that cannot be used, or liveness without its nets.
 */
export async function checkChoice(config: Config): Promise<void> {
  checkEmbedder(config)
  await checkLiveness(config)
}

/**
 * Everything that keeps the configured models from being used here. Where facelatch has no folder of models, as on the machine that a
 * configuration is written on, nothing is expected to be installed; one that the configuration names must be there.
 * @throws ModelError, one line each.
 */
export async function checkModels(config: Config): Promise<{ readonly warnings: readonly string[] }> {
  const lax = thresholdWarnings(config)
  if (config.recognizer.models === '' && !isFolder(modelsFolder(config))) {
    await checkChoice({ ...config, recognizer: { ...config.recognizer, liveness: 'off' } })
    return { warnings: lax }
  }
  return { warnings: [...passedOverLines(await chooseModels(config)), ...lax] }
}

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

function expectFolder({ recognizer: { models } }: Config): void {
  if (models !== '' && !isFolder(models))
    throw new ModelError(`recognizer.models is "${models}", and there is no such folder; correct it`, 2)
}

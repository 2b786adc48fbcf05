/** Which models run: the manifest and the configuration in, files and numbers for the recognizer out. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import {
  findModel,
  formatProblem,
  loadManifest,
  type Manifest,
  type ModelEntry,
  verifyModel,
} from './adapters/models-manifest.js'
import type { RecognizerSetup } from './adapters/recognizer-native.js'
import type { Config } from './config.js'
import { inRoot } from './root.js'

export class ModelError extends Error {}

export const manifestPath = () => inRoot('models/manifest.json')
export const modelsFolder = (config: Config) => config.recognizer.models || inRoot('models/built')
export const readManifest = (): Manifest => loadManifest(manifestPath())

/** Best first, by people identified at equal odds for strangers (models/README.md): what `auto` looks for. */
const embedderPreference = ['mobilefacenet-128', 'mobilefacenet-192', 'dlib-resnet']

/** @throws ModelError when the configuration names an embedder that the manifest lacks: no waiting makes that right. */
export function checkModelNames(config: Config, { models } = readManifest()): void {
  const wanted = config.recognizer.embedder
  const names = models.filter(({ role }) => role === 'embedder').map(({ name }) => name)
  if (wanted !== 'auto' && !names.includes(wanted))
    throw new ModelError(
      `configuration key "recognizer.embedder" must be "auto" or one of ${names.join(', ')}, not "${wanted}"`,
    )
}

async function chooseEmbedder(config: Config, manifest: Manifest): Promise<ModelEntry> {
  const wanted = config.recognizer.embedder
  checkModelNames(config, manifest)
  if (wanted !== 'auto') return findModel(manifest, wanted)
  for (const name of embedderPreference) {
    const entry = findModel(manifest, name)
    if ((await verifyModel(entry, modelsFolder(config))).length === 0) return entry
  }
  return findModel(manifest, embedderPreference[0]!)
}

function thresholdsOf(config: Config, { name, threshold, thresholds }: ModelEntry) {
  const { classifier } = config.recognizer
  const measured = thresholds?.imprinting && classifier === 'imprinting' ? thresholds.imprinting : threshold
  const similarity = config.recognizer.threshold ?? measured?.similarity
  if (similarity === undefined)
    throw new ModelError(
      `nobody has measured how similar faces are to ${name}; run "facelatch evaluate identification --embedder ${name} --write-threshold"`,
    )
  if (classifier !== 'svm') return { threshold: similarity }
  if (thresholds?.svm === undefined)
    throw new ModelError(
      `the manifest has no threshold of the classifier svm for ${name}; take another recognizer.classifier, or run "facelatch evaluate identification --embedder ${name} --classifier svm-alone --write-threshold"`,
    )
  return { threshold: similarity, gate: thresholds.svm.similarity }
}

/** Used together, in the order of their scores. The operating point of the pair stands with the first. */
export const livenessNets = ['minifasnet-v2', 'minifasnet-v1se']

/** What keeps the liveness nets from being used; undefined where they can be. */
export async function livenessFault(config: Config): Promise<string | undefined> {
  const manifest = readManifest()
  for (const entry of livenessNets.map((name) => findModel(manifest, name))) {
    const [problem] = await verifyModel(entry, modelsFolder(config))
    if (problem) return formatProblem(problem)
  }
  return undefined
}

/** @throws ModelError when faces must live and nothing here can tell whether they do. */
export async function checkLiveness(config: Config): Promise<void> {
  if (config.recognizer.liveness !== 'require') return
  const fault = await livenessFault(config)
  if (fault !== undefined)
    throw new ModelError(
      `recognizer.liveness is "require", but ${fault}; or set it to "warn" or "off": photos then open the door`,
    )
}

/** What everybody must know who hangs this on a door; undefined where living faces alone are let in. */
export async function livenessWarning(config: Config): Promise<string | undefined> {
  const { liveness } = config.recognizer
  if (liveness === 'require') return undefined
  const photos = `a photo of a resident opens the door: recognizer.liveness is "${liveness}"`
  const fault = await livenessFault(config)
  return fault === undefined ? photos : `${photos}, and ${fault}`
}

/** The nets that say whether a face lives; none where they are off, or missing and only wanted for a warning. */
async function chooseLiveness(config: Config, manifest: Manifest) {
  await checkLiveness(config)
  if (config.recognizer.liveness === 'off' || (await livenessFault(config)) !== undefined) return undefined
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

/**
 * Whose templates can be compared: those of one net. What users convert has the name that they gave it, and may be another net
 * under the same name.
 */
const spaceOf = ({ name, origin, files }: ModelEntry) =>
  origin.type === 'converted' ? `${name}-${files.embedder!.sha256.slice(0, 8)}` : name

/**
 * Chooses detector, embedder and liveness nets and checks their files' sha256: a model that is not the one the manifest names is never run.
 * @throws ModelError with one line per file that is missing or wrong.
 */
export async function chooseModels(config: Config, manifest = readManifest()): Promise<RecognizerSetup> {
  const folder = modelsFolder(config)
  const detector = findModel(manifest, detectorName(config))
  // Its O-Net settles a face's points, whatever found it.
  const points = findModel(manifest, 'mtcnn')
  const embedder = await chooseEmbedder(config, manifest)
  const problems = (
    await Promise.all([...new Set([detector, points, embedder])].map((entry) => verifyModel(entry, folder)))
  ).flat()
  if (problems.length > 0) throw new ModelError(problems.map(formatProblem).join('\n'))

  const liveness = await chooseLiveness(config, manifest)
  const { input } = embedder.files.embedder!
  return {
    embedder: embedder.name,
    space: spaceOf(embedder),
    ...thresholdsOf(config, embedder),
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

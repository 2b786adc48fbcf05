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
export function checkModelNames(config: Config): void {
  const wanted = config.recognizer.embedder
  const names = readManifest()
    .models.filter(({ role }) => role === 'embedder')
    .map(({ name }) => name)
  if (wanted !== 'auto' && !names.includes(wanted))
    throw new ModelError(
      `configuration key "recognizer.embedder" must be "auto" or one of ${names.join(', ')}, not "${wanted}"`,
    )
}

async function chooseEmbedder(config: Config, manifest: Manifest): Promise<ModelEntry> {
  const wanted = config.recognizer.embedder
  checkModelNames(config)
  if (wanted !== 'auto') return findModel(manifest, wanted)
  for (const name of embedderPreference) {
    const entry = findModel(manifest, name)
    if ((await verifyModel(entry, modelsFolder(config))).length === 0) return entry
  }
  return findModel(manifest, embedderPreference[0]!)
}

function thresholdsOf(config: Config, { name, threshold, thresholds }: ModelEntry) {
  const { classifier } = config.recognizer
  const similarity =
    config.recognizer.threshold ??
    (thresholds?.imprinting && classifier === 'imprinting' ? thresholds.imprinting : threshold!).similarity
  if (classifier !== 'svm') return { threshold: similarity }
  if (thresholds?.svm === undefined)
    throw new ModelError(
      `the manifest has no threshold of the classifier svm for ${name}; take another recognizer.classifier, or run "facelatch evaluate identification --embedder ${name} --classifier svm-alone --write-threshold"`,
    )
  return { threshold: similarity, gate: thresholds.svm.similarity }
}

/**
 * Chooses detector and embedder and checks their files' sha256: a model that is not the one the manifest names is never run.
 * @throws ModelError with one line per file that is missing or wrong.
 */
export async function chooseModels(config: Config): Promise<RecognizerSetup> {
  const manifest = readManifest()
  const folder = modelsFolder(config)
  const detector = findModel(manifest, config.recognizer.detector === 'auto' ? 'mtcnn' : config.recognizer.detector)
  // Its O-Net settles a face's points, whatever found it.
  const points = findModel(manifest, 'mtcnn')
  const embedder = await chooseEmbedder(config, manifest)
  const problems = (
    await Promise.all([...new Set([detector, points, embedder])].map((entry) => verifyModel(entry, folder)))
  ).flat()
  if (problems.length > 0) throw new ModelError(problems.map(formatProblem).join('\n'))

  const at = (entry: ModelEntry, part: string) => join(folder, entry.files[part]!.file)
  const { input } = embedder.files.embedder!
  return {
    embedder: embedder.name,
    ...thresholdsOf(config, embedder),
    classifier: config.recognizer.classifier,
    options: {
      engine: config.recognizer.engine,
      tensorrt: { precision: config.recognizer.precision, plans: config.recognizer.plans || join(folder, 'plans') },
      threads: config.recognizer.threads || Math.max(1, availableParallelism() - 1),
      detector: {
        type: 'mtcnn',
        pnet: at(detector, 'pnet'),
        rnet: at(detector, 'rnet'),
        onet: at(detector, 'onet'),
        minFace: config.recognizer.minFace,
        maxFaces: config.recognizer.maxFaces,
        scores: [0.6, 0.7, 0.7],
        factor: 0.709,
      },
      landmarks: at(points, 'onet'),
      embedder: {
        path: at(embedder, 'embedder'),
        width: input.width!,
        height: input.height!,
        colour: input.colour,
        mean: input.mean,
        scale: input.scale,
        template: embedder.template!,
        dimensions: embedder.output!.dimensions,
      },
    },
  }
}

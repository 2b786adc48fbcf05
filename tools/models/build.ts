import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { placeWhole } from '../../firmware/adapters/models-folder.js'
import { fileFault, loadManifest, type Manifest, type ModelFile } from '../../firmware/adapters/models-manifest.js'
import type { Graph } from '../../firmware/conversion/onnx.js'
import type { Weights } from '../../firmware/conversion/tensor.js'
import { dlibResnet } from './dlib-resnet.js'
import { mobilefacenet } from './mobilefacenet.js'
import { onet, pnet, rnet } from './mtcnn.js'
import { fetchedWeights, readTflite } from './tflite.js'
import { packagedWeights, readWeights } from './weights.js'

/** Makes a net from the folder its weights lie in; without one, from where the set-up has put them. */
type Recipe = (weightsDir?: string) => Graph

const tfjs =
  (stem: string, net: (weights: Weights) => Graph): Recipe =>
  (dir = packagedWeights()) =>
    net(readWeights(dir, stem))

/** How each file that can be built is made. */
const RECIPES: Record<string, Recipe> = {
  'mtcnn-pnet.onnx': tfjs('mtcnn_model', pnet),
  'mtcnn-rnet.onnx': tfjs('mtcnn_model', rnet),
  'mtcnn-onet.onnx': tfjs('mtcnn_model', onet),
  'dlib-resnet.onnx': tfjs('face_recognition_model', dlibResnet),
  'mobilefacenet-192.onnx': (dir = fetchedWeights()) =>
    mobilefacenet(readTflite(path.join(dir, 'MobileFaceNet.tflite'))),
}

export interface BuildOptions {
  manifest: Manifest
  outDir: string
  /** Takes one line per file built. */
  log: (line: string) => void
  /** Builds files that are already right, too. */
  force?: boolean
  /** Folder of the weight files; where the set-up has put each by default. */
  weightsDir?: string
}

export interface BuiltFile {
  file: string
  path: string
  status: 'kept' | 'built'
}

/**
 * Builds every file of the manifest whose origin is a build and that is missing or wrong in `outDir`. A file appears
 * under its name only when it is whole and has the manifest's sha256: a power cut leaves the old one or the new one.
 * @throws when weights are missing, or what was built is not what the manifest names.
 */
export async function buildModels({
  manifest,
  outDir,
  log,
  force = false,
  weightsDir,
}: BuildOptions): Promise<BuiltFile[]> {
  await mkdir(outDir, { recursive: true })
  const built: BuiltFile[] = []
  for (const wanted of buildable(manifest)) {
    const location = path.join(outDir, wanted.file)
    const fault = force ? 'asked for' : await fileFault(wanted, location)
    if (fault) {
      const bytes = modelBytes(wanted.file, weightsDir)
      const found = sha256(bytes)
      if (found !== wanted.sha256)
        throw new Error(
          `${wanted.file}: built with sha256 ${found}, the manifest wants ${wanted.sha256}: install the package version it names`,
        )
      await placeWhole(outDir, wanted.file, async (temporary) => {
        await writeFile(path.join(outDir, temporary), bytes)
        return undefined
      })
      log(`${wanted.file}: ${fault}, built (${bytes.length} bytes)`)
    }
    built.push({ file: wanted.file, path: location, status: fault ? 'built' : 'kept' })
  }
  return built
}

/** The ONNX file of that name, as bytes. The same on every machine. */
export function modelBytes(file: string, weightsDir?: string): Uint8Array {
  const recipe = RECIPES[file]
  if (!recipe) throw new Error(`${file}: no recipe; tools/models builds ${Object.keys(RECIPES).join(', ')}`)
  return recipe(weightsDir).encode()
}

function buildable(manifest: Manifest): ModelFile[] {
  return manifest.models.filter(({ origin }) => origin.type === 'build').flatMap(({ files }) => Object.values(files))
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function main(flags: readonly string[]): Promise<void> {
  const unknown = flags.find((flag) => flag !== '--force' && flag !== '--print-sha')
  if (unknown) {
    console.error(`tools/models/build: ${unknown} is not an option; usage: build.js [--force] [--print-sha]`)
    process.exitCode = 2
    return
  }
  if (flags.includes('--print-sha')) {
    for (const file of Object.keys(RECIPES)) {
      const bytes = modelBytes(file)
      console.log(`${sha256(bytes)} ${bytes.length} ${file}`)
    }
    return
  }
  // Compiled, this file lies in dist/tools/models.
  const models = fileURLToPath(new URL('../../../models/', import.meta.url))
  const manifest = loadManifest(path.join(models, 'manifest.json'))
  await buildModels({
    manifest,
    outDir: path.join(models, 'built'),
    log: console.log,
    force: flags.includes('--force'),
  })
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error: Error) => {
    console.error(`tools/models/build: ${error.message}`)
    process.exitCode = 1
  })
}

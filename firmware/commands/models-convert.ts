/** `facelatch models convert`: a FaceNet that the user has becomes an embedder. */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { placeWhole } from '../adapters/models-folder.js'
import { keepModel } from '../adapters/models-local.js'
import { type ModelEntry, replaceable, withModel } from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { facenet, facenetScope, facenetSide } from '../conversion/facenet.js'
import { readFrozenGraph } from '../conversion/frozen-graph.js'
import { readEmbedder } from '../conversion/onnx.js'
import { expectModelsWritable, modelsFolder, readManifest } from '../models.js'
import { tryEmbedder } from './models-trial.js'

interface Options {
  readonly name?: string | undefined
  readonly normalise?: string | undefined
  readonly force?: boolean | undefined
  readonly json?: boolean | undefined
}

/** Nothing stands under its own name, and nothing is known of it, until everything has been checked and tried. */
export async function main(files: readonly string[], options: Options, config: Config): Promise<number> {
  const [file] = files
  if (file === undefined || files.length > 1) throw wrongUsage('facelatch models convert takes one file, .pb or .onnx')
  const normalise = options.normalise ?? 'fixed'
  if (normalise !== 'fixed' && normalise !== 'whiten')
    throw wrongUsage(`--normalise takes fixed or whiten, not "${normalise}"`)
  const name = options.name ?? 'facenet'
  if (!/^[\w-]+$/.test(name)) throw wrongUsage(`--name takes letters, digits, - and _, not "${name}"`)
  const old = replaceable(readManifest(config), name)
  const folder = modelsFolder(config)
  expectModelsWritable(config)

  const { bytes, ...shape } = await convert(file, normalise === 'whiten')
  const made = entryOf(name, file, normalise, bytes, shape)
  const same = old?.files.embedder?.sha256 === made.files.embedder!.sha256
  if (old && !same && !options.force)
    throw new UserError(
      `${name} is there already, converted from ${told(old)}; give another --name, or --force to put ${basename(file)} in its place`,
    )
  await install(config, folder, made, bytes)
  if (old && !same) await rm(join(folder, old.files.embedder!.file), { force: true })

  const { dimensions } = shape
  // The same net again, e.g. for a file that was damaged, keeps the threshold that was measured with it.
  const isMeasured = same && old?.threshold !== undefined
  const measure = `facelatch evaluate identification --embedder ${name} --write-threshold`
  const replaced = old && !same ? ` in place of the one from ${told(old)}: enrol people again` : ''
  console.log(
    options.json
      ? JSON.stringify({ name, dimensions, bytes: bytes.length, replaced: replaced !== '' })
      : `${name}: ${dimensions} numbers, ${bytes.length} bytes in ${folder}${replaced}${isMeasured ? '' : `; measure its threshold: ${measure}`}`,
  )
  return 0
}

const told = ({ origin }: ModelEntry) => (origin.type === 'converted' ? origin.from : origin.type)

/** Tried under a temporary name. The file stands before its entry does: without one it is nothing. */
async function install(config: Config, folder: string, entry: ModelEntry, bytes: Uint8Array): Promise<void> {
  const { file, ...described } = entry.files.embedder!
  await placeWhole(folder, file, async (temporary) => {
    await writeFile(join(folder, temporary), bytes)
    const trial = { ...entry, files: { embedder: { ...described, file: temporary } } }
    await tryEmbedder(config, withModel(readManifest(config), trial).models, trial)
    return undefined
  })
  keepModel(folder, entry)
}

function entryOf(
  name: string,
  from: string,
  normalise: string,
  bytes: Uint8Array,
  { side, dimensions }: { readonly side: number; readonly dimensions: number },
): ModelEntry {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return {
    name,
    role: 'embedder',
    files: {
      embedder: {
        // With its sum: no other model has a file of this name, and the one that this replaces is whole until it is not named any more.
        file: `${name}-${sha256.slice(0, 8)}.onnx`,
        sha256,
        bytes: bytes.length,
        input: {
          width: side,
          height: side,
          layout: 'nchw',
          colour: 'rgb',
          mean: [127.5, 127.5, 127.5],
          scale: [1 / 128, 1 / 128, 1 / 128],
        },
      },
    },
    origin: { type: 'converted', from: basename(from) },
    licence: `that of ${basename(from)}`,
    source: `${basename(from)}, converted with --normalise ${normalise}; Schroff et al. 2015, arXiv:1503.03832`,
    template: template.map((share) => Math.round(share * side * 100) / 100),
    output: { dimensions, metric: 'cosine', normalised: false },
  }
}

/**
 * Where the five points go, shares of the side: MTCNN's own mean points in its box, with the margin of 32 to 44 pixels round it
 * that davidsandberg/facenet trained and tested with, about a third of a face's width.
 */
const template = [0.372, 0.415, 0.628, 0.415, 0.5, 0.567, 0.386, 0.698, 0.614, 0.698]

async function convert(
  file: string,
  whiten: boolean,
): Promise<{ bytes: Uint8Array; side: number; dimensions: number }> {
  try {
    // What is no file, as /dev/zero, may have no end.
    if (!statSync(file).isFile()) throw new UserError(`${file} is not a file; check its path`)
    if (file.endsWith('.pb')) {
      const weights = readFrozenGraph(file, facenetScope)
      const dimensions = weights('Bottleneck/weights', 2).shape[1]!
      return { bytes: facenet(weights, { whiten }).encode(), side: facenetSide, dimensions }
    }
    if (!file.endsWith('.onnx')) throw wrongUsage(`facelatch models convert reads .pb and .onnx, not ${file}`)
    const published = readEmbedder(readFileSync(file))
    const { side, dimensions, nhwc } = published
    if (!whiten && !nhwc) return { bytes: readFileSync(file), side, dimensions }
    const bytes = published.behind((graph, x) => {
      const picture = whiten ? graph.whitened(x, side) : x
      return nhwc ? graph.node('Transpose', [picture], { perm: [0, 2, 3, 1] }) : picture
    })
    return { bytes, side, dimensions }
  } catch (error) {
    if (error instanceof UserError) throw error
    const { message, code } = error as NodeJS.ErrnoException
    throw new UserError(
      code !== undefined
        ? `cannot read ${file} (${code}); check its path`
        : `cannot convert ${file}: ${message}; give David Sandberg's frozen graph or an ONNX file`,
    )
  }
}

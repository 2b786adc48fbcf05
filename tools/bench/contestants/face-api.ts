/** @vladmandic/face-api, the SSD path of its documentation, on TensorFlow.js's WASM backend with SIMD, one thread. */
import type { Contestant } from '../contestant.js'
import type { RawFrame } from '../frames.js'
import { peerFile, requirePeer } from '../install.js'

interface Tensor {
  dispose(): void
}
interface Tf {
  tensor3d(pixels: Uint8Array, shape: number[], type: 'int32'): Tensor
  setBackend(name: string): Promise<boolean>
  ready(): Promise<void>
  getBackend(): string
}
interface Net {
  loadFromDisk(folder: string): Promise<void>
}
interface FaceApi {
  readonly version: string
  readonly nets: { ssdMobilenetv1: Net; faceLandmark68Net: Net; faceRecognitionNet: Net }
  readonly SsdMobilenetv1Options: new () => object
  readonly FaceMatcher: new (enrolled: Float32Array[]) => { findBestMatch(face: Float32Array): { label: string } }
  detectAllFaces(
    input: Tensor,
    options: object,
  ): { withFaceLandmarks(): { withFaceDescriptors(): Promise<{ descriptor: Float32Array }[]> } }
}

export async function openFaceApi(): Promise<Contestant> {
  const tf = requirePeer<Tf>('@tensorflow/tfjs')
  const wasm = requirePeer<{ setThreadsCount(count: number): void; setWasmPaths(folder: string): void }>(
    '@tensorflow/tfjs-backend-wasm',
  )
  wasm.setThreadsCount(1)
  wasm.setWasmPaths(peerFile('@tensorflow/tfjs-backend-wasm/dist/'))
  const faceapi = requirePeer<FaceApi>(peerFile('@vladmandic/face-api/dist/face-api.node-wasm.js'))
  await tf.setBackend('wasm')
  await tf.ready()
  const folder = peerFile('@vladmandic/face-api/model')
  const { ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet } = faceapi.nets
  for (const net of [ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet]) await net.loadFromDisk(folder)
  const options = new faceapi.SsdMobilenetv1Options()
  let matcher: InstanceType<FaceApi['FaceMatcher']> | undefined

  async function descriptors({ rgb, width, height }: RawFrame): Promise<Float32Array[]> {
    const tensor = tf.tensor3d(rgb, [height, width, 3], 'int32')
    const faces = await faceapi.detectAllFaces(tensor, options).withFaceLandmarks().withFaceDescriptors()
    tensor.dispose()
    return faces.map(({ descriptor }) => descriptor)
  }

  return {
    engine: `face-api, tfjs ${tf.getBackend()}`,
    async enrol(frames) {
      const enrolled: Float32Array[] = []
      for (const frame of frames) enrolled.push(...(await descriptors(frame)).slice(0, 1))
      // Its own default distance, 0.6; an empty matcher is refused.
      if (enrolled.length > 0) matcher = new faceapi.FaceMatcher(enrolled)
      return enrolled.length
    },
    begin() {},
    async frame(frame) {
      const faces = await descriptors(frame)
      return faces.some((face) => matcher !== undefined && matcher.findBestMatch(face).label !== 'unknown')
    },
  }
}

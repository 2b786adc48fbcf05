/** MTCNN's cascade in plain JavaScript over onnxruntime-node, pyramid by sharp: the way it is written without a C++ part. */
import ort from 'onnxruntime-node'
import sharp from 'sharp'
import type { RawFrame } from '../frames.js'
import { boxesLeft, type Candidate, regress, square } from './boxes.js'
import { crop, planes } from './pixels.js'

type Session = ort.InferenceSession
const window = 12
const stride = 2

export interface MtcnnFiles {
  readonly pnet: string
  readonly rnet: string
  readonly onet: string
  readonly minFace: number
  readonly scores: readonly [number, number, number]
  readonly factor: number
}

export const openSession = (path: string): Promise<Session> =>
  ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
  })

export class Mtcnn {
  readonly #files: MtcnnFiles
  readonly #pnet: Session
  readonly #rnet: Session
  readonly #onet: Session

  private constructor(files: MtcnnFiles, [pnet, rnet, onet]: [Session, Session, Session]) {
    this.#files = files
    this.#pnet = pnet
    this.#rnet = rnet
    this.#onet = onet
  }

  static async open(files: MtcnnFiles): Promise<Mtcnn> {
    const { pnet, rnet, onet } = files
    return new Mtcnn(files, [await openSession(pnet), await openSession(rnet), await openSession(onet)])
  }

  async detect(frame: RawFrame): Promise<Candidate[]> {
    const { minFace, factor, scores } = this.#files
    let found: Candidate[] = []
    const side = Math.min(frame.width, frame.height)
    for (let scale = window / minFace; side * scale >= window; scale *= factor)
      found.push(...boxesLeft(await this.#propose(frame, scale), 0.5, 'union'))
    found = boxesLeft(found, 0.7, 'union').map(regress).map(square)
    found = boxesLeft(await this.#score(this.#rnet, frame, found, 24, scores[1]), 0.7, 'union')
    found = await this.#score(this.#onet, frame, found.map(regress).map(square), 48, scores[2])
    return boxesLeft(found.map(regress), 0.7, 'smaller')
  }

  async #propose({ rgb, width, height }: RawFrame, scale: number): Promise<Candidate[]> {
    const [w, h] = [Math.ceil(width * scale), Math.ceil(height * scale)]
    const small = await sharp(rgb, { raw: { width, height, channels: 3 } })
      .resize(w, h, { fit: 'fill', kernel: 'linear' })
      .raw()
      .toBuffer()
    const input = new ort.Tensor('float32', planes(small, w, h), [1, 3, h, w])
    const { prob, regression } = await this.#pnet.run({ input })
    const [score, shift] = [prob!.data as Float32Array, regression!.data as Float32Array]
    const columns = prob!.dims[3]!
    const cells = prob!.dims[2]! * columns
    const found: Candidate[] = []
    for (let cell = 0; cell < cells; cell++) {
      if (score[cells + cell]! < this.#files.scores[0]) continue
      found.push({
        x: ((cell % columns) * stride * width) / w,
        y: (Math.floor(cell / columns) * stride * height) / h,
        width: (window * width) / w,
        height: (window * height) / h,
        score: score[cells + cell]!,
        shift: [0, 1, 2, 3].map((i) => shift[i * cells + cell]!),
        landmarks: [],
      })
    }
    return found
  }

  /** R-Net or O-Net over all candidates in one batch. */
  async #score(net: Session, frame: RawFrame, found: Candidate[], side: number, least: number): Promise<Candidate[]> {
    const inside = found.filter(
      ({ x, y, width, height }) => x < frame.width && y < frame.height && x + width > 0 && y + height > 0,
    )
    if (inside.length === 0) return []
    const pixels = new Float32Array(inside.length * 3 * side * side)
    inside.forEach((box, i) => {
      crop(frame, box, side, pixels.subarray(i * 3 * side * side, (i + 1) * 3 * side * side))
    })
    const input = new ort.Tensor('float32', pixels, [inside.length, 3, side, side])
    const { prob, regression, landmarks } = await net.run({ input })
    return inside.flatMap((box, i) => {
      const score = (prob!.data as Float32Array)[2 * i + 1]!
      if (score < least) return []
      const shift = [...(regression!.data as Float32Array).subarray(4 * i, 4 * i + 4)]
      const marks = landmarks === undefined ? [] : [...(landmarks.data as Float32Array).subarray(10 * i, 10 * i + 10)]
      const placed = marks.slice(0, 5).flatMap((u, k) => [box.x + u * box.width, box.y + marks[5 + k]! * box.height])
      return [{ ...box, score, shift, landmarks: placed }]
    })
  }
}

/** A recognizer for the commands that look at pictures themselves. */
import { decodePicture } from '../adapters/pictures-sharp.js'
import { loadRecognizer, pictureFromRgb } from '../adapters/recognizer-native.js'
import type { Config } from '../config.js'
import { intersection } from '../domain/geometry.js'
import { type Clarity, quality } from '../domain/quality.js'
import type { Face } from '../domain/types.js'
import { chooseModels, passedOverLines } from '../models.js'
import type { Picture, Recognizer } from '../ports.js'

export interface SeenFace extends Face {
  /** How good a probe it is, in [0, 1]. */
  readonly quality: number
  readonly clarity: Clarity
  /** L2-normalised. */
  readonly embedding: Float32Array
  /** Log-odds of a living face, one a net, where liveness nets are loaded. */
  readonly liveness?: readonly number[]
}

/** Whoever enrols with it or measures it is told when it is not the embedder that it should be. */
export async function openRecognizer(config: Config): Promise<Recognizer> {
  const setup = await chooseModels(config)
  for (const line of passedOverLines(setup)) console.error(`facelatch: ${line}`)
  return loadRecognizer(setup)
}

/**
 * How much a face is what the picture is of: its area inside the frame, less towards the edge. Bystanders are often as
 * large as the subject, and cut off; the subject is in the middle.
 */
function prominence({ box }: Face, { width, height }: Picture): number {
  const visible = intersection(box, { x: 0, y: 0, width, height })
  const [dx, dy] = [box.x + (box.width - width) / 2, box.y + (box.height - height) / 2]
  return visible * Math.max(0, 1 - Math.hypot(dx, dy) / Math.hypot(width / 2, height / 2))
}

export const subjectFirst = (faces: readonly Face[], frame: Picture): Face[] =>
  [...faces].sort((a, b) => prominence(b, frame) - prominence(a, frame))

/** Every face of a frame, the picture's subject first. */
export async function facesOf(recognizer: Recognizer, frame: Picture): Promise<SeenFace[]> {
  const faces = subjectFirst((await recognizer.detect(frame)).faces, frame)
  if (faces.length === 0) return []
  const { faces: identified } = await recognizer.identify(
    frame,
    faces.map(({ landmarks }) => landmarks),
    recognizer.liveFrom === undefined ? undefined : faces.map(({ box }) => box),
  )
  return faces.map((face, i) => {
    const { embedding, clarity, liveness } = identified[i]!
    return { ...face, quality: quality(face, frame, clarity), clarity, embedding, ...(liveness && { liveness }) }
  })
}

export interface SeenPicture {
  readonly faces: readonly SeenFace[]
  /** From the pixels looked at to those of the file. */
  readonly scale: number
}

/** @throws Error with one line saying what is wrong with the file. */
export async function facesOfFile(recognizer: Recognizer, file: string): Promise<SeenPicture> {
  const { rgb, width, height, scale } = await decodePicture(file)
  const frame = pictureFromRgb(rgb, width, height)
  try {
    return { faces: await facesOf(recognizer, frame), scale }
  } finally {
    frame.release()
  }
}

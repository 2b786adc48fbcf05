/** Plays made sequences to the real detector, embedder, tracker and votes, and opens no door. */

import { decodePicture } from '../adapters/pictures-sharp.js'
import { pictureFromRgb } from '../adapters/recognizer-native.js'
import { Pipeline } from '../app/pipeline.js'
import { OfTimedPictures, TimedPicture } from '../app/timed-picture.js'
import type { Config } from '../config.js'
import { points } from '../domain/geometry.js'
import type { Box, Landmarks } from '../domain/types.js'
import { Visits } from '../domain/visits.js'
import type { JudgedFrame, SingleAnswer } from '../evaluation/decisions.js'
import type { Plan } from '../evaluation/sequences/cast.js'
import { playScript } from '../evaluation/sequences/sequence.js'
import type { Still } from '../evaluation/sequences/sprite.js'
import type { Picture, Recognizer } from '../ports.js'
import { subjectFirst } from './recognition.js'

/** The recognizer, with what it said of every single face of the last frame. */
class Witness extends OfTimedPictures {
  answers: SingleAnswer[] = []

  override async identify(frame: Picture, landmarks: readonly Landmarks[], boxes?: readonly Box[]) {
    const result = await super.identify(frame, landmarks, boxes)
    this.answers.push(
      ...result.faces.map(({ candidates: [best] }, i) => ({
        box: span(landmarks[i]!),
        person: best?.person,
        similarity: best?.similarity ?? -1,
      })),
    )
    return result
  }
}

function span(landmarks: Landmarks): Box {
  const marks = points(landmarks) ?? []
  const [xs, ys] = [marks.map(({ x }) => x), marks.map(({ y }) => y)]
  const [x, y] = [Math.min(...xs), Math.min(...ys)]
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y }
}

export class Theatre {
  readonly #recognizer: Recognizer
  readonly #witness: Witness
  readonly #pipeline: Pipeline
  readonly #rearmMs: number
  readonly #faces = new Map<string, Box | null>()

  /** @param recognizer with the gallery in place. */
  constructor(recognizer: Recognizer, config: Config) {
    this.#recognizer = recognizer
    this.#witness = new Witness(recognizer)
    this.#pipeline = new Pipeline(this.#witness, config)
    this.#rearmMs = config.access.rearmSeconds * 1000
  }

  /** What became of each frame; undefined when a picture of the cast shows no face. */
  async play({ script, cast }: Plan): Promise<JudgedFrame[] | undefined> {
    const stills: Still[] = []
    for (const { person, picture } of cast) {
      const still = await this.#still(person, picture)
      if (still === undefined) return undefined
      stills.push(still)
    }
    this.#pipeline.begin()
    const visits = new Visits({ rearmMs: this.#rearmMs })
    const judged: JudgedFrame[] = []
    for (const { index, at, width, height, pixels, truth } of playScript(script, stills)) {
      const frame = new TimedPicture(pictureFromRgb(pixels, width, height), at, index)
      this.#witness.answers = []
      const began = performance.now()
      const { tracks } = await this.#pipeline.frame(frame)
      const judgedMs = performance.now() - began
      frame.release()
      // The supervisor's own rule: it opens for what `Visits` grants.
      const { grants } = visits.see(
        tracks.map(({ id, verdict, verified }) => ({ track: id, verdict, verified })),
        at,
      )
      judged.push({
        at,
        judgedMs,
        truth,
        // A tentative track is not told from a ghost yet, a lost one claims to see nothing.
        tracks: tracks.filter(({ state }) => state === 'confirmed'),
        answers: this.#witness.answers,
        grants: grants.map(({ person, track }) => ({ person, track })),
      })
    }
    return judged
  }

  async #still(person: string, file: string): Promise<Still | undefined> {
    const { rgb, width, height } = await decodePicture(file)
    let face = this.#faces.get(file)
    if (face === undefined) {
      const frame = pictureFromRgb(rgb, width, height)
      const [subject] = subjectFirst((await this.#recognizer.detect(frame)).faces, frame)
      frame.release()
      face = subject?.box ?? null
      this.#faces.set(file, face)
    }
    return face === null ? undefined : { person, rgb, width, height, face }
  }
}

/** facelatch itself: the pipeline and the recognizer that guard a door, on frames that are decoded already. */
import { pictureFromRgb } from '../../../firmware/adapters/recognizer-native.js'
import { Pipeline } from '../../../firmware/app/pipeline.js'
import { OfTimedPictures, TimedPicture } from '../../../firmware/app/timed-picture.js'
import { facesOf, openRecognizer } from '../../../firmware/commands/recognition.js'
import { type Config, loadConfig } from '../../../firmware/config.js'
import { chooseTemplates, type Sample } from '../../../firmware/domain/enrolment.js'
import { Visits } from '../../../firmware/domain/visits.js'
import type { Recognizer } from '../../../firmware/ports.js'
import type { Contestant } from '../contestant.js'
import type { RawFrame } from '../frames.js'

const person = 'Alex'

/** The shipped configuration on one thread of the CPU. */
export function benchConfig(): Config {
  const config = loadConfig([], {})
  return { ...config, recognizer: { ...config.recognizer, engine: 'onnxruntime', threads: 1 } }
}

/** As face doors are commonly written: a full sweep, and an embedding of every face, in every frame. */
function everything(config: Config): Config {
  const always = 1 // ms: sooner than any next frame
  return {
    ...config,
    tracker: { ...config.tracker, sweepIntervalMs: 0, idleSweepIntervalMs: 0 },
    votes: {
      ...config.votes,
      minQuality: 0,
      tentativeQuality: 0,
      maxPerFrame: config.recognizer.maxFaces,
      retryMs: always,
      reverifyMs: always,
      contestedReverifyMs: always,
      unknownReverifyMs: always,
    },
  }
}

export async function openFacelatch(schedule: 'scheduled' | 'everything'): Promise<Contestant> {
  const config = schedule === 'everything' ? everything(benchConfig()) : benchConfig()
  return new Facelatch(await openRecognizer(config), config)
}

class Facelatch implements Contestant {
  readonly engine: string
  readonly #recognizer: Recognizer
  readonly #config: Config
  readonly #pipeline: Pipeline
  #visits: Visits

  constructor(recognizer: Recognizer, config: Config) {
    this.engine = recognizer.engine
    this.#recognizer = recognizer
    this.#config = config
    this.#pipeline = new Pipeline(new OfTimedPictures(recognizer), config)
    this.#visits = this.#newVisits()
  }

  async enrol(frames: readonly RawFrame[]): Promise<number> {
    const samples: Sample[] = []
    for (const { rgb, width, height, at } of frames) {
      const picture = pictureFromRgb(rgb, width, height)
      const [face, ...others] = await facesOf(this.#recognizer, picture)
      picture.release()
      if (face === undefined || others.length > 0 || face.quality < this.#config.enrolment.minQuality) continue
      samples.push({ embedding: face.embedding, quality: face.quality, source: `${at} ms` })
    }
    const { samples: count } = this.#config.enrolment
    const { templates } = chooseTemplates(samples, { count, threshold: this.#recognizer.threshold })
    this.#recognizer.setGallery(templates.map(({ embedding }) => ({ person, embedding })))
    return templates.length
  }

  begin(): void {
    this.#pipeline.begin()
    this.#visits = this.#newVisits()
  }

  async frame({ rgb, width, height, at }: RawFrame): Promise<boolean> {
    const picture = new TimedPicture(pictureFromRgb(rgb, width, height), at)
    const { tracks } = await this.#pipeline.frame(picture)
    picture.release()
    // The supervisor's own rule: it opens for what `Visits` grants.
    const seen = tracks.map(({ id, verdict, verified }) => ({ track: id, verdict, verified }))
    return this.#visits.see(seen, at).grants.length > 0
  }

  #newVisits(): Visits {
    return new Visits({ rearmMs: this.#config.access.rearmSeconds * 1000 })
  }
}

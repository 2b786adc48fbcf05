/** Enrolling somebody from pictures or a camera: collect, refuse what is doubtful, choose, save in one transaction. */
import { openCamera } from '../adapters/recognizer-native.js'
import { UserError } from '../app/errors.js'
import type { Config } from '../config.js'
import { chooseTemplates, likeness, lookAlike, type Refusal, type Sample } from '../domain/enrolment.js'
import { sameName } from '../domain/names.js'
import { chooseModels } from '../models.js'
import type { Person, Recognizer, Store } from '../ports.js'
import { facesOf, facesOfFile, openRecognizer, type SeenFace } from './recognition.js'

export interface EnrolOptions {
  /** Add to somebody who is enrolled already. */
  readonly more: boolean
  readonly allowLookAlike: boolean
  /** The new pictures may look unlike the person's templates. */
  readonly allowUnlike: boolean
}

export interface Enrolled {
  readonly person: Person
  readonly added: number
  readonly refused: readonly Refusal[]
  /** Who was enrolled before with another embedder alone: nobody can say whether the new person is one of them. */
  readonly unseen: readonly string[]
  /** Somebody enrolled with another embedder alone was given templates: nobody can say whether they are his. */
  readonly unchecked: boolean
}

/** Yields what each picture holds; ends when there is enough. */
export type SampleSource = (recognizer: Recognizer, config: Config) => AsyncGenerator<Sample | Refusal>

const isSample = (found: Sample | Refusal): found is Sample => 'embedding' in found

/** @throws UserError when nothing can be used, the name is taken, or the face is somebody else's. */
export async function enrol(
  config: Config,
  store: Store,
  name: string,
  source: SampleSource,
  options: EnrolOptions,
): Promise<Enrolled> {
  const before = await store.people()
  const known = before.find((person) => sameName(person.name, name))
  if (known && !options.more) throw await enrolledAlready(config, known)
  if (!known && options.more)
    throw new UserError(`nobody called "${name}" is enrolled; leave out --more to enrol a new person`)
  const recognizer = await openRecognizer(config)
  try {
    const found: (Sample | Refusal)[] = []
    for await (const one of source(recognizer, config)) found.push(one)
    const samples = found.filter(isSample)
    const refused = found.filter((one): one is Refusal => !isSample(one))
    const choice = chooseTemplates(samples, { count: config.enrolment.samples, threshold: recognizer.threshold })
    refused.push(...choice.refused)
    if (choice.templates.length === 0) throw new UserError(`"${name}" was not enrolled: ${summary(refused)}`)
    if (choice.templates.length === 1 && samples.length > 1)
      throw new UserError(
        `"${name}" was not enrolled: of ${samples.length} pictures no two look like the same person; check the pictures`,
      )

    const gallery = await store.gallery(recognizer.embedder)
    const other = options.allowLookAlike
      ? undefined
      : lookAlike(choice.templates, gallery, known?.name ?? name, recognizer.threshold)
    if (other)
      throw new UserError(
        `"${name}" was not enrolled: looks like ${other.person}, who is enrolled already (similarity ${other.similarity.toFixed(3)}); check the pictures; where both are one person, facelatch people remove one of the names; for a twin give --allow-look-alike`,
      )
    const own = known && likeness(choice.templates, gallery, known.name)
    if (own !== undefined && own < recognizer.threshold && !options.allowUnlike)
      throw new UserError(
        `nothing was added to "${name}": the pictures do not look like ${known!.name}'s own templates (similarity ${own.toFixed(3)}, ${recognizer.threshold} would be); check the pictures, and who is enrolled under that name; if it is the same person for certain, give --allow-unlike`,
      )
    const templates = choice.templates.map(({ embedding, quality, source }) => ({
      embedder: recognizer.embedder,
      embedding,
      quality,
      source,
    }))
    const person = await store.enrol(name, templates, [
      {
        type: 'enrolled',
        person: known?.name ?? name,
        detail: { templates: templates.length, embedder: recognizer.embedder },
      },
    ])
    const unseen = known ? [] : before.filter((one) => !one.templates[recognizer.embedder]).map((one) => one.name)
    return { person, added: templates.length, refused, unseen, unchecked: known !== undefined && own === undefined }
  } finally {
    await recognizer.close()
  }
}

async function enrolledAlready(config: Config, { name, templates }: Person): Promise<UserError> {
  const { space } = await chooseModels(config)
  return new UserError(
    templates[space]
      ? `"${name}" is enrolled already; give --more to add templates, or another name`
      : `"${name}" is enrolled already, but not with ${space}, the embedder in use; give --more to enrol the same person with it`,
  )
}

/** One line for people, however many pictures were refused. */
function summary(refused: readonly Refusal[]): string {
  if (refused.length === 0) return 'no picture was seen; check the camera'
  const reasons = new Map<string, string[]>()
  for (const { source, reason } of refused) reasons.set(reason, [...(reasons.get(reason) ?? []), source])
  return [...reasons]
    .map(([reason, sources]) => `${sources.length > 3 ? `${sources.length} pictures` : sources.join(', ')}: ${reason}`)
    .join('; ')
}

export const samplesFromFiles = (files: readonly string[]): SampleSource =>
  async function* (recognizer, config) {
    for (const file of files) {
      try {
        yield judge((await facesOfFile(recognizer, file)).faces, file, config)
      } catch (error) {
        yield { source: file, reason: (error as Error).message }
      }
    }
  }

/** Watches for `seconds` of the camera's own time. */
export const samplesFromCamera = (source: string, seconds: number): SampleSource =>
  async function* (recognizer, config) {
    const { width, height, fps, stallSeconds } = config.camera
    const camera = await openCamera({
      ...{ source, width, height, fps, stallSeconds, realtime: false, loop: false },
      // As the door will see them.
      pixels: recognizer.pixels,
    }).catch((error: Error) => {
      throw new UserError(error.message)
    })
    try {
      let begun: number | undefined
      for (;;) {
        const outcome = await camera.next()
        if (outcome.type === 'error') throw new UserError(outcome.message)
        if (outcome.type === 'stall')
          throw new UserError(`camera ${source} gave no frame for ${outcome.seconds} s; check camera.source`)
        if (outcome.type === 'end') return
        const { frame } = outcome
        begun ??= frame.at
        try {
          if (frame.at - begun >= seconds * 1000) return
          yield judge(
            await facesOf(recognizer, frame),
            `second ${((frame.at - begun) / 1000).toFixed(2)} of the camera`,
            config,
          )
        } finally {
          frame.release()
        }
      }
    } finally {
      await camera.close()
    }
  }

function judge(faces: readonly SeenFace[], source: string, config: Config): Sample | Refusal {
  if (faces.length === 0) return { source, reason: 'no face was found' }
  if (faces.length > 1) return { source, reason: `${faces.length} faces, there must be one` }
  const { quality, embedding } = faces[0]!
  return quality < config.enrolment.minQuality
    ? { source, reason: 'too small, too blurred or not facing the camera' }
    : { source, quality, embedding }
}

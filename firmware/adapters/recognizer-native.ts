/** The Camera and Recognizer ports over the native addon, and the only file that loads it. */
import { createRequire } from 'node:module'
import type { CameraFault, FaultKind } from '../domain/camera-faults.js'
import { type ClassifierName, imprint, templatesByPerson } from '../domain/classifiers.js'
import type { Box, Landmarks } from '../domain/types.js'
import type { Camera, PersonTemplates, Picture, Recognizer, Template } from '../ports.js'
import { inRoot, nativeRemedy } from '../root.js'

type Native = typeof import('../../native/index.js')
type NativeFrame = import('../../native/index.js').Frame
type NativeRecognizer = import('../../native/index.js').Recognizer
export type NativeRecognizerOptions = import('../../native/index.js').RecognizerOptions
export type NativeCameraOptions = import('../../native/index.js').CameraOptions

/** The addon cannot be loaded: one line with the remedy. */
export class NativeLoadError extends Error {}

let loaded: Native | undefined

/** Loaded at first use, so that what needs no picture starts without GStreamer and ONNX Runtime. */
export function native(): Native {
  if (loaded) return loaded
  const file = inRoot('build/native/facelatch.node')
  try {
    loaded = createRequire(import.meta.url)(file) as Native
    return loaded
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0]
    throw new NativeLoadError(`cannot load the recognizer ${file}: ${reason}; ${nativeRemedy()}`)
  }
}

const kinds: Readonly<Record<string, FaultKind>> = {
  CAMERA_SOURCE: 'refused',
  CAMERA_ABSENT: 'absent',
  CAMERA_SILENT: 'silent',
}

/** What an error of `openCamera` says about the camera. */
export const cameraFault = (error: Error & { code?: string }): CameraFault => ({
  kind: kinds[error.code ?? ''] ?? 'error',
  reason: error.message,
})

/** Pipelines that drivers have not let go although their cameras were closed. */
export const stuckPipelines = (): number => native().alive().stuckPipelines

/** @throws Error with `code` CAMERA_…, its message one line for people: `cameraFault`. */
export const openCamera = (options: NativeCameraOptions): Promise<Camera> => native().Camera.open(options)

export const pictureFromRgb = (rgb: Uint8Array, width: number, height: number): Picture =>
  native().Frame.fromRgb(rgb, width, height)

/** What a recognizer is made of, chosen from the manifest by whoever composes. */
export interface RecognizerSetup {
  readonly options: NativeRecognizerOptions
  /** Its name in the manifest. */
  readonly embedder: string
  /** What its templates are kept under: the name, and for a net that users convert its sum, too. */
  readonly space: string
  readonly threshold: number
  /** Probability that the machines of the classifier `svm` must give. */
  readonly gate?: number
  /** `imprinting`: a person is the mean of his templates. The machines of `svm` are not the native side's. */
  readonly classifier: ClassifierName
  /** Fused score from which a face counts as living; absent without liveness nets. */
  readonly liveFrom?: number
}

/** @throws Error with `code` MODEL_LOAD. */
export async function loadRecognizer(setup: RecognizerSetup): Promise<Recognizer> {
  return new Bound(await native().Recognizer.load(setup.options), setup)
}

/** The best person and the runner-up: enough for a margin. */
const candidatesWanted = 2

class Bound implements Recognizer {
  readonly embedder: string
  readonly threshold: number
  readonly dimensions: number
  readonly liveFrom: number | undefined
  readonly #native: NativeRecognizer
  readonly #classifier: RecognizerSetup['classifier']
  /** Names by the gallery's labels. */
  #people = new Map<number, string>()
  readonly #labels = new Map<string, number>()
  #nextLabel = 0
  /** Counts changes of the gallery. */
  #gallery = 0

  constructor(recognizer: NativeRecognizer, setup: RecognizerSetup) {
    this.#native = recognizer
    this.#classifier = setup.classifier
    this.embedder = setup.space
    this.threshold = setup.threshold
    this.dimensions = setup.options.embedder.dimensions
    this.liveFrom = setup.liveFrom
  }

  get engine(): string {
    return this.#native.engine
  }

  get fallback(): string | null {
    return this.#native.fallback
  }

  get notes(): readonly string[] {
    return this.#native.notes
  }

  get pixels() {
    return this.#native.pixels
  }

  detect(frame: Picture, regions?: readonly Box[]) {
    return this.#native.detect(frame as NativeFrame, regions)
  }

  async identify(frame: Picture, landmarks: readonly Landmarks[], boxes?: readonly Box[]) {
    const gallery = this.#gallery
    const { faces, timings } = await this.#native.identify(frame as NativeFrame, landmarks, candidatesWanted, boxes)
    return {
      timings,
      // Of a gallery that was changed meanwhile: such an answer names nobody, above all nobody who was removed.
      faces: faces.map(({ embedding, clarity, matches, liveness }) => ({
        embedding,
        clarity,
        ...(liveness !== undefined && { liveness }),
        candidates:
          gallery === this.#gallery
            ? matches.map(({ label, similarity }) => ({ person: this.#people.get(label)!, similarity }))
            : [],
      })),
    }
  }

  setGallery(enrolled: readonly Template[]): void {
    const people = [...templatesByPerson(enrolled)]
    const rows = people.map(([, own]) => this.#compared(own))
    this.#native.setGallery(
      this.#matrix(rows.flat()),
      Int32Array.from(rows.flatMap((own, label) => own.map(() => label))),
    )
    this.#people = new Map(people.map(([person], label) => [label, person]))
    this.#labels.clear()
    for (const [label, person] of this.#people) this.#labels.set(person, label)
    this.#nextLabel = people.length
    this.#gallery++
  }

  changeGallery(people: readonly PersonTemplates[]): string[] {
    this.#gallery++
    return people.flatMap((person) => {
      try {
        this.#change(person)
        return []
      } catch (error) {
        this.#change({ id: person.id, embeddings: [] })
        return [`the templates of ${person.person} cannot be compared: ${(error as Error).message}`]
      }
    })
  }

  #change({ id, person, embeddings }: PersonTemplates): void {
    const label = this.#labels.get(id) ?? this.#nextLabel++
    if (person === undefined) {
      this.#native.setTemplates(label, new Float32Array())
      this.#people.delete(label)
      this.#labels.delete(id)
      return
    }
    this.#native.setTemplates(label, this.#matrix(this.#compared(embeddings)))
    this.#people.set(label, person)
    this.#labels.set(id, label)
  }

  /** What stands for a person. Whose templates cancel each other out keeps them as they are. */
  #compared(templates: readonly Float32Array[]): readonly Float32Array[] {
    const mean = this.#classifier === 'imprinting' ? imprint(templates) : undefined
    return mean === undefined ? templates : [mean]
  }

  #matrix(rows: readonly Float32Array[]): Float32Array {
    const matrix = new Float32Array(rows.length * this.dimensions)
    for (const [row, embedding] of rows.entries()) matrix.set(embedding, row * this.dimensions)
    return matrix
  }

  close(): Promise<void> {
    return this.#native.close()
  }
}

/** Whether a net tells pictures apart at all, tried on pictures that are drawn: what faces are worth to it, `evaluate` says. */
import type { ModelEntry } from '../adapters/models-manifest.js'
import { loadRecognizer, pictureFromRgb } from '../adapters/recognizer-native.js'
import { UserError } from '../app/errors.js'
import type { Config } from '../config.js'
import { cosine } from '../domain/enrolment.js'
import { seeded } from '../evaluation/random.js'
import { chooseModels } from '../models.js'
import { asIfMeasured } from '../models-embedder.js'
import type { Recognizer } from '../ports.js'

const pictures = 4
/** Lighter by this much, a picture is still more like itself than like another one. */
const lighter = 4

/**
 * @param models with the one to be tried, its files in the folder of models.
 * @throws UserError when it does not run, or answers every picture alike or at random.
 */
export async function tryEmbedder(config: Config, models: readonly ModelEntry[], entry: ModelEntry): Promise<void> {
  const recognizer = { ...config.recognizer, ...lone, embedder: entry.name }
  const alone = { ...config, recognizer }
  const setup = await chooseModels(alone, asIfMeasured(alone, { models: [...models] }, entry.name))
  const loaded = await loadRecognizer(setup).catch(refuse)
  try {
    const seen: Float32Array[][] = []
    for (let seed = 1; seed <= pictures; seed++)
      seen.push([await embed(loaded, entry, seed, 0), await embed(loaded, entry, seed, lighter)])
    const told = seen.every(([plain, light], i) =>
      seen.every(([other], k) => k === i || cosine(plain!, light!) > cosine(plain!, other!)),
    )
    if (!told) refuse(new Error('it answers alike whatever picture it is shown, or otherwise each time'))
  } finally {
    await loaded.close()
  }
}

/** Nobody is recognised here, and no plan is to be built for it. */
const lone = { threshold: null, classifier: 'nearest', liveness: 'off', engine: 'onnxruntime' } as const

function refuse(error: Error): never {
  throw new UserError(`this net tells no faces apart: ${error.message}; give one that was trained for faces`)
}

/** Waves of all three colours that follow from the seed, the five points where the net wants them. */
async function embed(recognizer: Recognizer, entry: ModelEntry, seed: number, light: number): Promise<Float32Array> {
  const side = entry.files.embedder!.input.width!
  const random = seeded(seed)
  const waves = Array.from({ length: 9 }, () => [random(), random(), random()].map((share) => 6 * share - 3))
  const rgb = new Uint8Array(3 * side * side)
  for (let at = 0; at < rgb.length; at++) {
    const [x, y] = [Math.floor(at / 3) % side, Math.floor(at / 3 / side)]
    const sum = [0, 3, 6].reduce((total, first) => {
      const [across, down, phase] = waves[first + (at % 3)]!
      return total + Math.sin((2 * Math.PI * (across! * x + down! * y)) / side + phase!)
    }, 0)
    rgb[at] = 126 + 40 * sum + light
  }
  const frame = pictureFromRgb(rgb, side, side)
  try {
    const { faces } = await recognizer.identify(frame, [entry.template!]).catch(refuse)
    return faces[0]!.embedding
  } finally {
    frame.release()
  }
}

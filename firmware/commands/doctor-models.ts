/**
 * What doctor says of the nets: which run, which are damaged, and what lets strangers and pictures in. A fault of the check `models`
 * keeps a new release from being put in (packaging/switch): only what runs in neither is one.
 */
import type { Problem } from '../adapters/models-manifest.js'
import type { Config } from '../config.js'
import { chooseModels, damagedModels, detectorName, livenessFault, readManifest, thresholdWarnings } from '../models.js'
import { betterThan } from '../models-embedder.js'
import { type Finding, fault, faultOf, note, ok } from './findings.js'

export async function modelFindings(config: Config): Promise<Finding[]> {
  const damaged = await damagedModels(config)
  try {
    const { embedder, threshold, passedOver } = await chooseModels(config)
    const manifest = readManifest(config)
    const better = passedOver.length > 0 ? undefined : betterThan(config, manifest, embedder)
    return [
      ok('models', `detector ${detectorName(config)}, embedder ${embedder}, threshold ${threshold}`),
      ...damaged.map((problem) => damage(problem, passedOver, embedder)),
      ...(better === undefined ? [] : [moving(better, embedder)]),
      ...thresholdWarnings(config).map((what) => faultOf('threshold', new Error(what), 'raise it')),
    ]
  } catch (error) {
    return String((error as Error).message)
      .split('\n')
      .map((message) =>
        faultOf('models', new Error(message.replace(/: (?=run |download )/, '; ')), 'run "facelatch models build"'),
      )
  }
}

function damage({ model, what, where, remedy }: Problem, passedOver: readonly Problem[], used: string): Finding {
  if (!passedOver.some((other) => other.model === model)) return note('models', `${what} (${where})`, remedy)
  return fault(
    'embedder',
    `${what} (${where}), so that ${used} is used, and whoever has no templates of it not known`,
    remedy,
  )
}

const moving = (better: string, used: string): Finding =>
  note(
    'models',
    `recognizer.embedder is "auto", and takes ${better} once that is installed: everybody then has to be enrolled again`,
    `set recognizer.embedder to "${used}" to keep it`,
  )

export async function livenessFindings(config: Config): Promise<Finding[]> {
  const mode = config.recognizer.liveness
  const missing = await livenessFault(config).catch((error: Error) => error.message)
  if (mode === 'require') return missing === undefined ? [ok('liveness', 'only living faces open the door')] : []
  const what = `recognizer.liveness is "${mode}": a photo of a resident opens the door`
  return [
    missing === undefined
      ? note('liveness', what, 'set recognizer.liveness to "require"')
      : note('liveness', `${what}; ${missing}`, 'install the models, then set recognizer.liveness to "require"'),
  ]
}

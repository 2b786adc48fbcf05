/** `--write-threshold`: what was measured becomes what doors decide by, when it carries that. */
import { keepThreshold, localFile } from '../adapters/models-local.js'
import { findModel, type Threshold, thresholdOf } from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import type { ClassifierName } from '../domain/classifiers.js'
import { type Counts, laxerFromLess, standardAfter } from '../evaluation/support.js'
import { detectorName, modelsFolder, readManifest } from '../models.js'

export interface Measured extends Threshold {
  readonly measured: Counts
}

/** Each detector frames faces its own way: what is strict behind one may be lax behind another. */
export function expectDetectorInUse(detector: 'mtcnn' | 'yunet', config: Config): void {
  const used = detectorName(config)
  if (detectorName({ ...config, recognizer: { ...config.recognizer, detector } }) !== used)
    throw wrongUsage(
      `--write-threshold measures with the detector that the door uses, ${used}; leave out --detector ${detector}, or set recognizer.detector`,
    )
}

const howToForce = 'give more of it, or --force to write it all the same'

/**
 * Before anything is looked at: an evaluation takes its time.
 * @throws UserError unless it is forced.
 */
export function expectEnough(data: string, doubt: string | undefined, force: boolean): void {
  if (doubt !== undefined && !force)
    throw new UserError(`no threshold is written from ${data}: ${doubt}; ${howToForce}`)
}

/** @throws UserError, and writes nothing, where `doubt` or the threshold in use speaks against it; unless it is forced. */
export function write(
  config: Config,
  model: string,
  threshold: Measured,
  classifier: ClassifierName,
  { data, doubt, force }: { readonly data: string; readonly doubt: string | undefined; readonly force: boolean },
): void {
  const [manifest, folder] = [readManifest(config), modelsFolder(config)]
  const old = thresholdOf(findModel(manifest, model), classifier)
  const standard = old?.standard ?? (old?.measured && { similarity: old.similarity, measured: old.measured })
  const against = doubt ?? laxerFromLess(threshold, standard)
  expectEnough(data, against, force)
  const kept = standardAfter(threshold, standard)
  const written = { ...threshold, ...(against !== undefined && { forced: against }), ...(kept && { standard: kept }) }
  try {
    keepThreshold(manifest, folder, model, written, classifier)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new UserError(`${localFile(folder)} cannot be written (${code}); run this as the user it belongs to`)
  }
  console.error(
    `${model}: threshold ${threshold.similarity} written to ${localFile(folder)}; the door takes it at its next start`,
  )
}

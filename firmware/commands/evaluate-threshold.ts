/** `--write-threshold`: what was measured becomes what doors decide by, when it carries that. */
import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { findModel, type Threshold, thresholdOf, writeThreshold } from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import type { ClassifierName } from '../domain/classifiers.js'
import { type Counts, laxerFromLess, standardAfter } from '../evaluation/support.js'
import { detectorName, manifestPath, readManifest } from '../models.js'

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

/**
 * Before anything is looked at: an evaluation takes its time.
 * @throws UserError where the manifest could not be replaced afterwards.
 */
export function expectManifestWritable(): void {
  try {
    accessSync(dirname(manifestPath()), constants.W_OK)
  } catch (error) {
    throw unwritable(error)
  }
}

const unwritable = (error: unknown) =>
  new UserError(
    `${manifestPath()} cannot be written (${(error as NodeJS.ErrnoException).code}); run this as the user it belongs to`,
  )

const howToForce = 'give more of it, or --force to write it all the same'

/**
 * Before anything is looked at, too: an evaluation takes its time.
 * @throws UserError unless it is forced.
 */
export function expectEnough(data: string, doubt: string | undefined, force: boolean): void {
  if (doubt !== undefined && !force)
    throw new UserError(`no threshold is written from ${data}: ${doubt}; ${howToForce}`)
}

/** @throws UserError, and writes nothing, where `doubt` or the threshold in use speaks against it; unless it is forced. */
export function write(
  model: string,
  threshold: Measured,
  classifier: ClassifierName,
  { data, doubt, force }: { readonly data: string; readonly doubt: string | undefined; readonly force: boolean },
): void {
  const old = thresholdOf(findModel(readManifest(), model), classifier)
  const standard = old?.standard ?? (old?.measured && { similarity: old.similarity, measured: old.measured })
  const against = doubt ?? laxerFromLess(threshold, standard)
  expectEnough(data, against, force)
  const kept = standardAfter(threshold, standard)
  const written = { ...threshold, ...(against !== undefined && { forced: against }), ...(kept && { standard: kept }) }
  try {
    writeThreshold(manifestPath(), model, written, classifier)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === undefined ? error : unwritable(error)
  }
  console.error(
    `${model}: threshold ${threshold.similarity} written to ${manifestPath()}; the door takes it at its next start`,
  )
}

/** `--write-threshold`: what was measured becomes what doors decide by, when it carries that. */
import { findModel, type Threshold, thresholdOf, writeThreshold } from '../adapters/models-manifest.js'
import { UserError } from '../app/errors.js'
import type { ClassifierName } from '../domain/classifiers.js'
import { type Counts, laxerFromLess } from '../evaluation/support.js'
import { manifestPath, readManifest } from '../models.js'

export interface Measured extends Threshold {
  readonly measured: Counts
}

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
  const against = doubt ?? laxerFromLess(threshold, thresholdOf(findModel(readManifest(), model), classifier))
  expectEnough(data, against, force)
  const basis = against === undefined ? threshold.basis : `${threshold.basis} Forced, although ${against}.`
  writeThreshold(manifestPath(), model, { ...threshold, basis }, classifier)
  console.error(`${model}: threshold ${threshold.similarity} written to ${manifestPath()}`)
}

/** Whom the embedder in use does not know. */

import type { Config } from '../config.js'
import { enrolAgain } from '../domain/enrolment.js'
import { type ChosenModels, readManifest } from '../models.js'
import type { StoreCare } from '../ports.js'

/**
 * @param models in use; undefined where that is not known.
 * @returns who has no templates of them, and what helps. Undefined where everybody has, and where that cannot be told for another
 * fault, which is told elsewhere: models that are not known, templates that cannot be read, a better net that is damaged, since people
 * are known again once it is mended.
 */
export async function notRecognised(
  config: Config,
  models: ChosenModels | undefined,
  store: StoreCare,
  people: Parameters<typeof enrolAgain>[0],
) {
  if (models === undefined || models.passedOver.length > 0 || (await store.keyProblem()) !== undefined) return undefined
  const embedders = readManifest(config).models.flatMap(({ role, name }) => (role === 'embedder' ? [name] : []))
  return enrolAgain(people, models.space, embedders)
}

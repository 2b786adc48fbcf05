import { wrongUsage } from '../app/errors.js'
import { mebibytes } from '../domain/units.js'
import { openConfigured } from '../store.js'
import { expectStore, readArguments, readConfig } from './arguments.js'

const usage = `usage: facelatch backup [--list] [--config FILE] [--json]
Copies the store while it is in use, reads the copy through, and keeps the newest ones (store.keepBackups).
--list says which there are. A backup is of no use without the store's key: keep a copy of that elsewhere.`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { list: { type: 'boolean' }, json: { type: 'boolean' } }, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const config = readConfig(values.config)
  expectStore(config)
  const store = await openConfigured(config)
  try {
    const backups = values.list ? await store.backups() : [await store.backup()]
    for (const backup of backups)
      console.log(
        values.json
          ? JSON.stringify(backup)
          : `${backup.path}  ${mebibytes(backup.bytes, 1)}  up to event ${backup.seq}`,
      )
    if (backups.length === 0 && !values.json) console.log('there is no backup')
    return 0
  } finally {
    await store.close()
  }
}

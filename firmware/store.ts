/** The store as configured. */
import { createLog } from './adapters/log-journal.js'
import { type OpenStore, openStore, type StoreOptions } from './adapters/store-sqlite.js'
import type { Config } from './config.js'
import type { Log } from './ports.js'

export const storeOptions = ({ store }: Config, log: Log): StoreOptions => ({
  path: store.path,
  log,
  keyFile: store.keyFile,
  createKey: store.createKey,
  backups: store.backups,
  keepBackups: store.keepBackups,
})

/** For commands. Rejects with StoreError; a damaged file is left as it is. */
export const openConfigured = (config: Config, level: 'warn' | 'silent' = 'warn'): Promise<OpenStore> =>
  openStore(storeOptions(config, createLog({ level, component: 'store' })))

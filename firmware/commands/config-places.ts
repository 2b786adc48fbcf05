/** What the configuration names and `run` needs: refused where `run` would refuse it, warned of where the door goes on without. */
import { accessSync, constants, existsSync, mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { portOf } from '../adapters/broker-mqtt-endpoint.js'
import { type Config, configKeys } from '../config.js'
import { withoutPasswords } from '../domain/addresses.js'
import { loadRules } from './rules.js'
import { serviceOf } from './service-unit.js'

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code

/** Why the store cannot be made where it is to be, for who runs facelatch himself: the service has other rights. */
export function placeProblems({ store }: Config, file: string | undefined): string[] {
  // The default is the installed service's; who only evaluates never touches it.
  if (serviceOf(file) !== undefined || store.path === defaultStore) return []
  const folder = dirname(resolve(store.path))
  try {
    tryFolder(folder)
    return []
  } catch (error) {
    const code = codeOf(error)
    // `run` waits for a file system that is read-only.
    if (code === 'EROFS') return []
    return [
      `store.path ${store.path}: its folder ${existsSync(folder) ? 'cannot be written' : 'cannot be made'} (${code}); correct store.path, or the folder's owner`,
    ]
  }
}

const defaultStore = configKeys().find(({ path }) => path === 'store.path')!.default

/** @throws where nothing can be made in that folder, or the folder itself cannot be. Leaves nothing behind. */
function tryFolder(folder: string): void {
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' })
    accessSync(folder, constants.W_OK | constants.X_OK)
    return
  }
  let above = dirname(folder)
  while (!existsSync(above)) above = dirname(above)
  // Made, and not only asked for: /proc grants root everything and makes nothing.
  rmdirSync(mkdtempSync(join(above, '.facelatch-')))
}

/** What may come later, one line each with its remedy. */
export const placeWarnings = (config: Config): string[] => [
  ...storeWarnings(config.store.path),
  ...rulesWarnings(config.access.rulesFile),
  ...cameraWarnings(config.camera.source),
  ...portWarnings(config),
]

/** The supervisor makes no folder in the place of a mount, and waits for it. */
function storeWarnings(path: string): string[] {
  const folder = dirname(resolve(path))
  if (path === defaultStore || existsSync(folder)) return []
  return [
    `store.path ${path}: its folder is missing, and nothing is kept until it is there; create ${folder}, or mount the disk that it is on`,
  ]
}

function rulesWarnings(file: string): string[] {
  if (file === '') return []
  const loaded = loadRules(file)
  return 'rules' in loaded
    ? []
    : [`access.rulesFile ${loaded.problems[0]}: no face opens the door until it can be used; correct it`]
}

function cameraWarnings(source: string): string[] {
  const file = source.startsWith('file:') ? source.slice('file:'.length) : undefined
  if (file === undefined || existsSync(file)) return []
  return [
    `camera.source ${withoutPasswords(source)}: the file is not there: nobody is recognised until it is; put it there or correct camera.source`,
  ]
}

/** Metrics are served on loopback, beside a broker of this machine. */
function portWarnings({ metrics, mqtt }: Config): string[] {
  if (metrics.port === 0 || mqtt.url === '') return []
  const url = new URL(mqtt.url)
  const here = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
  if (!here || portOf(url) !== metrics.port) return []
  return [
    `metrics.port ${metrics.port} is the port of the broker in mqtt.url: only one of the two gets it; change metrics.port`,
  ]
}

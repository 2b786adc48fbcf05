/**
 * Whether the installed service can read its configuration and what that names. Root reads everything, and so does what the
 * package's `facelatch` starts for root; the service has its user's rights only, and its unit hides the homes from it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { findKey } from '../adapters/store-key.js'
import type { Config } from '../config.js'
import { credentials as credentialNames } from '../credentials.js'
import { holdsPassword } from '../domain/addresses.js'
import { realPath } from '../real-path.js'
import { installedConfig } from './arguments.js'
import { type Finding, fault, note, ok } from './findings.js'
import { type Service, serviceOf } from './service-unit.js'

/** What of the door this process may not look into: of a user that is neither root nor the service's. */
export const closedToUs = ({ store, recognizer }: Config): string[] =>
  [store.path, recognizer.models].filter((path) => {
    try {
      statSync(path)
      return false
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EACCES'
    }
  })

/** Folders that the service has to write and its unit keeps it from, one line each with its remedy. */
export function readOnlyFolders({ store }: Config, { writable }: Service): string[] {
  if (writable === undefined) return []
  const places = writable.map(realPath)
  const within = (at: string) => places.some((place) => at === place || at.startsWith(`${place}/`))
  return Object.entries({ 'store.path': dirname(store.path), 'store.backups': store.backups })
    .filter(([, folder]) => folder !== '' && !within(realPath(resolve(stateFolder, folder))))
    .map(
      ([key, folder]) =>
        `its unit keeps the service from writing ${folder} (${key}); systemctl edit facelatch, and there: [Service] ReadWritePaths=-${folder}`,
    )
}

/** systemd knows LoadCredential= since 247; JetPack 5 has 245, which leaves it out without a word. */
function unheardCredentials(folder = '/etc/facelatch/credentials'): string[] {
  const names = Object.values(credentialNames).filter((name) => existsSync(join(folder, name)))
  if (names.length === 0) return []
  const said = spawnSync('systemctl', ['--version'], { encoding: 'utf8' }).stdout ?? ''
  const version = Number(/^systemd (\d+)/.exec(said)?.[1] ?? 247)
  if (version >= 247) return []
  return [
    `systemd ${version} hands no credentials to the service: ${names.join(', ')} of ${folder} count for nothing; name files in the configuration, mode 600, of its own user`,
  ]
}

/** Where the unit starts: WorkingDirectory=. */
const stateFolder = '/var/lib/facelatch'

/** What keeps the service from reading these files, one line each with its remedy; undefined when we cannot act for it. */
export function closedFiles(files: Readonly<Record<string, string>>, service: Service): string[] | undefined {
  const { user, hidden } = service
  const become = asUser(user)
  if (become === undefined || spawnSync(become[0]!, [...become.slice(1), 'true']).status !== 0) return undefined
  // What is not there is told of by who wanted to read it.
  return Object.entries(files).flatMap(([what, name]) => {
    if (!existsSync(name)) return []
    const file = realpathSync(name)
    const cannot = `the service's user ${user} cannot read ${what} ${name}`
    const home = hidden.find((folder) => file.startsWith(`${folder}/`))
    if (home !== undefined)
      return [`${cannot}: its unit hides ${home} (ProtectHome=); put the file into /etc/facelatch`]
    const look = 'for at; do if [ -d "$at" ]; then [ -x "$at" ]; else [ -r "$at" ]; fi || { echo "$at"; exit; }; done'
    const closed = spawnSync(become[0]!, [...become.slice(1), 'sh', '-c', look, '-', ...foldersOf(file), file], {
      encoding: 'utf8',
    }).stdout.trim()
    if (closed === '') return []
    return [
      closed === file
        ? `${cannot}; chown ${user} ${name}`
        : `${cannot}: it may not enter ${closed}; chmod a+x ${closed}, or put the file into /etc/facelatch`,
    ]
  })
}

/** From the root down. */
const foldersOf = (file: string): string[] => {
  const folder = dirname(file)
  return folder === '/' ? ['/'] : [...foldersOf(folder), folder]
}

/** A command before another, which then has the user's rights and no capabilities; undefined when we may not become him. */
function asUser(user: string): string[] | undefined {
  const id = (option: string) => spawnSync('id', [option, user], { encoding: 'utf8' })
  const [uid, gid] = [id('-u'), id('-g')]
  if (uid.status !== 0 || gid.status !== 0) return undefined
  const bare = ['--inh-caps=-all', '--ambient-caps=-all']
  const me = process.geteuid!()
  if (me === Number(uid.stdout)) return ['setpriv', ...bare]
  if (me !== 0) return undefined
  return ['setpriv', `--reuid=${uid.stdout.trim()}`, `--regid=${gid.stdout.trim()}`, '--init-groups', ...bare]
}

/** Every file that the configuration names and the service opens. systemd reads the credentials for it. */
export function namedFiles(
  { mqtt, store, access }: Config,
  credentials = process.env.CREDENTIALS_DIRECTORY,
): Record<string, string> {
  const named = {
    'mqtt.passwordFile': mqtt.passwordFile,
    'mqtt.codeFile': mqtt.codeFile,
    'mqtt.caFile': mqtt.caFile,
    'mqtt.certFile': mqtt.certFile,
    'mqtt.keyFile': mqtt.keyFile,
    'store.keyFile': store.keyFile,
    'access.rulesFile': access.rulesFile,
  }
  return Object.fromEntries(
    Object.entries(named).filter(([, file]) => file !== '' && !(credentials && file.startsWith(`${credentials}/`))),
  )
}

function asked(config: Config, file: string | undefined) {
  const service = serviceOf(file)
  return (
    service && {
      service,
      closed: closedFiles({ 'the configuration': installedConfig, ...namedFiles(config) }, service),
      denied: [...readOnlyFolders(config, service), ...unheardCredentials()],
    }
  )
}

export const closedToService = (config: Config, file: string | undefined): string[] => asked(config, file)?.closed ?? []

/** What the service does without, one line each with its remedy. */
export const deniedToService = (config: Config, file: string | undefined): string[] => asked(config, file)?.denied ?? []

/** Why a key that is not here is not lost: systemd hands it to the service and to nobody else. */
export function keyOfTheService(config: Config, file: string | undefined): string | undefined {
  if (findKey(config.store.path, config.store.keyFile).path !== `${config.store.path}.key`) return undefined
  if (existsSync(`${config.store.path}.key`) || serviceOf(file)?.ownKey !== true) return undefined
  return 'the key is a credential that only the service gets (facelatch-key in its unit)'
}

/** A password in an address that others can read with the configuration, as one line with its remedy. */
export function sharedAddresses({ camera, mqtt }: Config, file = installedConfig): string[] {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found?.isFile() || (found.mode & 0o004) === 0) return []
  const remedy = file === installedConfig ? `chgrp facelatch ${file} && chmod 640 ${file}` : `chmod 600 ${file}`
  return Object.entries({ 'camera.source': camera.source, 'mqtt.url': mqtt.url })
    .filter(([, text]) => holdsPassword(text))
    .map(([key]) => `${key} holds a password, and everybody may read ${file}; ${remedy}`)
}

export async function serviceFindings(config: Config, file: string | undefined): Promise<Finding[]> {
  const answer = asked(config, file)
  const said = (how: typeof fault, lines: readonly string[]) =>
    lines.map((line) => {
      const [what, remedy] = line.split('; ')
      return how('service', what!, remedy!)
    })
  const shared = said(note, sharedAddresses(config, file))
  if (answer === undefined) return shared
  const { closed, denied, service } = answer
  if (closed === undefined)
    return [
      note('service', `whether its user ${service.user} can read its files was not tried`, 'sudo facelatch doctor'),
      ...said(fault, denied),
      ...shared,
    ]
  if (closed.length > 0 || denied.length > 0) return [...said(fault, [...closed, ...denied]), ...shared]
  return [ok('service', `its user ${service.user} can read the configuration and what it names`), ...shared]
}

/** The installed service as its unit has it, and as systemd runs it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { installedConfig } from './arguments.js'
import { type Finding, fault, note, ok } from './findings.js'

/** As systemd.unit(5) orders them. */
const unitFolders = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system']

export interface Service {
  readonly user: string
  /** Folders that the unit hides. */
  readonly hidden: readonly string[]
  /** Folders that it may write; undefined where its unit makes nothing read-only. */
  readonly writable?: readonly string[]
  /** Its unit gives it the store's key, from where we do not look. */
  readonly ownKey?: boolean
  /** Configuration that its unit sets by variables, for the service alone. */
  readonly variables?: readonly string[]
}

/** The unit and its drop-ins; undefined where none is installed, or where it names no user. */
export function installedService(folders: readonly string[] = unitFolders): Service | undefined {
  const unit = folders.map((folder) => join(folder, 'facelatch.service')).find((path) => existsSync(path))
  if (unit === undefined) return undefined
  const more = join(folders[0]!, 'facelatch.service.d')
  const dropIns = existsSync(more) ? readdirSync(more).sort() : []
  const files = [unit, ...dropIns.filter((name) => name.endsWith('.conf')).map((name) => join(more, name))]
  const text = files.map((file) => readFileSync(file, 'utf8')).join('\n')
  const last = (key: string) => [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].at(-1)?.[1]?.trim()
  const user = last('User')
  if (!user) return undefined
  const hidden = last('ProtectHome') === 'yes' ? ['/home', '/root', '/run/user'] : []
  const variables = variablesOf(text)
  return {
    user,
    hidden,
    ...(variables.length > 0 && { variables }),
    ...(last('ProtectSystem') === 'strict' && { writable: writablePaths(text) }),
    ...(ownKey.test(text) && { ownKey: true }),
  }
}

/** But for those that the package's `facelatch` sets for its commands, too. */
const variablesOf = (text: string): string[] =>
  [...text.matchAll(/^Environment=(.*)$/gm)]
    .flatMap(([, line]) => [...line!.matchAll(/\b(FACELATCH_[A-Z_]+)=/g)].map(([, name]) => name!))
    .filter((name) => name !== 'FACELATCH_RECOGNIZER_PLANS' && name !== 'FACELATCH_LOG')

/** Of a drop-in: sealed, or from another place than the package's own. */
const ownKey =
  /^(SetCredentialEncrypted|LoadCredentialEncrypted|LoadCredential)=facelatch-key(?!:\/etc\/facelatch\/credentials\/)\b/m

/** An empty assignment forgets those before it; `-` and `+` say how a path is looked for: systemd.exec(5). */
function writablePaths(text: string): string[] {
  const paths = ['/run/facelatch']
  for (const [, line] of text.matchAll(/^ReadWritePaths=(.*)$/gm))
    if (line!.trim() === '') paths.length = 0
    else paths.push(...line!.trim().split(/\s+/))
  return paths.map((path) => path.replace(/^[-+]+/, ''))
}

/** `file`: of --config. Undefined where no service is installed, or this is not its configuration. */
export const serviceOf = (file: string | undefined): Service | undefined =>
  (file === undefined ? existsSync(installedConfig) : resolve(file) === installedConfig)
    ? installedService()
    : undefined

/** Whether it guards the door, now and after a boot; nothing where no systemd runs. */
export function runningFindings(file: string | undefined): Finding[] {
  const service = existsSync('/run/systemd/system') ? serviceOf(file) : undefined
  if (service === undefined) return []
  const unit = 'facelatch.service'
  const { stdout } = spawnSync('systemctl', ['show', '-p', 'ActiveState', '-p', 'UnitFileState', unit], {
    encoding: 'utf8',
  })
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(stdout ?? '')?.[1]
  const [active, enabled] = [value('ActiveState'), value('UnitFileState')]
  if (active === undefined) return []
  const boots = enabled === 'enabled' || basename(defaultTarget()) === 'facelatch.target'
  return [
    active === 'active'
      ? ok('service', `${unit} runs`)
      : fault(
          'service',
          `${unit} is ${active}: nobody guards the door`,
          `systemctl start ${unit}; journalctl -u ${unit}`,
        ),
    ...(service.variables ?? []).map((name) =>
      note(
        'service',
        `${unit} sets ${name}, which neither this command nor an upgrade knows`,
        `put it into ${installedConfig}`,
      ),
    ),
    ...(boots ? [] : [note('service', `${unit} is not started at boot`, `systemctl enable ${unit}`)]),
  ]
}

function defaultTarget(): string {
  try {
    return readlinkSync('/etc/systemd/system/default.target')
  } catch {
    return ''
  }
}

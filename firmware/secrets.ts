/** The files with secrets shared with the home: what they hold, what is wrong with them, and who else can read them. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { UserError } from './app/errors.js'
import type { Config } from './config.js'

export interface Code {
  /** In constant time. */
  readonly matches: (given: string) => boolean
  readonly isNumeric: boolean
}

/** The code of remote unlocking, where one is asked for. @throws UserError for a file that holds none. */
export function readCode({ mqtt }: Config): Code | undefined {
  if (mqtt.codeFile === '') return undefined
  const code = readKey('codeFile', mqtt.codeFile).toString('utf8').trim()
  if (code.length < 4 || code.length > 64)
    throw new UserError(
      `mqtt.codeFile ${mqtt.codeFile} holds no code of 4 to 64 characters; write one into its first line`,
      2,
    )
  const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest()
  const wanted = digest(code)
  return { matches: (given) => timingSafeEqual(digest(given), wanted), isNumeric: /^\d+$/.test(code) }
}

/** What the broker asks for. @throws UserError for a file that cannot be read. */
export function readCredentials({ mqtt }: Config) {
  const read = (key: 'passwordFile' | 'caFile' | 'certFile' | 'keyFile') =>
    mqtt[key] ? readKey(key, mqtt[key]) : undefined
  const password = read('passwordFile')
    ?.toString('utf8')
    .replace(/\r?\n$/, '')
  const ca = read('caFile')
  const cert = read('certFile')
  const key = read('keyFile')
  return { ...(password !== undefined && { password }), ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
}

function readKey(key: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UserError(
      `cannot read mqtt.${key} ${file}: ${(error as NodeJS.ErrnoException).code}; check the path and its permissions`,
    )
  }
}

/** Why the files cannot be used, one line each with its remedy. */
export function secretProblems(config: Config): string[] {
  if (config.mqtt.url === '') return []
  return [() => readCredentials(config), () => readCode(config)].flatMap((read) => {
    try {
      read()
      return []
    } catch (error) {
      return [(error as Error).message]
    }
  })
}

/** Secrets that others can read, one line each with its remedy. The door works on with them: it would be no safer without. */
export const sharedSecrets = ({ mqtt }: Config): string[] =>
  mqtt.url === ''
    ? []
    : (['passwordFile', 'keyFile', 'codeFile'] as const).flatMap((key) => {
        const problem = mqtt[key] === '' ? undefined : sharedFile(mqtt[key])
        return problem === undefined ? [] : [`mqtt.${key} ${mqtt[key]}: ${problem}`]
      })

/** Who else can read the file, with the remedy; undefined where nobody can. The rules are those of the store's key. */
export function sharedFile(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found?.isFile()) return undefined
  const { mode, uid } = found
  // systemd hands a credential over by an access list, whose mask shows as group bits.
  const credential = file.startsWith(`${process.env.CREDENTIALS_DIRECTORY ?? '/run/credentials'}/`)
  if ((mode & (credential ? 0o007 : 0o077)) !== 0)
    return `others may read it (mode ${(mode & 0o777).toString(8)}); chmod 600, and change the secret if others had access`
  const me = process.geteuid!()
  return credential || uid === me || uid === 0 ? undefined : `belongs to user ${uid}, not to this one (${me}); chown it`
}

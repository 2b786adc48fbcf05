/** Secrets that systemd hands to the service and to nobody else: systemd.exec(5), LoadCredential. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The unit's names for them; each stands in where the configuration names no file. */
export const credentials = {
  'store.keyFile': 'facelatch-key',
  'mqtt.passwordFile': 'facelatch-mqtt-password',
  'mqtt.codeFile': 'facelatch-unlock-code',
} as const

/**
 * The file of a credential, or undefined where there is none. The unit gives a blank one for each that the machine does
 * not have: without such a default systemd would not start the service at all.
 */
export function findCredential(
  key: keyof typeof credentials,
  folder = process.env.CREDENTIALS_DIRECTORY,
): string | undefined {
  if (!folder) return undefined
  const file = join(folder, credentials[key])
  try {
    return readFileSync(file, 'utf8').trim() === '' ? undefined : file
  } catch (error) {
    // One that is there and cannot be read must not turn into another key, or into no code at all.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : file
  }
}

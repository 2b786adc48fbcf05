/** The configuration that the door was last guarded with, for a start of the service whose own cannot be used. */
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { askStatus, statusSockets } from '../adapters/status-socket.js'
import type { Account } from '../app/account.js'
import { messageOf, UserError } from '../app/errors.js'
import type { RejectedConfig } from '../app/supervisor-types.js'
import { type Config, type ConfigError, loadConfig, readText } from '../config.js'
import { withoutPasswords } from '../domain/addresses.js'
import { writeDurablyAside } from '../durable-file.js'
import { driverFor, inspectLines } from '../lines.js'
import { checkEmbedder } from '../models.js'
import { readCode, readCredentials } from '../secrets.js'
import { configFile, installedConfig } from './arguments.js'

/** Where the unit has it: ExecStart= of systemd/facelatch.service. */
const installedLastGood = '/var/lib/facelatch/config.last-good.json'

export interface Chosen {
  readonly config: Config
  /** What stood in the file; undefined where there is none, or it is not in use. */
  readonly text?: string
  readonly rejected?: RejectedConfig
}

/**
 * The configuration itself, else the one kept in `kept`. A fault that the kept one shares is the machine's or a variable's,
 * and then nothing stands in: whoever meets the fault says so.
 * @throws ConfigError of the configuration itself.
 */
export function chooseConfig(file: string | undefined, kept: string): Chosen {
  const path = configFile(file)
  let own: Chosen | undefined
  let fault: unknown
  const before = readIfThere(kept)
  try {
    const text = path === undefined ? undefined : readText(path)
    own = load(path, text)
    // One that has guarded the door is not looked at again: nothing better is at hand, and the lock waits.
    if (text !== before) expectUsable(own.config)
    return own
  } catch (error) {
    fault = error
  }
  try {
    if (before === undefined) throw fault
    const last = load(kept, before)
    // Imagined lines open no door: an exit button that is wired by now would only seem to be guarded.
    if (own !== undefined && !isSimulated(own) && isSimulated(last)) throw fault
    expectUsable(last.config)
    const reason = withoutPasswords(messageOf(fault).replaceAll('\n', '; '))
    const since = statSync(kept).mtime.toISOString()
    return { config: last.config, rejected: { file: path ?? installedConfig, reason, since } }
  } catch {
    if (own !== undefined) return own
    throw fault
  }
}

const isSimulated = ({ config }: Chosen) => config.gpio.driver === 'simulated'
const load = (file: string | undefined, text: string | undefined): Chosen =>
  file === undefined || text === undefined ? { config: loadConfig([]) } : { config: loadConfig([{ file, text }]), text }

/** What the start refuses by the configuration alone. @throws UserError. */
function expectUsable(config: Config): void {
  checkEmbedder(config)
  readCode(config)
  if (config.mqtt.url !== '') readCredentials(config)
  let driver: ReturnType<typeof driverFor>
  try {
    driver = driverFor(config)
  } catch (error) {
    if (error instanceof UserError && error.exitCode === 2) throw error
    return // A kernel without GPIO, which the start tells of.
  }
  if (driver === 'simulated') return
  // A line that another program holds is no problem of its own.
  for (const { settings, problem } of inspectLines(config, driver))
    if (problem !== undefined) throw new UserError(`gpio.lines.${settings.line} "${settings.text}": ${problem}`)
}

/** Its time stays that of the first start with it. Rejects with what the system says. */
export async function keepLastGood(kept: string, text: string): Promise<void> {
  if (readIfThere(kept) !== text) await writeDurablyAside(kept, text)
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

export const rejectedLine = ({ file, reason, since }: RejectedConfig): string =>
  `the configuration ${file} cannot be used: ${reason}; the last good one, in use since ${since}, guards the door: correct the file until "facelatch config check" is content, then: systemctl restart facelatch`

/**
 * What the door says that runs with the kept configuration, for commands whose own configuration cannot be used.
 * `kept`: of --last-good, else that of the installed service, if the configuration is its.
 */
export async function askedBeside(file: string | undefined, kept: string | undefined): Promise<Account | undefined> {
  const installed = file === undefined || resolve(file) === installedConfig
  const path = kept ?? (installed ? installedLastGood : undefined)
  if (path === undefined) return undefined
  try {
    return await askAccount(loadConfig([path]))
  } catch {
    return undefined
  }
}

export const askAccount = async ({ store }: Config): Promise<Account | undefined> =>
  (await askStatus(statusSockets(store.path))) as Account | undefined

/** What a command tells of a door that runs although its configuration file cannot be used. */
export const unusableLines = (error: ConfigError, { rejected }: Account): string[] =>
  rejected === undefined
    ? error.problems.map((problem) => `the next start will not use the configuration: ${withoutPasswords(problem)}`)
    : []

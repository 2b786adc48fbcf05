/** What all subcommands do with their arguments. */
import { statSync } from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { type LogLevel, logLevels } from '../adapters/log-journal.js'
import { expectMounted } from '../adapters/store-errors.js'
import { UserError, wrongUsage } from '../app/errors.js'
import { type Config, loadConfig } from '../config.js'

/** What an installation reads when no `--config` is given. */
export const installedConfig = '/etc/facelatch/config.json'

type Options = NonNullable<ParseArgsConfig['options']>

const common = { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } satisfies Options

export class HelpAsked extends Error {}

/**
 * @throws UserError with exit code 2 for an unknown option or a missing value.
 * Prints `usage` and throws HelpAsked for --help.
 */
export function readArguments<O extends Options>(args: string[], options: O, usage: string) {
  let parsed: ReturnType<typeof parse<O>>
  try {
    parsed = parse(args, options)
  } catch (error) {
    throw wrongUsage(`${(error as Error).message.split('\n')[0]!.split('. ')[0]}; ${usage.split('\n')[0]}`)
  }
  if ((parsed.values as { help?: boolean }).help) throw new HelpAsked(usage)
  for (const name of folders)
    if ((parsed.values as Record<string, unknown>)[name] === '')
      throw wrongUsage(`--${name} "" names no folder; name one`)
  return parsed
}

/** An empty one, of a variable that is not set, would be the folder one stands in. */
const folders = ['data', 'cache', 'from']

const parse = <O extends Options>(args: string[], options: O) =>
  parseArgs({ args, options: { ...options, ...common }, allowPositionals: true, strict: true })

/** `--config FILE`, else the installed configuration, else none. */
export const configFile = (file: string | undefined): string | undefined =>
  file ?? (isThere(installedConfig) ? installedConfig : undefined)

/** That file, else the defaults; then variables. */
export function readConfig(file: string | undefined): Config {
  const path = configFile(file)
  return loadConfig(path === undefined ? [] : [path])
}

/** One in a folder that may not be entered is not missing: the defaults would guard another door. */
function isThere(file: string): boolean {
  try {
    statSync(file)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** @throws UserError where there is no store that could be asked. */
export function expectStore({ store: { path } }: Config): void {
  expectMounted(path)
  try {
    statSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new UserError(`there is no store at ${path}; check store.path`)
    throw new UserError(`store ${path}: ${code}; run this as root, or as the user it belongs to`)
  }
}

/** FACELATCH_LOG=debug|info|warn|error|silent. */
export function logLevel(fallback: LogLevel): LogLevel {
  const wanted = process.env.FACELATCH_LOG
  if (wanted === undefined || wanted === '') return fallback
  const level = logLevels.find((name) => name === wanted)
  if (!level) throw wrongUsage(`variable FACELATCH_LOG must be one of ${logLevels.join(', ')}, not "${wanted}"`)
  return level
}

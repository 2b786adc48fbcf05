import { createLog } from '../adapters/log-journal.js'
import { messageOf, wrongUsage } from '../app/errors.js'
import { runSupervisor } from '../main.js'
import { checkChoice } from '../models.js'
import { logLevel, readArguments, readConfig } from './arguments.js'
import { type Chosen, chooseConfig, keepLastGood, rejectedLine } from './last-good.js'

const usage = `usage: facelatch run [--config FILE] [--last-good FILE]
Guards the door until SIGTERM, SIGINT or SIGHUP. Logs to stderr; FACELATCH_LOG=debug|info|warn|error|silent.
--last-good  keeps there the configuration that guards the door, and guards it with that one when the configuration cannot be
             used: for the service, which nobody watches`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { 'last-good': { type: 'string' } }, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const level = logLevel('info')
  const log = createLog({ level, component: 'config' })
  const kept = values['last-good']
  const { config, text, rejected }: Chosen = kept
    ? chooseConfig(values.config, kept)
    : { config: readConfig(values.config) }
  if (rejected) log.error(rejectedLine(rejected))
  let recognizes = true
  try {
    await checkChoice(config)
  } catch (error) {
    // Watched by somebody, it is refused. A service still has an exit button: its recognizer is refused alone, again and again.
    if (kept === undefined) throw wrongUsage(messageOf(error))
    recognizes = false
    log.error(`nobody is recognized: ${messageOf(error)}`)
  }
  const supervisor = await runSupervisor(config, level, rejected)
  if (kept && text !== undefined && recognizes)
    await keepLastGood(kept, text).catch((error: unknown) =>
      log.warn(`the configuration in use cannot be kept as the last good one: ${messageOf(error)}`),
    )
  return (await supervisor.ended) > 0 ? 1 : 0
}

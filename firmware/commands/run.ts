import { messageOf, wrongUsage } from '../app/errors.js'
import { runSupervisor } from '../main.js'
import { checkChoice } from '../models.js'
import { logLevel, readArguments, readConfig } from './arguments.js'

const usage = `usage: facelatch run [--config FILE]
Guards the door until SIGTERM, SIGINT or SIGHUP. Logs to stderr; FACELATCH_LOG=debug|info|warn|error|silent.`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {}, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const config = readConfig(values.config)
  try {
    await checkChoice(config)
  } catch (error) {
    throw wrongUsage(messageOf(error))
  }
  const supervisor = await runSupervisor(config, logLevel('info'))
  return (await supervisor.ended) > 0 ? 1 : 0
}

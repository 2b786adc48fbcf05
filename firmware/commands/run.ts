import { runSupervisor } from '../main.js'
import { logLevel, readArguments, readConfig } from './arguments.js'

const usage = `usage: facelatch run [--config FILE]
Guards the door until SIGTERM or SIGINT. Logs to stderr; FACELATCH_LOG=debug|info|warn|error|silent.`

export async function main(args: string[]): Promise<number> {
  const { values } = readArguments(args, {}, usage)
  const supervisor = await runSupervisor(readConfig(values.config), logLevel('info'))
  await supervisor.ended
  return 0
}

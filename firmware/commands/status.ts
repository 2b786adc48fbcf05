import { isClaimed } from '../adapters/claim-socket.js'
import type { Account } from '../app/account.js'
import { UserError, wrongUsage } from '../app/errors.js'
import { type Config, ConfigError } from '../config.js'
import { readArguments, readConfig } from './arguments.js'
import { askAccount, askedBeside, unusableLines } from './last-good.js'
import { screen } from './status-screen.js'

const usage = `usage: facelatch status [--config FILE] [--last-good FILE] [--json]
How the door is doing, as the running facelatch tells it. Exit code 0: all is well; 1: there is a problem, or none runs.
--last-good  of "facelatch run": where a door is found whose configuration cannot be used`

export async function main(args: string[]): Promise<number> {
  const options = { json: { type: 'boolean' }, 'last-good': { type: 'string' } } as const
  const { values, positionals } = readArguments(args, options, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const [account, unusable] = await find(values.config, values['last-good'])
  const { text, problems } = screen(account, unusable)
  console.log(values.json ? JSON.stringify({ ...account, problems }) : text)
  return problems.length === 0 ? 0 : 1
}

/** The running door, and what is wrong with its file that it does not know of. */
async function find(file: string | undefined, kept: string | undefined): Promise<[Account, string[]]> {
  let config: Config
  try {
    config = readConfig(file)
  } catch (error) {
    const account = error instanceof ConfigError ? await askedBeside(file, kept) : undefined
    if (account === undefined) throw error
    return [account, unusableLines(error as ConfigError, account)]
  }
  const account = await askAccount(config)
  if (account !== undefined) return [account, []]
  const { path } = config.store
  throw new UserError(
    (await isClaimed(path))
      ? `a facelatch runs with the store ${path}, but does not answer beside it: it is starting, or could not make its socket; see its log (journalctl -u facelatch)`
      : `no facelatch runs with the store ${path}; start it (systemctl start facelatch), or see its log (journalctl -u facelatch)`,
  )
}

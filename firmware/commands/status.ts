import { isClaimed } from '../adapters/claim-socket.js'
import { askStatus, statusSockets } from '../adapters/status-socket.js'
import type { Account } from '../app/account.js'
import { UserError, wrongUsage } from '../app/errors.js'
import { readArguments, readConfig } from './arguments.js'
import { screen } from './status-screen.js'

const usage = `usage: facelatch status [--config FILE] [--json]
How the door is doing, as the running facelatch tells it. Exit code 0: all is well; 1: there is a problem, or none runs.`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { json: { type: 'boolean' } }, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const { store } = readConfig(values.config)
  const account = (await askStatus(statusSockets(store.path))) as Account | undefined
  if (account === undefined && (await isClaimed(store.path)))
    throw new UserError(
      `a facelatch runs with the store ${store.path}, but does not answer beside it: it is starting, or could not make its socket; see its log (journalctl -u facelatch)`,
    )
  if (account === undefined)
    throw new UserError(
      `no facelatch runs with the store ${store.path}; start it (systemctl start facelatch), or see its log (journalctl -u facelatch)`,
    )
  const { text, problems } = screen(account)
  console.log(values.json ? JSON.stringify({ ...account, problems }) : text)
  return problems.length === 0 ? 0 : 1
}

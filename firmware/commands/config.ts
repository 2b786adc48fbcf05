import { messageOf, UserError, wrongUsage } from '../app/errors.js'
import { type Config, configKeys, valueAt } from '../config.js'
import { withoutPasswords } from '../domain/addresses.js'
import { driverFor } from '../lines.js'
import { checkModels } from '../models.js'
import { secretProblems, sharedSecrets } from '../secrets.js'
import { readArguments, readConfig } from './arguments.js'
import { placeProblems, placeWarnings } from './config-places.js'
import { closedToService, closedToUs, deniedToService, sharedAddresses } from './service-reads.js'
import { serviceOf } from './service-unit.js'

const usage = `usage: facelatch config show|check [--config FILE] [--json]
show   prints every key with its value, its variable and its meaning
check  says whether the configuration can be used; with the models that are installed, where there is a folder of them`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { json: { type: 'boolean' } }, usage)
  const [action, ...more] = positionals
  if ((action !== 'show' && action !== 'check') || more.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const config = readConfig(values.config)
  if (action === 'check') {
    const problems = [
      ...secretProblems(config),
      ...closedToService(config, values.config),
      ...lineProblems(config, values.config),
      ...placeProblems(config, values.config),
    ]
    if (problems.length > 0) throw new UserError(problems.join('\n'), 2)
    const { warnings } = await checkModels(config).catch((error: unknown) => {
      const closed = closedToUs(config)
      throw new UserError(closed.length > 0 ? `${closed.join(', ')}: EACCES; run this as root` : messageOf(error), 2)
    })
    const denied = [...deniedToService(config, values.config), ...sharedAddresses(config, values.config)]
    for (const warning of [...denied, ...sharedSecrets(config), ...placeWarnings(config), ...warnings])
      console.error(warning)
    console.log(values.json ? JSON.stringify({ ok: true }) : 'the configuration can be used')
  } else if (values.json) console.log(shown(config, 2))
  else
    for (const key of configKeys())
      console.log(
        `${key.path} = ${shown(valueAt(config, key.path))}\n    ${key.doc}. Default ${JSON.stringify(key.default)}. Variable ${key.variable}`,
      )
  return 0
}

/** It goes into mails and onto screens: addresses without their passwords. */
const shown = (value: unknown, indent?: number) =>
  JSON.stringify(value, (_, inner) => (typeof inner === 'string' ? withoutPasswords(inner) : inner), indent)

/** What keeps the installed service from starting; who only enrols or evaluates needs no lines. */
function lineProblems(config: Config, file: string | undefined): string[] {
  if (serviceOf(file) === undefined) return []
  try {
    driverFor(config)
    return []
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    // Another exit code is the machine's, which may change.
    return error.exitCode === 2 ? [error.message] : []
  }
}

#!/usr/bin/env node
/** The `facelatch` command: finds the subcommand, turns every error into one line and an exit code. */
import { UserError } from './app/errors.js'
import { HelpAsked } from './commands/arguments.js'
import { ConfigError } from './config.js'

interface Command {
  readonly summary: string
  readonly load: () => Promise<{ main(args: string[]): Promise<number> }>
}

const commands: Record<string, Command> = {
  run: { summary: 'guard the door until told to stop', load: () => import('./commands/run.js') },
  demo: {
    summary: 'a known face opens the door, a stranger does not: on real recordings',
    load: () => import('./commands/demo.js'),
  },
  status: { summary: 'how the door is doing, on one screen', load: () => import('./commands/status.js') },
  people: {
    summary: 'list, add, remove, rename, export and import people',
    load: () => import('./commands/people.js'),
  },
  embed: {
    summary: 'faces and embeddings of pictures, one JSON object a line',
    load: () => import('./commands/embed.js'),
  },
  evaluate: {
    summary: 'how well faces are told apart: on public pictures, or your own',
    load: () => import('./commands/evaluate.js'),
  },
  events: { summary: 'the audit log', load: () => import('./commands/events.js') },
  backup: { summary: 'copy the store while it is in use', load: () => import('./commands/backup.js') },
  store: { summary: "change the store's key, restore a backup", load: () => import('./commands/store.js') },
  models: { summary: 'list, install, verify and build models', load: () => import('./commands/models.js') },
  rebuild: {
    summary: 'compile the native parts on this machine, with its TensorRT',
    load: () => import('./commands/rebuild.js'),
  },
  bench: { summary: 'how fast, how much memory, on this machine', load: () => import('./commands/bench.js') },
  doctor: {
    summary: 'what this machine has and lacks, each with its remedy',
    load: () => import('./commands/doctor.js'),
  },
  rules: {
    summary: 'check the access rules, or say why somebody may enter or not',
    load: () => import('./commands/rules.js'),
  },
  config: { summary: 'show or check the configuration', load: () => import('./commands/config.js') },
}

function usage(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`)
  return `usage: facelatch COMMAND [--config FILE] …\n\n${lines.join('\n')}\n\n"facelatch COMMAND --help" says more. Exit codes: 0 done, 1 failed, 2 wrong usage.`
}

async function main([name, ...rest]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(usage())
    return name === undefined ? 2 : 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new UserError(`there is no command "${name}"; "facelatch --help" lists them`, 2)
  return (await command.load()).main(rest)
}

/** A reader that has seen enough (`| head`) is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    if (error instanceof HelpAsked) return console.log(error.message)
    if (error instanceof ConfigError) for (const problem of error.problems) console.error(`facelatch: ${problem}`)
    else for (const line of String((error as Error)?.message ?? error).split('\n')) console.error(`facelatch: ${line}`)
    if (process.env.FACELATCH_LOG === 'debug' && error instanceof Error) console.error(error.stack)
    process.exitCode = error instanceof ConfigError ? 2 : error instanceof UserError ? error.exitCode : 1
  },
)

import { existsSync } from 'node:fs'
import { createLog } from '../adapters/log-journal.js'
import { openStore } from '../adapters/store-sqlite.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { StoredEvent } from '../domain/events.js'
import { logLevel, readArguments, readConfig } from './arguments.js'

const usage = `usage: facelatch events [--since T] [--follow] [--verify] [--json] [--config FILE]
Oldest first. T is a time (2026-11-21T08:00:00Z) or an age (90s, 30m, 12h, 7d).
--follow goes on with new ones; --verify checks that none was changed, removed or reordered.`

/** How often --follow looks, ms. */
const followMs = 500

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    { since: { type: 'string' }, follow: { type: 'boolean' }, verify: { type: 'boolean' }, json: { type: 'boolean' } },
    usage,
  )
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const since = values.since === undefined ? undefined : sinceOf(values.since)
  const config = readConfig(values.config)
  if (!existsSync(config.store.path)) throw new UserError(`there is no store at ${config.store.path}; check store.path`)
  const store = await openStore({
    path: config.store.path,
    log: createLog({ level: logLevel('warn'), component: 'store' }),
  })
  try {
    if (values.verify) {
      const { count, fault } = await store.verifyEvents()
      if (fault !== undefined) throw new UserError(`the audit log is not whole: ${fault}`)
      console.log(
        values.json ? JSON.stringify({ ok: true, count }) : `${count} events, none changed, removed or reordered`,
      )
      return 0
    }
    let after = 0
    let going = true
    process.once('SIGINT', () => {
      going = false
    })
    do {
      const rows = await store.events({ after, ...(since === undefined ? {} : { since }) })
      for (const row of rows) console.log(values.json ? JSON.stringify(flat(row)) : line(row))
      after = rows.at(-1)?.seq ?? after
      if (values.follow) await new Promise((resolve) => setTimeout(resolve, followMs))
    } while (values.follow && going)
    return 0
  } finally {
    await store.close()
  }
}

/** The same object as on the MQTT `event` topic. */
const flat = ({ detail, ...fields }: StoredEvent) => ({ ...detail, ...fields })

function line({ at, type, person, similarity, detail }: StoredEvent): string {
  const parts = [at, type.padEnd(16), person ?? '', similarity === undefined ? '' : similarity.toFixed(3)]
  const rest = Object.entries(detail ?? {}).map(([key, value]) => `${key}=${value}`)
  return [...parts, ...rest].filter((part) => part !== '').join('  ')
}

const ages: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 }

function sinceOf(text: string): string {
  const age = /^(\d+)([smhd])$/.exec(text)
  const time = age ? Date.now() - Number(age[1]) * ages[age[2]!]! : Date.parse(text)
  if (Number.isNaN(new Date(time).getTime()))
    throw wrongUsage(`--since must be a time like 2026-11-21T08:00:00Z or an age like 12h, not "${text}"`)
  return new Date(time).toISOString()
}

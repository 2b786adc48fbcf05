import { UserError, wrongUsage } from '../app/errors.js'
import type { Store } from '../ports.js'
import { openConfigured } from '../store.js'
import { expectStore, readArguments, readConfig } from './arguments.js'
import { type Format, formats, writers } from './events-format.js'

const usage = `usage: facelatch events [--since T] [--follow] [--verify] [--json] [--format csv|json] [--config FILE]
Oldest first. T is a time (2026-11-21T08:00:00Z) or an age (90s, 30m, 12h, 7d).
--json writes one object a line; --format csv or json one document, for other programs.
--follow goes on with new ones; --verify checks that none was changed, removed or reordered.`

/** How often --follow looks, ms. */
const followMs = 500
/** Rows read at a time: a long log does not fill the memory. */
const page = 1000

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      ...{ since: { type: 'string' }, format: { type: 'string' } },
      ...{ follow: { type: 'boolean' }, verify: { type: 'boolean' }, json: { type: 'boolean' } },
    } as const,
    usage,
  )
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const since = values.since === undefined ? undefined : sinceOf(values.since)
  const config = readConfig(values.config)
  expectStore(config)
  const store = await openConfigured(config)
  try {
    if (values.verify) return await verify(store, values.json === true)
    const writer = writers[formatOf(values.format, values.json === true, values.follow === true)]
    if (writer.head !== '') console.log(writer.head)
    let after = 0
    let going = true
    process.once('SIGINT', () => {
      going = false
    })
    do {
      const rows = await store.events({ after, limit: page, ...(since === undefined ? {} : { since }) })
      if (rows.length > 0) await print(rows.map((row, i) => writer.line(row, after === 0 && i === 0)))
      after = rows.at(-1)?.seq ?? after
      if (rows.length === page) continue
      if (!values.follow) break
      await new Promise((resolve) => setTimeout(resolve, followMs))
    } while (going)
    if (writer.tail !== '') console.log(writer.tail)
    return 0
  } finally {
    await store.close()
  }
}

/** Waits for a slow reader. */
const print = (lines: readonly string[]) =>
  new Promise<void>((resolve) => process.stdout.write(`${lines.join('\n')}\n`, () => resolve()))

async function verify(store: Store, json: boolean): Promise<number> {
  const { count, fault, removed, unchecked, signed, unproven } = await store.verifyEvents()
  if (fault !== undefined) throw new UserError(`the audit log is not whole: ${fault}`)
  const sentence = [`${count} events, none changed, removed or reordered`]
  sentence.push(signed ? `signed up to event ${signed.seq}, at ${signed.at}` : 'no signature covers these events')
  if (removed !== undefined) sentence.push(`${removed} before them were removed for their age, as was signed for`)
  if (unchecked !== undefined) sentence.push(`${unchecked} signatures could not be checked: the key is not here`)
  if (unproven !== undefined) sentence.push(`the names in ${unproven} of them are older than what vouches for names`)
  const figures = {
    ok: true,
    count,
    signed: signed ?? null,
    ...(removed !== undefined && { removed }),
    ...(unchecked !== undefined && { unchecked }),
    ...(unproven !== undefined && { unproven }),
  }
  console.log(json ? JSON.stringify(figures) : sentence.join('; '))
  return 0
}

function formatOf(format: string | undefined, json: boolean, follow: boolean): Format {
  if (format === undefined) return json ? 'lines' : 'text'
  const known = formats.find((name) => name === format && (name === 'json' || name === 'csv'))
  if (!known || json) throw wrongUsage(`--format must be csv or json, without --json, not "${format}"`)
  if (follow && known === 'json') throw wrongUsage('--follow never ends the document of --format json; give --json')
  return known
}

const ages: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 }

function sinceOf(text: string): string {
  const age = /^(\d+)([smhd])$/.exec(text)
  const time = age ? Date.now() - Number(age[1]) * ages[age[2]!]! : Date.parse(text)
  if (Number.isNaN(new Date(time).getTime()))
    throw wrongUsage(`--since must be a time like 2026-11-21T08:00:00Z or an age like 12h, not "${text}"`)
  return new Date(time).toISOString()
}

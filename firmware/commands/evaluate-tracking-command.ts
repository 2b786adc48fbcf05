/** `facelatch evaluate tracking`: its arguments, and what it prints. */
import { wrongUsage } from '../app/errors.js'
import { page, paragraph, table } from '../evaluation/chart.js'
import { type Dataset, dealt } from '../evaluation/dataset.js'
import { readArguments, readConfig } from './arguments.js'
import { embed } from './evaluate.js'
import { dataFolder, readDataset, without } from './evaluate-data.js'
import { defaultCache } from './evaluate-embeddings.js'
import { printGrids } from './evaluate-output.js'
import { expectReport, writeReport } from './evaluate-report.js'
import { runTracking, type TrackingResult, type TrackingSettings } from './evaluate-tracking.js'
import { trackingHeading, trackingTables } from './evaluate-tracking-output.js'

const usage = `usage: facelatch evaluate tracking [--count N] [--strangers N [--likely S]] [--seed N] [--enrol N] [--data DIR] [--without NAME]… [--embedder NAME] [--classifier NAME] [--json] [--report FILE.html] [--cache DIR] [--config FILE]
Walk-ups made of pictures, played to detector, embedder, tracker and votes with the clock of their frames: identity switches,
IDF1, time to the grant, wrong grants, and what one frame would have decided. The configuration's votes and tracker are used.
--count N          sequences of 2 to 4 s, of all kinds in turn (110)
--strangers N      short sequences of strangers alone, besides (0)
--likely S         plays of these only who is S similar to somebody by his still, and takes the others as refused
--seed N           the same seed makes the same sequences (1)
--enrol N          people are enrolled with their first N pictures (5) and play with the others
--data DIR         as with "facelatch evaluate verification"; strangers are all who are not enrolled
--without NAME     leaves somebody out: e.g. whose pictures stand under two names
--classifier NAME  nearest (default) or imprinting
--report FILE      one page with the tables, .html
--cache DIR        where embeddings are kept (${defaultCache()})`

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    {
      count: { type: 'string' },
      strangers: { type: 'string' },
      likely: { type: 'string' },
      seed: { type: 'string' },
      enrol: { type: 'string' },
      data: { type: 'string' },
      without: { type: 'string', multiple: true },
      embedder: { type: 'string' },
      classifier: { type: 'string' },
      json: { type: 'boolean' },
      report: { type: 'string' },
      cache: { type: 'string' },
    },
    usage,
  )
  if (positionals.length > 1) throw wrongUsage(usage.split('\n')[0]!)
  const settings = readSettings(values)
  const { report } = values
  if (report !== undefined && !report.endsWith('.html')) throw wrongUsage('--report of tracking takes FILE.html')
  expectReport(report)

  const data = without(readDataset(dataFolder(values.data, 'lfw-dev')), values.without ?? [])
  const config = readConfig(values.config)
  const nets = { ...config.recognizer, ...(values.embedder !== undefined && { embedder: values.embedder }) }
  const pictures = picturesFor(data, settings)
  const { context, embeddings } = await embed(config, nets, settings.classifier, data, pictures, values.cache)
  const result = await runTracking(data, embeddings, context, config, settings, (done, of) => {
    if (done % 100 === 0 || done === of) console.error(`${context.embedder}: played ${done} of ${of} sequences`)
  })
  if (values.json) console.log(JSON.stringify(result))
  else printGrids(trackingHeading(result), trackingTables(result))
  if (report !== undefined) writeReport(report, trackingPage(result))
  return 0
}

type Numbers = {
  readonly [K in 'count' | 'strangers' | 'seed' | 'enrol' | 'likely' | 'classifier']?: string | undefined
}

function readSettings(values: Numbers): TrackingSettings {
  const read = (name: keyof Numbers, fallback: number, least: number, most: number): number => {
    const text = values[name] ?? String(fallback)
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw wrongUsage(`--${name} takes a whole number from ${least} to ${most}, not "${text}"`)
    return value
  }
  const likely = Number(values.likely ?? 0)
  if (!(likely >= 0 && likely < 1)) throw wrongUsage(`--likely takes a similarity below 1, not "${values.likely}"`)
  const classifier = (['nearest', 'imprinting'] as const).find((one) => one === (values.classifier ?? 'nearest'))
  if (!classifier) throw wrongUsage(`--classifier of tracking takes nearest or imprinting, not "${values.classifier}"`)
  const [count, strangers] = [read('count', 110, 0, 1e6), read('strangers', 0, 0, 1e6)]
  if (count + strangers === 0) throw wrongUsage('--count 0 without --strangers plays nothing')
  if (values.likely !== undefined && strangers === 0) throw wrongUsage('--likely goes with --strangers N')
  return {
    count,
    strangers,
    seed: read('seed', 1, 0, 2 ** 31),
    enrol: read('enrol', 5, 1, 1000),
    classifier,
    ...(values.likely === undefined ? {} : { likely }),
  }
}

/** Those that people are enrolled with; strangers' only where their similarity is asked for. */
function picturesFor(data: Dataset, { enrol, likely }: TrackingSettings): string[] {
  const people = new Set(data.people)
  const strangers = [...data.pictures].filter(([name]) => !people.has(name)).flatMap(([, pictures]) => pictures)
  return [
    ...data.people.flatMap((name) => dealt(data, name, enrol).templates),
    ...(likely === undefined ? [] : strangers),
  ]
}

function trackingPage(result: TrackingResult): string {
  const limits = 'In brackets: what was counted, and the limits within which the true share lies 19 times in 20.'
  const tables = trackingTables(result).map(([head, ...body]) => table(head!, body))
  return page('facelatch evaluate tracking', [paragraph(trackingHeading(result)), paragraph(limits), ...tables])
}

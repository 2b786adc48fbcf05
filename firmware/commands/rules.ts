import { readRulesText } from '../adapters/rules-file.js'
import { UserError, wrongUsage } from '../app/errors.js'
import { type CivilTime, civilTime, clockText, isDate, isShown, weekday } from '../domain/civil-time.js'
import { dayNames, isDenied, isOpenHouse, type Mode, modes, type Rules, rightOf } from '../domain/rules.js'
import { parseRules } from '../domain/rules-parse.js'
import { readArguments, readConfig } from './arguments.js'

const usage = `usage: facelatch rules check [FILE] | explain PERSON [--at TIME] [--mode MODE] [--rules FILE] [--config FILE] [--json]
check    says whether the rules can be used, and every problem if not
explain  says in one line whether somebody enrolled may enter, and why
TIME is 2026-12-24T22:30 on the clock of the rules' own time zone, or an instant like 2026-12-24T21:30Z; now when left out.
MODE is normal, lockdown or open; normal when left out. Without a file: access.rulesFile.`

export async function main(args: string[]): Promise<number> {
  const options = {
    at: { type: 'string' },
    mode: { type: 'string' },
    rules: { type: 'string' },
    json: { type: 'boolean' },
  } as const
  const { values, positionals } = readArguments(args, options, usage)
  const [action, what, ...more] = positionals
  const { json = false } = values
  if (more.length > 0 || (action !== 'check' && action !== 'explain') || (action === 'explain' && what === undefined))
    throw wrongUsage(usage.split('\n')[0]!)
  const file = (action === 'check' ? what : values.rules) ?? readConfig(values.config).access.rulesFile
  if (file === '') throw wrongUsage('no rules file is configured: everybody enrolled may enter; set access.rulesFile')
  const rules = readRules(file)
  if (action === 'check') {
    const { timeZone, groups, people } = rules
    console.log(
      json
        ? JSON.stringify({ ok: true, timeZone, groups: groups.size, people: people.size })
        : `the rules can be used: ${people.size} people, ${groups.size} groups, time zone ${timeZone}`,
    )
    return 0
  }
  console.log(explain(rules, what!, timeOf(values.at, rules.timeZone), modeOf(values.mode), json))
  return 0
}

/** As the door takes the file; each problem names it. */
export function loadRules(file: string): { readonly rules: Rules } | { readonly problems: readonly string[] } {
  const read = readRulesText(file)
  if ('problem' in read) return { problems: [read.problem] }
  const parsed = parseRules(read.text)
  return 'rules' in parsed ? parsed : { problems: parsed.problems.map((problem) => `${file}: ${problem}`) }
}

function readRules(file: string): Rules {
  const loaded = loadRules(file)
  if ('rules' in loaded) return loaded.rules
  throw new UserError(loaded.problems.map((problem) => `rules ${problem}; correct the file or its path`).join('\n'), 2)
}

function explain(rules: Rules, person: string, time: CivilTime, asked: Mode, json: boolean): string {
  const open = asked === 'open' || isOpenHouse(rules, time)
  const mode = asked === 'normal' && open ? 'open' : asked
  const right = rightOf(rules, person, time, mode)
  const at = `${time.date} ${clockText(time.minute)}`
  const unlocked = mode === 'open' && rules.openHouse?.door === 'unlocked'
  if (json) {
    const answer = isDenied(right)
      ? { allowed: false, reason: right.denied, why: right.why }
      : { allowed: true, by: right.by.name }
    const second =
      isDenied(right) || right.by.twoPersonMs === undefined ? {} : { twoPersonSeconds: right.by.twoPersonMs / 1000 }
    return JSON.stringify({
      person,
      at,
      timeZone: rules.timeZone,
      mode,
      ...answer,
      ...second,
      ...(unlocked && { unlocked }),
    })
  }
  const when = `${dayNames[weekday(time.date)]} ${at} ${rules.timeZone}${mode === 'normal' ? '' : `, mode ${mode}`}`
  const held = unlocked ? ' (the door stands unlocked for anybody)' : ''
  if (isDenied(right)) return `no: ${person}, ${when}: ${right.denied}: ${right.why}${held}`
  const { name, twoPersonMs } = right.by
  const second = twoPersonMs === undefined ? '' : `, with a second person within ${twoPersonMs / 1000} s`
  return `yes: ${person}, ${when}: ${name}${second}${held}`
}

function modeOf(text = 'normal'): Mode {
  const mode = modes.find((name) => name === text)
  if (mode === undefined) throw wrongUsage(`--mode must be one of ${modes.join(', ')}, not "${text}"`)
  return mode
}

function timeOf(text: string | undefined, timeZone: string): CivilTime {
  if (text === undefined) return civilTime(Date.now(), timeZone)
  const local = /^(\d{4}-\d{2}-\d{2})[T ]([01]\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (local && isDate(local[1]!)) {
    const time = { date: local[1]!, minute: Number(local[2]) * 60 + Number(local[3]) }
    if (isShown(time, timeZone)) return time
    throw wrongUsage(`--at ${text} does not exist: the clock in ${timeZone} skips it; give a time before or after`)
  }
  const instant = /(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(instant))
    throw wrongUsage(`--at must be a time like 2026-12-24T22:30 or 2026-12-24T21:30Z, not "${text}"`)
  return civilTime(instant, timeZone)
}

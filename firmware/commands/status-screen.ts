/** The account on one screen: a line a subject, and last what is wrong. */
import type { Account, Topics } from '../app/account.js'
import type { StateReport } from '../app/supervisor-types.js'
import { mebibytes } from '../domain/units.js'
import { rejectedLine } from './last-good.js'

export interface Screen {
  readonly text: string
  readonly problems: readonly string[]
}

/** `more`: problems that the account does not tell of. */
export function screen(account: Account, more: readonly string[] = []): Screen {
  const { topics } = account
  const state: Partial<StateReport> = topics.state ?? {}
  const alarms = alarmsOf(topics)
  const problems = [...problemsOf(account, state, alarms), ...more]
  const rows: [subject: string, ...what: (string | undefined)[]][] = [
    ['facelatch', account.version, account.device.name, `pid ${account.pid}`, `up ${duration(account.uptimeSeconds)}`],
    [
      'door',
      topics['lock/state'],
      topics['door/state'],
      `mode ${state.mode ?? 'normal'}`,
      alarms.length === 0 ? 'no alarm' : `ALARM ${alarms.join(', ')}`,
    ],
    ['camera', state.camera, ...pictures(topics)],
    ['recognizer', state.recognizer, state.engine, state.embedder, threshold(state), restarts(account)],
    ['people', count(state.people, 'enrolled'), recognisable(account), enrolment(topics)],
    ['store', state.store, rules(state)],
    [
      'broker',
      account.broker ?? 'none is configured',
      account.broker && (account.connected ? 'connected' : 'not connected'),
    ],
    ['fan', ...fan(topics)],
    ['memory', ...memory(topics)],
    ...account.latest.map(({ at, type, person }, i): [string, ...string[]] => [
      i === 0 ? 'latest' : '',
      at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'),
      type,
      person ?? '',
    ]),
    ...((problems.length === 0
      ? [['problems', 'none']]
      : problems.map((problem, i) => [i === 0 ? 'PROBLEMS' : '', problem])) as [string, string][]),
  ]
  const lines = rows.flatMap(([subject, ...what]) => {
    const said = what.filter((part): part is string => part !== undefined && part !== '')
    return said.length === 0 ? [] : [`${subject.padEnd(11)} ${said.join('  ')}`]
  })
  return { text: lines.join('\n'), problems }
}

/** Those that last. */
const alarmsOf = ({ 'alarm/state': alarms = {} }: Topics) => Object.keys(alarms).filter((name) => alarms[name])

function problemsOf(
  { topics, broker, connected, store, rejected }: Account,
  state: Partial<StateReport>,
  alarms: readonly string[],
): string[] {
  const fault = topics['fan/state']?.fault
  return [
    ...(rejected === undefined ? [] : [rejectedLine(rejected)]),
    ...alarms.map((name) => `alarm: ${name.replace('_', ' ')}`),
    ...(state.camera === 'fault' ? ['the camera gives no pictures: nobody is recognised, the exit button works'] : []),
    ...(state.camera === 'ended' ? ['the recording before the camera has ended'] : []),
    ...(state.recognizer === 'down'
      ? [
          'the recognizer is down and is being started again: nobody is recognised, the exit button works; facelatch doctor',
        ]
      : []),
    ...(state.store === 'fault' ? ['events cannot be kept: see the log for what the store says'] : []),
    ...(store?.problems ?? []),
    ...(state.rules === 'last_good' || state.rules === 'none'
      ? ['the rules file cannot be used: facelatch rules check']
      : []),
    ...(state.clock === 'untrusted' ? ['the clock is not to be trusted: rules with times let nobody in'] : []),
    ...(broker !== undefined && !connected ? [`no connection to the broker ${broker}`] : []),
    ...(fault === undefined ? [] : [`fan: ${fault}`]),
  ]
}

const count = (value: number | undefined, what: string) => (value === undefined ? undefined : `${value} ${what}`)
const inUnit = (value: number | undefined, unit: string, digits = 0) =>
  value === undefined ? undefined : `${value.toFixed(digits)} ${unit}`

function duration(seconds: number): string {
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor(seconds / 3600) % 24
  const minutes = Math.floor(seconds / 60) % 60
  if (days > 0) return `${days} d ${hours} h`
  return hours > 0 ? `${hours} h ${minutes} min` : minutes > 0 ? `${minutes} min` : `${seconds} s`
}

function pictures({ health }: Topics): (string | undefined)[] {
  const { fps, frameMs, dropped } = health?.recognizer ?? {}
  return [
    inUnit(fps, 'frames/s', 1),
    frameMs === undefined ? undefined : `${frameMs.p50.toFixed(1)} ms a frame, p99 ${frameMs.p99.toFixed(1)}`,
    count(dropped || undefined, 'dropped'),
  ]
}

const threshold = ({ threshold }: Partial<StateReport>) =>
  threshold === undefined ? undefined : `threshold ${threshold.toFixed(3)}`
const restarts = ({ recognizerLosses }: Account) => count(recognizerLosses || undefined, 'times started again')
const rules = ({ rules }: Partial<StateReport>) => (rules === undefined ? undefined : `rules ${rules}`)

/** Where that is not everybody. */
const recognisable = ({ store, topics }: Account) =>
  store?.recognisable === topics.state?.people ? undefined : count(store?.recognisable, 'can be recognised')

function enrolment({ 'enrol/state': enrolment }: Topics): string | undefined {
  const state = enrolment?.state
  return state === undefined || state === 'idle' ? undefined : `enrolling: ${state}`
}

function fan({ 'fan/state': fan }: Topics): (string | undefined)[] {
  const { celsius, percent, rpm } = fan ?? {}
  return [inUnit(celsius, '°C'), inUnit(percent, '%'), inUnit(rpm, 'rpm')]
}

function memory({ health }: Topics): (string | undefined)[] {
  const { recognizer, supervisor } = health ?? {}
  const peak = (name: string, bytes: number | undefined) =>
    bytes === undefined ? undefined : `${name} ${mebibytes(bytes)}`
  const strike = supervisor?.strike?.fromVerdict.p99
  return [
    peak('supervisor', supervisor?.peakMemory),
    peak('recognizer', recognizer?.peakMemory),
    supervisor === undefined ? undefined : `event loop p99 ${supervisor.eventLoopDelayMs.p99.toFixed(1)} ms`,
    strike === undefined ? undefined : `verdict to strike p99 ${strike.toFixed(1)} ms`,
  ]
}

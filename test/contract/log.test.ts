import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { createLog, type LogOptions } from '../../firmware/adapters/log-journal.js'
import { eventWords } from '../../firmware/domain/event-words.js'
import { eventTypes } from '../../firmware/domain/events.js'
import { catalog } from '../../tools/journal-catalog.js'
import { root } from '../support/appliance.js'
import { firmware, script } from '../support/child.js'
import { temporaryDirectory } from '../support/temp.js'

function logTo(lines: string[], more: Partial<LogOptions> = {}) {
  const write = (line: string) => lines.push(line)
  return createLog({ level: 'debug', component: 'door', journal: true, write, ...more })
}

t.test('journal lines carry their priority and fields that logfmt reads', async (t) => {
  const lines: string[] = []
  const log = logTo(lines)
  log.debug('a')
  log.info('b', { person: 'ada', score: 0.5, track: undefined, nobody: null })
  log.warn('c', { person: 'Ada Lovelace', list: [1, 2], empty: '' })
  log.error('d', { error: new Error('no "door"') })
  t.same(lines, [
    '<7>door: a',
    '<6>door: b person=ada score=0.5 nobody=null',
    '<4>door: c person="Ada Lovelace" list=[1,2] empty=""',
    '<3>door: d error="no \\"door\\""',
  ])
})

t.test('where the journal takes entries, fields are fields and an event has its number', async (t) => {
  const lines: string[] = []
  const entries: string[] = []
  const send = (entry: string) => entries.push(entry)
  logTo(lines, { component: 'event', send }).info('granted', { person: 'Ada\nPRIORITY=0', heldMs: 5, none: undefined })
  t.same(lines, [])
  t.same(entries, [
    [
      'MESSAGE=event: granted person="Ada\\nPRIORITY=0" heldMs=5',
      'PRIORITY=6',
      'SYSLOG_IDENTIFIER=facelatch',
      'FACELATCH_COMPONENT=event',
      `MESSAGE_ID=${eventWords.granted.messageId}`,
      'FACELATCH_EVENT=granted',
      'FACELATCH_PERSON=Ada\\nPRIORITY=0',
      'FACELATCH_HELD_MS=5',
      '',
    ].join('\n'),
  ])
  logTo(lines, { send }).warn('granted', { 'a b=c\nd': 'x' })
  t.match(entries[1], /^MESSAGE=door: .*\nPRIORITY=4\n/, 'no event')
  t.match(entries[1], /\nFACELATCH_A_B_C_D=x\n$/)
  const broken = () => {
    throw new Error('nobody there')
  }
  logTo(lines, { send: broken }).error('x')
  t.same(lines, ['<3>door: x'], 'a line, where no entry is taken')
})

t.test('every event has words, and a number of its own that the catalog explains', async (t) => {
  t.same(Object.keys(eventWords).sort(), [...eventTypes].sort())
  const ids = Object.values(eventWords).map(({ messageId }) => messageId)
  t.equal(new Set(ids).size, ids.length)
  for (const id of ids) t.match(id, /^[0-9a-f]{32}$/)
  t.equal(readFileSync(join(root, 'systemd/facelatch.catalog'), 'utf8'), catalog())
})

t.test('people see the time of day', async (t) => {
  const lines: string[] = []
  const wall = () => new Date(2026, 10, 21, 8, 5, 9, 7)
  logTo(lines, { journal: false, wall }).warn('held open', { seconds: 30 })
  t.same(lines, ['08:05:09.007 warn  door: held open seconds=30'])
})

t.test('one event is one line, whatever is in it', async (t) => {
  const lines: string[] = []
  const log = logTo(lines)
  log.info('a\nb\r\u2028<3>c', { name: 'x\n<0>y', colour: '\u001b[31m' })
  t.same(lines, ['<6>door: a\\nb\\r\\u2028<3>c name="x\\n<0>y" colour="\\u001b[31m"'])
  const endless: Record<string, unknown> = {}
  endless.self = endless
  log.info('odd', { endless, big: 10n, what: Symbol('s') })
  t.equal(lines[1], '<6>door: odd endless="[object Object]" big=10 what=Symbol(s)')
  log.info('x'.repeat(100_000))
  t.ok(lines[2]!.length < 10_000)
})

t.test('less urgent than the level is not written', async (t) => {
  for (const [level, expected] of [
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
    ['silent', 0],
  ] as const) {
    const lines: string[] = []
    const log = logTo(lines, { level })
    log.debug('m')
    log.info('m')
    log.warn('m')
    log.error('m')
    t.equal(lines.length, expected, level)
  }
})

t.test('a log that cannot be written is no reason to fall', async (t) => {
  const write = () => {
    throw new Error('EPIPE')
  }
  t.doesNotThrow(() => createLog({ level: 'info', component: 'x', write }).error('y'))
})

t.test('stderr is the journal only when it is the very stream that systemd connected', async (t) => {
  const path = join(temporaryDirectory(t), 'stderr')
  const file = openSync(path, 'w+')
  const { dev, ino } = fstatSync(file)
  const [command, ...args] = script(`
    const { createLog } = await import(${firmware('adapters/log-journal.js')})
    createLog({ level: 'info', component: 'x' }).info('y')`)
  const say = async (JOURNAL_STREAM: string, stderr: number | 'pipe') => {
    const env = { ...process.env, JOURNAL_STREAM }
    const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'ignore', stderr]
    const child = spawn(command, args, { env, stdio })
    let text = ''
    child.stderr?.on('data', (chunk) => {
      text += chunk
    })
    await once(child, 'close')
    return text
  }
  await say(`${dev}:${ino}`, file)
  t.equal(readFileSync(path, 'utf8'), '<6>x: y\n')
  t.match(await say(`${dev}:${ino}`, 'pipe'), /^\d\d:\d\d:\d\d\.\d{3} info {2}x: y\n$/)
})

t.test('the clock is CLOCK_MONOTONIC, the same in every process', async (t) => {
  const [command, ...args] = script(`
    const { systemClock } = await import(${firmware('adapters/clock-system.js')})
    console.log(systemClock.now())`)
  const before = systemClock.now()
  const text = execFileSync(command, args, { encoding: 'utf8' })
  t.ok(before < Number(text) && Number(text) < systemClock.now())
})

t.test('what waits never runs early, and not at all when called off', async (t) => {
  for (const ms of [0, 0.4, 1.7, 25]) {
    const due = systemClock.now() + ms
    await new Promise<void>((resolve) => systemClock.after(ms, resolve))
    t.ok(systemClock.now() >= due, `${ms} ms`)
  }
  const cancel = systemClock.after(5, () => t.fail('called off'))
  cancel()
  // Node itself would run this one at once.
  const far = systemClock.after(2 ** 40, () => t.fail('in 34 years'))
  await new Promise<void>((resolve) => systemClock.after(20, resolve))
  far()
})

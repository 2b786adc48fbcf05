import t from 'tap'
import { type CommandOptions, Commands, type Judgement, longestCommand } from '../../firmware/domain/commands.js'

const start = 1_000_000
const wallAtStart = Date.parse('2026-11-21T08:00:00Z')
/** A wall clock that runs with the monotonic one. */
const times = (now: number) => ({ now, wall: wallAtStart + now - start })
const iso = (now: number) => new Date(wallAtStart + now - start).toISOString()

function make(options: Partial<CommandOptions> = {}) {
  const commands = new Commands({ maxAgeMs: 10_000, ...options }, start)
  return (
    payload: string | Buffer | object,
    now: number,
    more: { retained?: boolean; topic?: string; clockDoubt?: string } = {},
  ) => {
    const { retained = false, topic = 'lock/set', clockDoubt } = more
    const bytes = Buffer.isBuffer(payload)
      ? payload
      : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
    return commands.judge({ topic, payload: bytes, retained }, { ...times(now), ...(clockDoubt && { clockDoubt }) })
  }
}
const reason = (judgement: Judgement) => (judgement.kind === 'refuse' ? judgement.reason : judgement.kind)

t.test('forms that are understood', async (t) => {
  const judge = make()
  let now = start
  const next = () => {
    now += 2000
    return now
  }
  for (const payload of [
    'UNLOCK',
    ' UNLOCK\n',
    { command: 'UNLOCK' },
    { command: 'UNLOCK', code: '' },
    { command: 'UNLOCK', code: null },
  ])
    t.match(judge(payload, next()), { kind: 'obey', word: 'UNLOCK' })
  t.match(judge({ command: 'UNLOCK', at: iso(now + 2000) }, next()), { kind: 'obey' })
  t.match(
    judge({ command: 'UNLOCK', at: iso(now + 2000).replace('Z', '000+00:00') }, next()),
    { kind: 'obey' },
    'as Home Assistant writes it',
  )
  t.match(judge('LOCK', next()), { kind: 'obey', word: 'LOCK' })
  t.match(judge('RESTART', next(), { topic: 'recognizer/set' }), { kind: 'obey', word: 'RESTART' })
  t.match(judge('', next()), { kind: 'nothing' })
})

t.test('forms that are not', async (t) => {
  const judge = make()
  let now = start
  const later = (ms: number) => {
    now += ms
    return now
  }
  for (const payload of [
    'unlock',
    'UNLOCK UNLOCK',
    '"UNLOCK"',
    '["UNLOCK"]',
    '{"command":"UNLOCK"',
    { command: ['UNLOCK'] },
    { command: 'UNLOCK', person: 'me' },
    '{"command":"UNLOCK","__proto__":{}}',
    { command: 'UNLOCK', code: 1234 },
    { command: 'UNLOCK', at: 1 },
    { command: 'UNLOCK', at: '2026-11-21T08:00:00' },
    { command: 'UNLOCK', at: '2026-99-21T08:00:00Z' },
    Buffer.from([0x55, 0x4e, 0xff]),
    `{"command":${'['.repeat(300)}${']'.repeat(300)}}`,
  ])
    t.equal(judge(payload, later(2000)).kind, 'refuse', String(payload))
  t.match(reason(judge('x'.repeat(longestCommand + 1), now)), /at most 1024 bytes/)
  t.match(reason(judge('UNLOCK', later(2000), { topic: 'recognizer/set' })), /must be RESTART/)
  t.match(reason(judge('UNLOCK', now, { topic: 'constructor' })), /no such command/)
  t.match(reason(judge('UNLOCK', now, { retained: true })), /retained/)
})

t.test('enrolling is asked for with a name, and guarded like unlocking', async (t) => {
  const at = start + 50_000
  const judge = make()
  const topic = 'enrol/set'
  t.match(judge('Ann', at, { topic }), { kind: 'obey', word: 'ENROL', text: 'Ann' })
  t.match(judge({ name: 'Ann', at: iso(at), code: 'x' }, at, { topic }), { word: 'ENROL', text: '{"name":"Ann"}' })
  t.match(judge({}, at, { topic }), { word: 'ENROL', text: '{}' })
  t.match(reason(judge({ name: 'Ann', at: iso(at - 60_000) }, at, { topic })), /60 s old/)
  t.match(reason(judge('{"name"', at, { topic })), /must be a name, \{"name": "Ann"\} or CANCEL/)
  t.match(judge('UNLOCK', at, { topic }), { word: 'ENROL', text: 'UNLOCK' }, 'a name like any other')
  const coded = make({ isCode: (given) => given === '2468' })
  t.match(reason(coded('Ann', at, { topic })), /a code is needed/)
  const later = at + 60_000
  t.match(coded({ name: 'Ann', code: '2468' }, later, { topic }), { word: 'ENROL', text: '{"name":"Ann"}' })
  t.match(coded('CANCEL', at, { topic }), { kind: 'obey', word: 'CANCEL' })
})

t.test('ending a lockdown is guarded like unlocking, beginning one is not', async (t) => {
  const topic = 'mode/set'
  const judge = make({ isCode: (given) => given === '2468' })
  t.match(judge('lockdown', start + 50_000, { topic }), { kind: 'obey', word: 'lockdown' })
  t.match(reason(judge('normal', start + 50_000, { topic })), /a code is needed/)
  t.match(judge({ command: 'normal', code: '2468' }, start + 111_000, { topic }), { kind: 'obey', word: 'normal' })
  t.match(reason(judge('open', start + 112_000, { topic })), /a code is needed/)
})

t.test('old, early, replayed and unjudgeable times open nothing', async (t) => {
  const judge = make()
  const unlock = (at: string) => ({ command: 'UNLOCK', at })
  t.match(reason(judge(unlock(iso(start - 1000)), start + 2000)), /before this start/)
  const now = start + 100_000
  t.match(reason(judge(unlock(iso(now - 11_000)), now)), /11 s old/)
  t.match(reason(judge(unlock(iso(now + 11_000)), now)), /11 s ahead/)
  t.match(reason(judge(unlock(iso(now)), now, { clockDoubt: 'our clock is not synchronised yet' })), /cannot be judged/)
  t.equal(judge(unlock(iso(now)), now).kind, 'obey')
  t.match(reason(judge(unlock(iso(now)), now + 1)), /obeyed already/)
  t.match(reason(judge(unlock(iso(now)), now + 9_000)), /obeyed already/)
  t.match(judge({ command: 'LOCK', at: iso(0) }, now + 9_000), { kind: 'obey' }, 'locking is never too late')
  t.equal(make({ maxAgeMs: 0 })(unlock(iso(0)), now).kind, 'obey', 'where times are not looked at')
})

t.test('a flood is refused, and what comes later is not', async (t) => {
  const judge = make()
  const flood = Array.from({ length: 1000 }, (_, i) => judge('UNLOCK', start + i / 100))
  t.equal(flood.filter(({ kind }) => kind === 'obey').length, 10)
  t.match(reason(flood.at(-1)!), /too many/)
  t.equal(judge('UNLOCK', start + 1100).kind, 'obey')
})

t.test('a missing code is a wrong one: the right one is locked out with it', async (t) => {
  const judge = make({ isCode: (given) => given === '2468' })
  const now = start + 60_000
  const right = { command: 'UNLOCK', code: '2468' }
  t.equal(judge(right, now).kind, 'obey', 'which forgives all that was before')
  for (const payload of ['UNLOCK', { command: 'UNLOCK', code: '' }, { command: 'UNLOCK', code: null }])
    t.match(reason(judge(payload, now + 2000)), /a code is needed/)
  t.match(reason(judge(right, now + 3000)), /no code is taken for another 29 s/)
  t.equal(judge(right, now + 33_000).kind, 'obey')
})

t.test('codes: needed, compared, and locked out for longer each time', async (t) => {
  const asked: string[] = []
  const judge = make({
    isCode: (given) => {
      asked.push(given)
      return given === '2468'
    },
  })
  const unlock = (code?: string) => ({ command: 'UNLOCK', ...(code !== undefined && { code }) })
  t.match(reason(judge('UNLOCK', start)), /no code is taken for another 30 s/)
  t.match(reason(judge(unlock('2468'), start + 1000)), /no code is taken for another 29 s/, 'a start is a lock-out')
  let now = start + 40_000
  const later = (ms: number) => {
    now += ms
    return now
  }
  t.match(reason(judge(unlock('0000'), now)), /wrong/, 'and what was guessed before it is remembered so')
  t.match(reason(judge(unlock('2468'), now + 59_000)), /another 1 s/)
  t.match(judge(unlock('2468'), later(61_000)), { kind: 'obey' })
  for (let i = 0; i < 3; i++) t.match(reason(judge(unlock(`000${i}`), later(2000))), /wrong/)
  t.match(reason(judge(unlock('2468'), now + 2000)), /another 28 s/)
  t.same(asked.slice(-1), ['0002'], 'nothing is compared meanwhile')
  const lockOuts: number[] = []
  for (let i = 0; i < 12; i++) {
    while (/no code/.test(reason(judge(unlock('9999'), now)))) now += 1000
    const wrongAt = now
    while (/no code/.test(reason(judge(unlock('9999'), later(10_000)))));
    lockOuts.push(now - wrongAt)
  }
  t.ok(
    lockOuts.every((one, i) => i === 0 || one >= lockOuts[i - 1]! - 20_000),
    String(lockOuts),
  )
  t.ok(lockOuts.at(-1)! >= 3_500_000 && lockOuts.at(-1)! <= 3_620_000)
  t.equal(judge('LOCK', now).kind, 'obey', 'locking needs no code')
})

t.test('no flood keeps a door from being locked', async (t) => {
  const judge = make()
  for (let i = 0; i < 300; i++) {
    judge('x', start, { topic: 'recognizer/set' })
    judge('LOCK', start)
  }
  t.match(judge('lockdown', start, { topic: 'mode/set' }), { kind: 'obey', word: 'lockdown' })
  t.match(reason(judge('UNLOCK', start)), /too many/)
  t.match(reason(judge('LOCK', start)), /too many/, 'each of these words has its own bounds')
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type CivilTime, civilTime, isDate, isShown, isTimeZone } from '../../firmware/domain/civil-time.js'
import { Dwelling, type Intent, intends, noIntent } from '../../firmware/domain/intent.js'
import { isDenied, isOpenHouse, type Mode, type Rules, rightOf } from '../../firmware/domain/rules.js'
import { parseRules } from '../../firmware/domain/rules-parse.js'
import { believedTime, earliest, lookAtClock, settleMs } from '../../firmware/domain/wall-clock.js'
import { root } from '../support/appliance.js'

function parse(value: unknown): Rules {
  const parsed = parseRules(JSON.stringify(value))
  if ('problems' in parsed) throw new Error(parsed.problems.join('\n'))
  return parsed.rules
}
const problems = (value: unknown) => {
  const parsed = parseRules(typeof value === 'string' ? value : JSON.stringify(value))
  return 'problems' in parsed ? parsed.problems : []
}
const at = (text: string): CivilTime => ({
  date: text.slice(0, 10),
  minute: Number(text.slice(11, 13)) * 60 + Number(text.slice(14)),
})
/** `yes`, or the reason. */
const ask = (rules: Rules, person: string, when: string | undefined, mode: Mode = 'normal') => {
  const right = rightOf(rules, person, when === undefined ? undefined : at(when), mode)
  return isDenied(right) ? right.denied : 'yes'
}

const example = parse(JSON.parse(readFileSync(join(root, 'config/rules.example.json'), 'utf8')))

t.test('a key that is there twice is refused, wherever it is and however it is written', async (t) => {
  const file = (rest: string) => `{"timeZone":"UTC",${rest}}`
  const twice = (place: string) => [`there twice: ${place}; keep one of them`]
  const groups = '"groups":{"a":{}}'
  t.same(
    problems(file(`${groups},"people":{"Rob":{"blocked":true},"Rob":{"groups":["a"]}}`)),
    twice('people.Rob'),
    'the later one would let in who is blocked',
  )
  t.same(problems(file(`${groups},"people":{"Rob":{"blocked":true},"R\\u006fb":{}}`)), twice('people.Rob'))
  t.same(problems(file('"people":{"Rob":{"blocked":true,"blocked" : false}}')), twice('people.Rob.blocked'))
  t.same(problems(file('"people":{"Rob":{"blocked":true}},"people":{}')), twice('people'))
  t.same(problems(file('"others":[],"lockdown":[],"others":[],"others":[]')), twice('others'), 'told once')
  t.same(problems(file('"//":[{},{"x":[1,2],"x":[3]}]')), twice('//[1].x'))
  t.same(problems(file('"people":{"a\\"":{"blocked":true},"a\\"":{}}')), twice('people.a"'))
  t.same(
    problems(file('"groups":{"a":{}},"people":{"a":{"groups":["a","a"]},"{\\"a\\":[":{},"\\\\":{"blocked":false}}')),
    [],
    'values and other objects are no keys of this one',
  )
})

t.test('the example: windows, holidays, validity, blocking', async (t) => {
  // 2026-12-21 is a Monday.
  for (const [person, when, answer] of [
    ['Zoë', '2026-12-25 03:00', 'yes'],
    ['zoe\u0308  ', '2026-12-25 03:00', 'yes'],
    ['Ben', '2026-12-21 08:00', 'yes'],
    ['Ben', '2026-12-21 07:59', 'outside_hours'],
    ['Ben', '2026-12-22 18:00', 'outside_hours'],
    ['Ben', '2026-11-30 09:00', 'not_yet_valid'],
    ['Ben', '2026-12-25 10:00', 'holiday'],
    ['Ben', '2027-07-01 08:30', 'outside_hours'],
    ['Ada', '2026-12-19 10:00', 'yes'],
    ['Ada', '2026-12-19 14:00', 'outside_hours'],
    ['Rob', '2026-12-21 09:00', 'blocked'],
    ['Eve', '2026-12-21 09:00', 'unnamed'],
  ] as const)
    t.equal(ask(example, person, when), answer, `${person} ${when}`)
})

t.test('a night belongs to the day it begins on, its holiday included', async (t) => {
  const rules = parse({
    timeZone: 'Europe/Berlin',
    holidays: ['12-25'],
    groups: {
      night: { windows: ['mon-fri 22:00-06:00'] },
      holy: { windows: ['mon-fri 22:00-06:00'], holidays: ['01:00-02:00'] },
    },
    others: ['night'],
    people: { Ann: { groups: ['holy'] } },
  })
  for (const [person, when, answer] of [
    ['Bob', '2026-12-24 23:00', 'yes'],
    ['Bob', '2026-12-25 05:59', 'yes'],
    ['Bob', '2026-12-25 06:00', 'holiday'],
    ['Bob', '2026-12-25 22:30', 'holiday'],
    ['Bob', '2026-12-26 03:00', 'outside_hours'],
    ['Ann', '2026-12-25 01:30', 'yes'],
    ['Ann', '2026-12-25 22:30', 'holiday'],
  ] as const)
    t.equal(ask(rules, person, when), answer, `${person} ${when}`)
})

t.test('lockdown and open house', async (t) => {
  t.equal(ask(example, 'Zoë', '2026-12-21 09:00', 'lockdown'), 'yes', 'of a group that lockdown lets in')
  t.equal(ask(example, 'Ben', '2026-12-21 09:00', 'lockdown'), 'lockdown')
  t.equal(ask(example, 'Eve', '2026-12-21 09:00', 'open'), 'yes')
  t.equal(ask(example, 'Rob', '2026-12-21 09:00', 'open'), 'blocked', 'blocked is blocked')
  t.equal(ask(example, 'Ben', '2026-11-21 09:00', 'open'), 'not_yet_valid')
  t.ok(isOpenHouse(example, at('2026-12-19 10:00')))
  t.notOk(isOpenHouse(example, at('2026-12-26 10:00')), 'a Saturday, and a holiday')
  t.notOk(isOpenHouse(example, undefined), 'not without a clock')
})

t.test('without a clock, rights without time hold and others do not', async (t) => {
  t.equal(ask(example, 'Zoë', undefined), 'yes')
  t.equal(ask(example, 'Ben', undefined), 'clock')
  t.equal(ask(example, 'Ada', undefined), 'clock')
})

t.test('the reason names the rule', async (t) => {
  const right = rightOf(example, 'Ada', at('2026-12-20 10:00'), 'normal')
  t.match(right, { denied: 'outside_hours', why: /archive: mon,tue,wed,thu,fri 09:00-17:00|Ada: sat 10:00-14:00/ })
})

t.test('a rules file says what is wrong with it, all of it', async (t) => {
  const base = { timeZone: 'Europe/Berlin' }
  t.match(problems('{"timeZone":'), [/not valid JSON/])
  t.match(problems([]), [/not a JSON object/])
  t.match(problems({}), [/"timeZone" must be an IANA time zone/])
  t.match(problems({ timeZone: 'Mars/Olympus' }), [/Mars/])
  t.match(problems({ timeZone: '+01:00' }), [/IANA/])
  t.match(problems({ ...base, group: {} }), [/"group" is unknown; known are timeZone/])
  t.match(problems({ ...base, groups: { a: { windows: ['mo 8-9'] } } }), [/"groups.a.windows\[0\]" must be like/])
  t.match(problems({ ...base, groups: { a: { windows: ['mon 08:00-08:00'] } } }), [/must be like/])
  t.match(problems({ ...base, groups: { a: { windows: ['mon 08:00-24:30'] } } }), [/must be like/])
  t.match(problems({ ...base, groups: { a: { validUntil: '2026-02-30' } } }), [/must be a date/])
  t.match(problems({ ...base, groups: { a: { validFrom: '2026-02-03', validUntil: '2026-02-02' } } }), [
    /must not be before/,
  ])
  t.match(problems({ ...base, people: { Ann: { groups: ['x'] } } }), [
    /"people.Ann.groups\[0\]" must be the name of a group/,
  ])
  t.match(problems({ ...base, people: { Ann: {}, ann: {} } }), [/there twice/])
  t.match(problems({ ...base, people: { Ann: { twoPersonSeconds: 5 } } }), [/without "windows"/])
  t.match(problems({ ...base, holidays: ['13-40'] }), [/holidays\[0\]/])
  t.match(problems({ ...base, openHouse: {} }), [/"openHouse.door" must be/])
  t.match(problems({ ...base, intent: { zone: { left: 0.9, right: 0.1 } } }), [/left < right/])
  t.equal(problems({ timeZone: 1, x: 1, y: 2 }).length, 3)
})

t.test('days', async (t) => {
  const days = (text: string) =>
    parse({ timeZone: 'UTC', groups: { g: { windows: [`${text} 01:00-02:00`] } } }).groups.get('g')!.windows![0]!.days
  t.same(days('fri-mon'), [0, 4, 5, 6])
  t.same(days('mon,wed-thu'), [0, 2, 3])
  t.same(days('daily'), [0, 1, 2, 3, 4, 5, 6])
  t.ok(isDate('2028-02-29') && !isDate('2027-02-29') && !isDate('2027-2-9'))
  t.ok(isTimeZone('America/New_York') && !isTimeZone('') && !isTimeZone('Nowhere/Else'))
  t.same(civilTime(Date.UTC(2026, 11, 31, 23, 30), 'Europe/Berlin'), { date: '2027-01-01', minute: 30 })
})

t.test('a clock is believed when it is plausible and steady', async (t) => {
  const noon = Date.UTC(2026, 11, 1, 12)
  const first = lookAtClock(undefined, 0, noon)
  t.equal(believedTime(first.clock, 500), noon + 500, 'from the start on')
  const drift = lookAtClock(first.clock, 1000, noon + 1000 + 90_000)
  t.equal(drift.jump, undefined)
  const jump = lookAtClock(drift.clock, 2000, noon + 8 * 3_600_000)
  t.ok(jump.jump! > 7 * 3_600_000)
  t.equal(believedTime(jump.clock, 2000), undefined)
  t.equal(believedTime(jump.clock, 2000 + settleMs - 1), undefined)
  t.ok(believedTime(jump.clock, 2000 + settleMs))
  const asleep = lookAtClock(undefined, 0, 0)
  t.equal(believedTime(asleep.clock, 1e9), undefined, '1970 is never right')
  t.equal(believedTime(lookAtClock(asleep.clock, 1000, noon).clock, 1000), noon, 'a board that has just got its time')
  t.equal(believedTime(lookAtClock(undefined, 0, earliest - 1).clock, 0), undefined)
})

const intent: Intent = {
  facePixels: 60,
  faceShare: 0.15,
  frontal: 0.6,
  zone: { left: 0.25, top: 0, right: 0.75, bottom: 1 },
  dwellMs: 500,
  coolDownMs: 0,
}
const frame = { width: 640, height: 480 }
const box = (x: number, side: number) => ({ x: x - side / 2, y: 240 - side / 2, width: side, height: side })
const view = (x = 320, side = 100, pose = 1) => ({ box: box(x, side), frame, pose })

t.test('intent: near, frontal, in the zone', async (t) => {
  t.ok(intends(view(), intent))
  t.notOk(intends(view(320, 59), intent), 'too few pixels')
  t.notOk(intends(view(320, 71), intent), 'too small a part of the picture')
  t.notOk(intends(view(320, 100, 0.59), intent), 'looks away')
  t.notOk(intends(view(150), intent), 'beside the zone')
  t.ok(intends(view(1, 1, 0), noIntent))
})

t.test('intent: for long enough, blinks allowed, looking away not', async (t) => {
  const dwelling = new Dwelling()
  const see = (now: number, seen?: ReturnType<typeof view>) =>
    dwelling.see([{ id: 1, ...(seen && { view: seen }) }], intent, now).has(1)
  t.notOk(see(0, view()))
  t.notOk(see(400, view()), 'a gap longer than a blink begins anew')
  t.notOk(see(600, view()))
  t.notOk(see(700), 'not seen: never ready')
  t.ok(see(900, view()), 'half a second since 400')
  t.notOk(see(950, view(320, 100, 0.1)), 'looked away')
  t.notOk(see(1000, view()))
  dwelling.see([], intent, 1100)
  t.notOk(see(1500, view()), 'who was gone begins anew')
})

t.test('times that the clock skips are shown by no clock', async (t) => {
  for (const [zone, when, shown] of [
    ['Europe/Berlin', '2027-03-28 01:59', true],
    ['Europe/Berlin', '2027-03-28 02:00', false],
    ['Europe/Berlin', '2027-03-28 02:59', false],
    ['Europe/Berlin', '2027-03-28 03:00', true],
    ['Europe/Berlin', '2027-10-31 02:30', true],
    ['UTC', '2027-03-28 02:30', true],
    ['America/New_York', '2027-03-14 02:30', false],
    ['Australia/Lord_Howe', '2027-10-03 02:15', false],
    ['Australia/Lord_Howe', '2027-10-03 02:30', true],
    // Samoa went over the date line and left out a day.
    ['Pacific/Apia', '2011-12-30 12:00', false],
    ['Pacific/Apia', '2011-12-31 00:00', true],
    ['Asia/Kathmandu', '2027-03-28 02:30', true],
  ] as const)
    t.equal(isShown(at(when), zone), shown, `${zone} ${when}`)
})

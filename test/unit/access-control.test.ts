/** What the supervisor makes of rules, modes and a clock; on a hand-cranked timer wheel. */
import t from 'tap'
import { DoorWorld, noon, supervisorOptions } from '../support/door-world.js'

const base = { timeZone: 'UTC', groups: { all: {}, day: { windows: ['daily 08:00-20:00'] }, inner: {} } }
const ann = { track: 1, person: 'Ann' }
const ben = { track: 2, person: 'Ben' }

t.test('stopping leaves no timer behind', async (t) => {
  const world = new DoorWorld({ rulesFile: false })
  world.see([ann])
  world.input('door', true)
  world.input('exit', true)
  world.step({ type: 'stop' })
  t.same(world.waiting, [])
})

t.test('without a rules file everybody enrolled may enter', async (t) => {
  const world = new DoorWorld({ rulesFile: false })
  world.see([ann])
  t.ok(world.strike)
})

t.test('with a rules file that was never read nobody may, and the exit button works', async (t) => {
  const world = new DoorWorld()
  world.see([ann])
  t.notOk(world.strike)
  t.match(world.of('denied'), [{ person: 'Ann', detail: { reason: 'no_rules' } }])
  world.rules('{"timeZone":')
  t.match(world.of('rules_rejected'), [{ detail: { inForce: 'none', reason: /not valid JSON/ } }])
  t.match(world.complaints, [/no face opens the door/])
  t.equal(world.supervisor.report.rules, 'none')
  world.input('exit', true)
  t.ok(world.strike)
})

t.test('a denial is one event a visit and reason, and the door opens once the rules allow', async (t) => {
  const world = new DoorWorld({}, noon - 5 * 3_600_000)
  world.rules({ ...base, others: ['day'] })
  for (let i = 0; i < 50; i++) {
    world.see([ann])
    world.pass(100)
  }
  t.match(world.of('denied'), [
    { person: 'Ann', track: 1, detail: { reason: 'outside_hours', why: /day: daily 08:00-20:00/ } },
  ])
  t.equal(world.of('denied').length, 1)
  world.pass(3_600_000)
  world.see([ann])
  t.ok(world.strike, 'eight o’clock has come while he waited')
})

t.test('new rules are swapped whole, broken ones are not, and the last good ones stay', async (t) => {
  const world = new DoorWorld()
  world.rules({ ...base, people: { Ann: { groups: ['all'] } } })
  world.see([ann])
  t.ok(world.strike)
  world.pass(6000)
  world.rules({ ...base, people: { Ann: { groups: ['all'] }, Ben: { groups: ['nowhere'] } } })
  t.equal(world.supervisor.report.rules, 'last_good')
  t.match(world.complaints, [/people.Ben.groups\[0\].*the rules before it stay/])
  world.see([ann])
  t.ok(world.strike, 'Ann as before')
  world.pass(6000)
  world.rules({ ...base, people: { Ann: { blocked: true } } })
  t.equal(world.supervisor.report.rules, 'current')
  world.see([ann])
  t.notOk(world.strike)
  t.equal(world.of('rules_loaded').length, 2)
})

t.test('lockdown: nobody but the exit button and its groups, at once, and kept', async (t) => {
  const world = new DoorWorld()
  world.rules({ ...base, others: ['all'], people: { Ben: { groups: ['inner'] } }, lockdown: ['inner'] })
  world.see([ann])
  t.ok(world.strike)
  world.command('mode/set', 'lockdown')
  t.notOk(world.strike, 'an unlocking that is under way ends')
  t.equal(world.keptMode, 'lockdown')
  t.equal(world.topics.get('mode/state'), 'lockdown')
  t.match(world.of('mode_changed'), [{ detail: { mode: 'lockdown', by: 'remote' } }])
  world.pass(6000)
  world.see([ann])
  t.notOk(world.strike)
  world.command('lock/set', 'UNLOCK')
  t.notOk(world.strike)
  t.match(world.of('refused').at(-1), { detail: { reason: /lockdown/ } })
  world.see([ben])
  t.ok(world.strike)
  world.pass(6000)
  world.input('exit', true)
  t.ok(world.strike)
  const after = new DoorWorld({ mode: 'lockdown' })
  t.equal(after.topics.get('mode/state'), 'lockdown', 'after a power cut')
  t.match(after.of('started'), [{ detail: { mode: 'lockdown' } }])
})

t.test('mode commands are refused when retained, unknown, switched off, or without rules for them', async (t) => {
  for (const [payload, retained, options, reason] of [
    ['lockdown', true, {}, /retained/],
    ['party', false, {}, /one of normal, lockdown, open/],
    ['lockdown', false, { remoteMode: false }, /mqtt.remoteMode/],
    ['open', false, { remoteUnlock: false }, /mqtt.remoteUnlock/],
    ['open', false, {}, /"openHouse"/],
  ] as const) {
    const world = new DoorWorld(options)
    world.rules({ ...base, others: ['all'] })
    world.command('mode/set', payload, retained)
    t.match(world.of('refused'), [{ detail: { topic: 'mode/set', reason } }])
    t.equal(world.topics.get('mode/state'), 'normal')
  }
})

t.test('open house by rule: the strike is held, renewed within the bound, and let go at its end', async (t) => {
  const world = new DoorWorld({}, noon - 10_000)
  world.rules({ ...base, openHouse: { door: 'unlocked', windows: ['daily 12:00-13:00'] } })
  t.notOk(world.strike)
  world.pass(10_000)
  t.ok(world.strike)
  t.equal(world.topics.get('lock/state'), 'UNLOCKED')
  t.match(world.of('mode_changed'), [{ detail: { mode: 'open', by: 'rules' } }])
  let longest = 0
  world.onStep = () => {
    if (world.strike) longest = Math.max(longest, world.now - world.poweredAt)
  }
  world.pass(3_590_000)
  t.ok(world.strike)
  t.ok(longest <= supervisorOptions.door.strikeMs, `${longest} ms without being renewed`)
  world.command('lock/set', 'LOCK')
  t.match(world.of('refused').at(-1), { detail: { reason: /held unlocked/ } })
  world.input('door', true)
  t.ok(world.strike, 'also while somebody goes through')
  t.equal(world.of('forced').length, 0)
  world.input('door', false)
  world.pass(12_000)
  t.notOk(world.strike)
  t.equal(world.topics.get('mode/state'), 'normal')
})

t.test('open house by command: ends with lockdown, does not survive a restart', async (t) => {
  const world = new DoorWorld()
  world.rules({ ...base, openHouse: { door: 'known' } })
  world.see([ann])
  t.match(world.of('denied'), [{ detail: { reason: 'unnamed' } }])
  world.command('mode/set', 'open')
  t.equal(world.keptMode, 'normal', 'what a restart begins with')
  t.equal(world.topics.get('mode/state'), 'open')
  world.see([ann])
  t.ok(world.strike, 'known is enough')
  world.pass(6000)
  world.command('mode/set', 'lockdown')
  world.see([{ ...ben, track: 7 }])
  t.notOk(world.strike)
})

t.test('a clock that jumps is not believed for a while, and it is said', async (t) => {
  const world = new DoorWorld({}, noon - 6 * 3_600_000)
  world.rules({ ...base, people: { Ann: { groups: ['day'] }, Ben: { groups: ['all'] } } })
  world.see([ann])
  t.match(world.of('denied').at(-1), { detail: { reason: 'outside_hours' } })
  world.wall = noon
  world.pass(1000)
  t.match(world.of('clock_jumped'), [{ detail: { seconds: 21600 } }])
  t.equal(world.supervisor.report.clock, 'untrusted')
  world.see([ann])
  t.match(world.of('denied').at(-1), { detail: { reason: 'clock' } })
  world.see([ann, ben])
  t.ok(world.strike, 'who may come at any time needs no clock')
  world.pass(61_000)
  t.equal(world.supervisor.report.clock, 'ok')
  world.see([ann, { ...ben, track: 3 }])
  t.equal(world.of('granted').filter(({ person }) => person === 'Ann').length, 1)
  t.match(world.of('clock_untrusted').length, 1)
})

t.test('a clock of 1970 opens no window', async (t) => {
  const world = new DoorWorld({}, 12 * 3_600_000)
  world.rules({ ...base, others: ['day'], openHouse: { door: 'unlocked', windows: ['daily 00:00-24:00'] } })
  world.see([ann])
  world.pass(5000)
  t.notOk(world.strike)
  t.equal(world.supervisor.report.clock, 'untrusted')
})

t.test('two people: the second opens, and both are named', async (t) => {
  const world = new DoorWorld()
  world.rules({ ...base, groups: { two: { twoPersonSeconds: 10 } }, others: ['two'] })
  world.see([ann, { ...ann, track: 5 }])
  t.notOk(world.strike, 'one man on two tracks is one man')
  t.match(world.of('denied')[0], { person: 'Ann', detail: { reason: 'two_person', why: /within 10 s/ } })
  world.pass(10_001)
  world.see([ben])
  t.notOk(world.strike, 'too late')
  world.pass(5000)
  world.see([ann])
  t.ok(world.strike)
  t.match(world.of('granted'), [{ person: 'Ann', detail: { by: 'face', with: 'Ben' } }])
  world.see([ann, ben])
  t.equal(world.of('granted').length, 1, 'the second is in with the first')
})

t.test('who has been let in does not come again, unless the door stayed shut', async (t) => {
  const world = new DoorWorld()
  world.rules({ ...base, againSeconds: 60, groups: { g: {} }, others: ['g'] })
  world.see([ann])
  world.pass(7000)
  world.see([{ ...ann, track: 2 }])
  t.equal(world.of('granted').length, 2, 'nobody opened')
  world.input('door', true)
  world.input('door', false)
  world.pass(7000)
  world.see([{ ...ann, track: 3 }])
  t.notOk(world.strike)
  t.match(world.of('denied'), [{ detail: { reason: 'again' } }])
  world.see([{ ...ben, track: 4 }])
  t.ok(world.strike, 'somebody else may')
})

t.test('who walks past opens nothing and is not denied; who stops is let in', async (t) => {
  const world = new DoorWorld()
  const zone = { left: 0.3, right: 0.7 }
  world.rules({ ...base, others: ['all'], intent: { faceShare: 0.2, frontal: 0.6, zone, dwellSeconds: 0.5 } })
  const at = (x: number) => ({ x: x - 50, y: 190, width: 100, height: 100 })
  for (let x = 0; x <= 640; x += 40) {
    world.see([{ ...ann, box: at(x) }])
    world.pass(60)
  }
  t.notOk(world.strike)
  t.same(
    world.events.map(({ type }) => type).filter((type) => type !== 'started' && type !== 'rules_loaded'),
    ['known'],
  )
  for (let i = 0; i < 7; i++) {
    world.see([{ ...ann, track: 2, box: at(320), pose: i === 0 ? 0.3 : 1 }])
    world.pass(100)
  }
  t.ok(world.strike)
})

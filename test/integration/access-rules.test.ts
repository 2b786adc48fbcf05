/** The real supervisor with a rules file: who is known is let in only when the rules say so, and new rules count at once. */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { clip, facelatch, type Home, makeHome, root, startAppliance } from '../support/appliance.js'
import { noMosquitto, startMosquitto, watch } from '../support/mosquitto.js'
import { type Owner, temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(900_000)

/** As people do who take care: a new file in the place of the old one. */
function writeRules(file: string, value: unknown): void {
  writeFileSync(`${file}.new`, typeof value === 'string' ? value : JSON.stringify(value))
  renameSync(`${file}.new`, file)
}

/** A man is enrolled, and another recording of him plays for ever. */
async function homeOfAlex(t: Owner, rulesFile: string): Promise<Home> {
  const home = makeHome(t, {
    camera: { source: `file:${clip('cap13_edit2')}`, loop: true },
    door: { strikeSeconds: 0.5 },
    access: { rulesFile, rearmSeconds: 1 },
  })
  const from = ['--camera', '--source', `file:${clip('cap12_edit')}`, '--seconds', '3']
  const enrolled = await facelatch(['people', 'add', 'Alex', ...from, '--config', home.config])
  if (enrolled.code !== 0) throw new Error(enrolled.stderr)
  return home
}

/** Two hours that are far from now, in UTC. */
function otherHours(): string {
  const at = (hours: number) => `${String((new Date().getUTCHours() + hours) % 24).padStart(2, '0')}:00`
  return `daily ${at(10)}-${at(12)}`
}
const always = { timeZone: 'UTC', groups: { g: {} }, others: ['g'] }
/** The man of the recording is never at its left edge. */
const elsewhere = { ...always, intent: { zone: { left: 0, right: 0.05 } } }

t.test('hours, zone, new rules while it runs, and a broken file', async (t) => {
  const rules = join(temporaryDirectory(t), 'rules.json')
  const home = await homeOfAlex(t, rules)
  writeRules(rules, { ...always, groups: { g: { windows: [otherHours()] } } })
  const appliance = startAppliance(t, home)
  const powered = () => appliance.lines('lock').filter(({ value }) => value === 1).length
  const times = (text: RegExp) => appliance.log().match(new RegExp(text, 'g'))?.length ?? 0

  await until('he is denied', () => times(/denied .*outside_hours/) > 0)
  t.equal(powered(), 0, 'known, at the wrong time')
  await appliance.input('exit', 1)
  await until('the exit button opens', () => powered() === 1)
  await appliance.input('exit', 0)

  writeRules(rules, elsewhere)
  await until('the new rules are read', () => times(/rules_loaded/) === 2)
  await sleep(5000)
  t.equal(powered(), 1, 'outside the zone nobody is let in')

  writeRules(rules, always)
  await until('he is let in, without having gone', () => powered() > 1)
  writeRules(rules, '{"timeZone": "UTC", "groups": {')
  await until(
    'it is said',
    () => times(/rules file cannot be used: it is not valid JSON.*the rules before it stay/) > 0,
  )
  const opened = powered()
  await until('he is let in by the last good rules', () => powered() > opened)
  await appliance.stop()
  const types = (await appliance.events()).map(({ type }) => type)
  t.ok(types.includes('rules_rejected'))
  t.ok(types.indexOf('denied') < types.indexOf('granted'))

  const again = startAppliance(t, home)
  await until('it says so', () => /no face opens the door/.test(again.log()))
  await until('he is denied', () => /denied .*no_rules/.test(again.log()))
  t.notOk(
    again.lines('lock').some(({ value }) => value === 1),
    'started with broken rules: no face opens',
  )
  await again.input('exit', 1)
  await until('the exit button opens', () => again.lines('lock').some(({ value }) => value === 1))
  await again.stop()
})

t.test('modes over MQTT: lockdown outlives kill -9, open house does not', { skip: noMosquitto }, async (t) => {
  const broker = await startMosquitto(t)
  const rules = join(temporaryDirectory(t), 'rules.json')
  writeRules(rules, { ...always, openHouse: { door: 'unlocked' } })
  const home = makeHome(t, {
    mqtt: { url: broker.url, remoteMode: true, remoteUnlock: true },
    access: { rulesFile: rules },
    door: { strikeSeconds: 0.4 },
  })
  const home$ = await watch(t, broker.url)
  const [set, state] = ['facelatch/test/mode/set', 'facelatch/test/mode/state']
  const mode = () => home$.of(state).at(-1)
  await home$.publish(set, 'lockdown', true)
  const start = async () => {
    const appliance = startAppliance(t, home)
    await until('it guards the door', () => appliance.log().includes('guarding the door'))
    return appliance
  }

  let appliance = await start()
  await until('the refusal is told', () => home$.of('facelatch/test/event').some((text) => /retained/.test(text)))
  t.equal(mode(), 'normal', 'a retained command is not obeyed')
  await home$.publish(set, '', true)

  await home$.publish(set, 'open')
  await until('the house is open', () => mode() === 'open' && appliance.lines('lock').at(-1)?.value === 1)
  await sleep(3000)
  t.equal(appliance.lines('lock').at(-1)?.value, 1, 'held for longer than a grant, and the guard agrees')
  t.notMatch(appliance.log(), /longer than configured/)
  await appliance.stop('SIGKILL')
  await until('the guard lets go', () => appliance.lines('lock').at(-1)?.value === 0)

  appliance = await start()
  await until('it is normal again', () => mode() === 'normal')
  t.equal(appliance.lines('lock').at(-1)?.value, 0, 'an open house does not survive')
  await home$.publish(set, 'lockdown')
  await until('it is locked down', () => mode() === 'lockdown')
  await appliance.stop('SIGKILL')

  appliance = await start()
  const began = home$.of(state).length
  await home$.publish('facelatch/test/lock/set', 'UNLOCK')
  await until('that is refused', () =>
    home$.of('facelatch/test/event').some((text) => /the door is in lockdown/.test(text)),
  )
  t.equal(mode(), 'lockdown', `lockdown survives (${began} states)`)
  t.notOk(appliance.lines('lock').some(({ value }) => value === 1))
  await appliance.input('exit', 1)
  await until('the exit button opens', () => appliance.lines('lock').some(({ value }) => value === 1))
  await appliance.stop()
})

t.test('hold: powered until the door opens, and a bolt that does not follow is a jam', async (t) => {
  const door = {
    strikeMode: 'hold',
    holdSeconds: 20,
    strikeSeconds: 0.2,
    sensor: true,
    boltSensor: true,
    jamSeconds: 0.3,
  }
  const appliance = startAppliance(t, makeHome(t, { door }))
  await until('it guards the door', () => appliance.log().includes('guarding the door'))
  await appliance.input('bolt', 1)
  await appliance.input('exit', 1)
  await until('the jam is told', () => /jammed .*did not withdraw/.test(appliance.log()))
  await appliance.input('bolt', 0)
  await until('its end is told', () => /alarm_ended .*jammed/.test(appliance.log()))
  await sleep(1000)
  t.equal(appliance.lines('lock').at(-1)?.value, 1, 'still waiting for the door, beyond a pulse and its guard')
  await appliance.input('door', 1)
  t.equal(appliance.lines('lock').at(-1)?.value, 0, 'it opened')
  await appliance.stop()
  const wrong = makeHome(t, { door: { strikeMode: 'hold' } })
  for (const command of [['run'], ['config', 'check']]) {
    const refused = await facelatch([...command, '--config', wrong.config])
    t.equal(refused.code, 2)
    t.match(refused.stderr, /door.strikeMode is "hold" without a door contact; set door.sensor/)
  }
})

t.test('rules check and explain', async (t) => {
  const example = join(root, 'config/rules.example.json')
  const checked = await facelatch(['rules', 'check', example])
  t.equal(checked.code, 0)
  t.match(checked.stdout, /can be used: 4 people, 5 groups, time zone Europe\/Berlin/)
  const explain = (...args: string[]) => facelatch(['rules', 'explain', ...args, '--rules', example])
  t.match((await explain('Ben', '--at', '2026-12-21T09:00')).stdout, /^yes: Ben, mon 2026-12-21 09:00 .*: cleaners\n$/)
  t.match((await explain('Ada', '--at', '2026-12-21T08:30Z')).stdout, /^yes: Ada, mon 2026-12-21 09:30 .*second person/)
  t.match((await explain('Ben', '--at', '2026-12-25T09:00')).stdout, /^no: Ben, .*: holiday: .*closed\n$/)
  const bad = join(temporaryDirectory(t), 'bad.json')
  writeFileSync(bad, '{"timeZone":"Mars","x":1}')
  const wrong = await facelatch(['rules', 'check', bad])
  t.equal(wrong.code, 2)
  t.equal(wrong.stderr.trim().split('\n').length, 2, 'every problem, one a line')
  t.equal((await explain('Ben', '--at', 'noon')).code, 2)
  const skipped = await explain('Zoë', '--at', '2027-03-28T02:30')
  t.equal(skipped.code, 2)
  t.match(skipped.stderr, /2027-03-28T02:30 does not exist: the clock in Europe\/Berlin skips it/)
  t.equal((await explain('Zoë', '--at', '2027-03-28T03:00')).code, 0)
  t.equal((await explain('Zoë', '--at', '2026-10-25T02:30')).code, 0, 'a time that comes twice is a time')
  t.equal((await facelatch(['rules', 'explain'])).code, 2)
})

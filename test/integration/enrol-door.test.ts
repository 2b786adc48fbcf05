/** Enrolling at the door: the real supervisor and recognizer, recordings before the camera, fingers on simulated lines. */
import { once } from 'node:events'
import { watch as watchFile, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Appliance, clip, facelatch, type Home, makeHome, startAppliance } from '../support/appliance.js'
import { noMosquitto, startMosquitto, watch } from '../support/mosquitto.js'
import { type Owner, until } from '../support/temp.js'

t.setTimeout(900_000)

const enrolment = { seconds: 2, timeoutSeconds: 60, longPressSeconds: 0.6, admins: ['Ann'] }
type Clip = Parameters<typeof clip>[0]
const forEver = (name: Clip) => ({ source: `file:${clip(name)}`, loop: true })
const makeDoor = (t: Owner, camera: object, more: Record<string, unknown> = {}) =>
  makeHome(t, { camera, door: { strikeSeconds: 1 }, enrolment, ...more })
const configure = (home: Home, changes: object) =>
  writeFileSync(home.config, JSON.stringify({ ...home.settings, ...changes }))

async function press(appliance: Appliance, ms = 50) {
  await appliance.input('enrol', 1)
  await sleep(ms)
  await appliance.input('enrol', 0)
}
const told = (appliance: Appliance, what: RegExp) =>
  until(`it says ${what}`, () => {
    if (appliance.process.exitCode !== null) throw new Error(appliance.log())
    return what.test(appliance.log())
  })
const enrolAnn = async (home: Home) => {
  const source = ['--camera', '--source', `file:${clip('cap12_edit')}`, '--seconds', '3']
  const { code, stderr } = await facelatch(['people', 'add', 'Ann', ...source, '--config', home.config])
  if (code !== 0) throw new Error(stderr)
}
const people = async (home: Home) => {
  const { stdout } = await facelatch(['people', 'list', '--json', '--config', home.config])
  const rows = stdout.split('\n').filter(Boolean)
  return rows.map((row) => JSON.parse(row) as { name: string; templates: Record<string, number> })
}
const names = async (home: Home) => (await people(home)).map(({ name }) => name)

t.test('the first one to press is enrolled, and another recording of him opens', async (t) => {
  const home = makeDoor(t, forEver('cap12_edit'))
  const first = startAppliance(t, home)
  await told(first, /: unknown /)
  await press(first)
  await told(first, /"visitor-1" was enrolled/)
  await until('he is let in', () => first.lines('lock').some(({ value }) => value === 1))
  await first.stop()
  const [visitor] = await people(home)
  const templates = Object.values(visitor!.templates)[0]!
  t.ok(templates >= 5 && templates <= 10, `${templates} templates`)
  const events = await first.events()
  const enrolled = events.find(({ type }) => type === 'enrolled')
  t.match(enrolled, { person: 'visitor-1', by: 'button', authority: 'empty', templates })

  configure(home, { camera: { source: `file:${clip('cap13_edit2')}`, realtime: false } })
  const second = startAppliance(t, home)
  await until('he is let in', () => second.lines('lock').some(({ value }) => value === 1))
  await second.stop()
  const granted = (await second.events()).filter(({ type }) => type === 'granted')
  t.match(granted.at(-1), { person: 'visitor-1' })
})

t.test('a stranger cannot enrol himself; his button, and one held for long, do nothing', async (t) => {
  const home = makeDoor(t, forEver('franck'))
  await enrolAnn(home)
  const appliance = startAppliance(t, home)
  await told(appliance, /: unknown /)
  await press(appliance)
  await told(appliance, /refused .*no admin was seen just now/)
  await press(appliance, 900)
  await told(appliance, /refused .*nobody entitled to undo/)
  await sleep(3000)
  t.same(await names(home), ['Ann'])
  t.equal(appliance.lines('lock').filter(({ value }) => value === 1).length, 0)
  await appliance.input('exit', 1)
  await until('the exit button opens', () => appliance.lines('lock').some(({ value }) => value === 1))
  await appliance.stop()
})

/** A recording's first frames, then another recording, as one camera sees them. */
const oneAfterTheOther = (first: Clip, frames: number, second: Clip) => {
  const shape = 'decodebin ! videoconvert ! videoscale ! videorate ! video/x-raw,width=400,height=300,framerate=25/1'
  return {
    source: [
      `gst:filesrc location=${clip(first)} ! ${shape} ! identity eos-after=${frames} ! queue ! c.`,
      `filesrc location=${clip(second)} ! ${shape} ! queue ! c.`,
      'concat name=c ! identity sync=true',
    ].join(' '),
  }
}

t.test('an admin lets somebody else be enrolled, and is not enrolled again himself', async (t) => {
  const home = makeDoor(t, oneAfterTheOther('cap13_edit2', 150, 'franck'))
  await enrolAnn(home)
  const appliance = startAppliance(t, home)
  await told(appliance, /: known .*person=Ann/)
  await press(appliance)
  await told(appliance, /"visitor-1" was enrolled/)
  await until('the visitor is let in', async () =>
    (await appliance.events()).some(({ type, person }) => type === 'granted' && person === 'visitor-1'),
  )
  const enrolled = (await appliance.events()).find(({ type, by }) => type === 'enrolled' && by !== undefined)
  t.match(enrolled, { person: 'visitor-1', authority: 'admin', admin: 'Ann' })
  await appliance.stop()

  configure(home, { camera: { source: `file:${clip('cap13_edit2')}`, realtime: false } })
  const later = startAppliance(t, home)
  await told(later, /recording has ended/)
  await later.stop()
  const { seq } = (await later.events()).findLast(({ type }) => type === 'started') as { seq: number }
  const seen = (await later.events()).filter((event) => (event.seq as number) > seq && event.type === 'known')
  t.same([...new Set(seen.map(({ person }) => person))], ['Ann'], 'the visitor has nothing of the admin')
})

t.test('enrol/set, refusals, the undo, over a real broker', { skip: noMosquitto }, async (t) => {
  const broker = await startMosquitto(t)
  const home = makeDoor(t, forEver('franck'), {
    mqtt: { url: broker.url },
    enrolment: { ...enrolment, remote: true, firstBoot: false },
  })
  const watcher = await watch(t, broker.url)
  const set = 'facelatch/test/enrol/set'
  await watcher.publish(set, 'Mallory', true)
  const appliance = startAppliance(t, home)
  await told(appliance, /refused .*a retained command is never obeyed/)
  await told(appliance, /: unknown /)
  await watcher.publish(set, '', true)
  await watcher.publish(set, '{"nome":"x"}')
  await told(appliance, /refused .*the payload must be a name/)
  await watcher.publish(set, 'Ann')
  await told(appliance, /refused .*is an admin/)
  await watcher.publish(set, '{"name":"Zoë"}')
  await told(appliance, /"Zoë" was enrolled/)
  const states = () => watcher.of('facelatch/test/enrol/state').map((text) => JSON.parse(text))
  const event = (type: string) =>
    watcher
      .of('facelatch/test/event')
      .map((text) => JSON.parse(text))
      .find((event) => event.type === type)
  await until('the home hears of it', () => event('enrolled') !== undefined && event('granted') !== undefined)
  t.match(event('enrolled'), { person: 'Zoë', by: 'remote' })
  t.notOk(event('enrolled').replayed, 'it was sent at once')
  t.same(
    states()
      .map(({ state }) => state)
      .filter((state, i, all) => state !== all[i - 1])
      .slice(0, 4),
    ['idle', 'collecting', 'confirming', 'saved'],
  )
  t.match(
    states().find(({ state }) => state === 'saved'),
    { person: 'Zoë' },
  )

  // He is known by now: nobody is enrolled twice.
  await watcher.publish(set, 'Somebody else')
  await until('it fails', () => states().some(({ state, reason }) => state === 'failed' && reason === 'looks like Zoë'))
  await press(appliance, 900)
  await until('it is undone', () => event('removed') !== undefined)
  t.match(event('removed'), { reason: 'undone at the door' })
  t.same(await names(home), [])
  const before = states().length
  // In one go: his face may be collected faster than a busy machine tells us of it.
  await watcher.publish(set, 'Zoë')
  await watcher.publish(set, 'CANCEL')
  await until('it is cancelled', () => states().at(-1)?.reason === 'cancelled by command')
  const begun = states().slice(before)
  t.ok(
    begun.some(({ state }) => state === 'collecting'),
    'it had begun',
  )
  await appliance.stop()
  t.same(await names(home), [])
})

t.test('a supervisor killed in mid-enrolment leaves nobody, or somebody whole', async (t) => {
  const home = makeDoor(t, forEver('cap12_edit'))
  for (const [state, ms] of [
    ['collecting', 500],
    ['confirming', 0],
    ['confirming', 120],
    ['confirming', 300],
    // The moment in which the store's log grows.
    ['saving', 0],
    ['saving', 2],
  ] as const) {
    const appliance = startAppliance(t, home)
    await told(appliance, /: (unknown|known) /)
    await press(appliance)
    // The LED says how far it is: confirming blinks fast.
    const fast = () => {
      const led = appliance.lines('led').map(({ at }) => Date.parse(at))
      return led.slice(-2)[1]! - led.slice(-2)[0]! < 200
    }
    if (state !== 'collecting') await until('it confirms', fast, 40)
    if (state === 'saving') {
      const log = watchFile(`${home.folder}/facelatch.db-wal`)
      await once(log, 'change')
      log.close()
    }
    await sleep(ms)
    await appliance.stop('SIGKILL')
    const found = await people(home)
    const enrolled = (await appliance.events()).filter(({ type }) => type === 'enrolled').length
    const removed = (await appliance.events()).filter(({ type }) => type === 'removed').length
    t.equal(enrolled - removed, found.length, `${state} + ${ms} ms: ${found.length} people`)
    for (const { name, templates } of found) {
      t.ok(Object.values(templates)[0]! >= 5, 'whole')
      await facelatch(['people', 'remove', name, '--config', home.config])
    }
    const { code, stdout } = await facelatch(['events', '--verify', '--config', home.config])
    t.equal(code, 0, stdout)
  }
})

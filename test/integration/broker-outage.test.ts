import t from 'tap'
import { clip, makeHome, startAppliance } from '../support/appliance.js'
import { noMosquitto, startMosquitto, watch } from '../support/mosquitto.js'
import { until } from '../support/temp.js'

interface Event {
  id: string
  seq: number
  type: string
  replayed?: boolean
}

t.setTimeout(900_000)

t.test('events wait for an absent broker and arrive in order', { skip: noMosquitto }, async (t) => {
  const broker = await startMosquitto(t)
  const home = makeHome(t, {
    camera: { source: `file:${clip('franck')}`, loop: true },
    door: { strikeSeconds: 0.2 },
    mqtt: { url: broker.url, remoteUnlock: true },
  })
  const before = await watch(t, broker.url)
  await before.publish('facelatch/test/lock/set', 'UNLOCK', true)
  const appliance = startAppliance(t, home)
  const eventsOf = (texts: string[]) => texts.map((text) => JSON.parse(text) as Event)
  await until('events arrive', () => before.of('facelatch/test/event').some((text) => text.includes('"unknown"')))
  const early = eventsOf(before.of('facelatch/test/event'))
  t.notOk(early.find(({ type }) => type === 'unknown')?.replayed, 'what is sent at once is not marked')
  t.ok(
    early.some(({ type }) => type === 'refused'),
    'a retained command is refused, and that is told',
  )
  t.equal(appliance.lines('lock').length, 1, 'and the lock, initially at rest, does not move')
  t.equal(before.of('facelatch/test/availability').at(-1), 'online')
  const unlocks = appliance.lines('lock').length

  await broker.stop()
  await until('the outage is noticed', () => /mqtt: .*(lost|closed|refused|cannot)/i.test(appliance.log()))
  for (let press = 0; press < 3; press++) {
    await appliance.input('exit', 1)
    await until('the strike lets go', () => appliance.lines('lock').at(-1)?.value === 0)
    await appliance.input('exit', 0)
  }
  const moves = appliance.lines('lock').length
  t.equal(moves, unlocks + 6, 'the exit button works without a broker')

  await broker.start()
  const after = await watch(t, broker.url)
  const late = () => eventsOf(after.of('facelatch/test/event')).filter(({ type }) => type === 'exit')
  await until('the late events arrive', () => late().length >= 3)
  t.ok(
    late().every(({ replayed }) => replayed),
    'the late ones are marked',
  )
  const all = () => [...eventsOf(before.of('facelatch/test/event')), ...eventsOf(after.of('facelatch/test/event'))]
  const firsts = [...new Map(all().map((event) => [event.id, event.seq])).values()]
  t.same(
    firsts,
    [...firsts].sort((a, b) => a - b),
    'in order',
  )
  t.equal(appliance.lines('lock').length, moves, 'the lock did not move')

  await after.publish('facelatch/test/lock/set', 'UNLOCK')
  await until('a command is obeyed again', () => appliance.lines('lock').length > moves)
  await until('it is told', () => all().some(({ type }) => type === 'granted'))
  await appliance.stop()
  const kept = (await appliance.events()) as unknown as Event[]
  const last = all().at(-1)!
  const arrived = new Set(all().map(({ id }) => id))
  const lost = kept.filter(({ id, seq }) => seq <= last.seq && !arrived.has(id))
  t.same(lost, [], 'every event arrived')
})

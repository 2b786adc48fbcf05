/** The shipped access list, TLS and client certificates, on a real broker: what each of them may do, and what not. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeHome, root, startAppliance } from '../support/appliance.js'
import { createAuthority, type Identity } from '../support/certificates.js'
import { noMosquitto, startMosquitto, watch } from '../support/mosquitto.js'
import { until } from '../support/temp.js'

t.setTimeout(300_000)

const acl = join(root, 'config/mosquitto.acl')
const unlockTopic = 'facelatch/test/lock/set'

async function prepare(t: Test) {
  const authority = createAuthority(t)
  const broker = await startMosquitto(t, { tls: { ...authority.issue('server', '127.0.0.1'), ca: authority.ca }, acl })
  const url = broker.url.replace('mqtt:', 'mqtts:')
  const ca = readFileSync(authority.ca)
  const access = (identity: Identity) => ({ ca, cert: readFileSync(identity.cert), key: readFileSync(identity.key) })
  const door = authority.issue('test')
  const files = { caFile: authority.ca, certFile: door.cert, keyFile: door.key }
  const appliance = startAppliance(
    t,
    makeHome(t, { mqtt: { url, ...files, remoteUnlock: true }, door: { strikeSeconds: 0.2 } }),
  )
  const topics = ['facelatch/#', 'homeassistant/#']
  const home = await watch(t, url, { ...access(authority.issue('home')), topics })
  await until('the door is online', () => home.of('facelatch/test/availability').at(-1) === 'online')
  return { authority, url, ca, access, appliance, home }
}

t.test('the door and the home do all they need to', { skip: noMosquitto }, async (t) => {
  const { appliance, home } = await prepare(t)
  const config = 'homeassistant/device/facelatch/test/config'
  await until('the door has described itself', () => home.of(config).length > 0)
  t.match(JSON.parse(home.of(config)[0]!), { cmps: { lock: { p: 'lock', command_topic: unlockTopic } } })
  await home.publish(unlockTopic, 'UNLOCK')
  await until('the strike has worked', () => appliance.lines('lock').length === 3)
  const told = () => home.of('facelatch/test/event').map((text) => JSON.parse(text).type)
  await until('it is told', () => told().includes('granted'))
  await appliance.input('exit', 1)
  await until('the exit is told', () => told().includes('exit'))
  const described = home.of(config).length
  await home.publish('homeassistant/status', 'online')
  await until('a birth is answered', () => home.of(config).length > described)
  t.match(appliance.log(), /connected .*mqtt=5/)
  t.notMatch(appliance.log(), /error|warn.*mqtt/i, 'and nothing is refused')
})

t.test('nobody else hears or moves anything', { skip: noMosquitto }, async (t) => {
  const { authority, url, ca, access, appliance, home } = await prepare(t)
  const moves = appliance.lines('lock').length
  const known = (await appliance.events()).length
  const stranger = createAuthority(t)
  await t.rejects(watch(t, url, { ca }), 'without a certificate')
  await t.rejects(watch(t, url, { ...access(stranger.issue('home')), ca }), "with a certificate of one's own making")

  // Mosquitto takes the subscription and hands on nothing.
  const neighbour = await watch(t, url, { ...access(authority.issue('other-door')), topics: ['#', 'facelatch/#'] })
  const own = await watch(t, url, { ...access(authority.issue('third-door')), topics: 'facelatch/third-door/lock/set' })
  for (const payload of ['UNLOCK', '{"command":"UNLOCK"}']) {
    for (const retain of [false, true]) await own.publish(unlockTopic, payload, retain).catch(() => {})
  }
  await own.publish('facelatch/test/event', '{"type":"granted","forged":true}').catch(() => {})
  await own.publish('facelatch/test/lock/state', 'UNLOCKED', true).catch(() => {})
  await own.publish('homeassistant/device/facelatch/test/config', '', true).catch(() => {})
  await own.publish('homeassistant/status', 'online').catch(() => {})
  // The broker hands on in order: what the home sends now arrives after all of that.
  await home.publish('facelatch/test/recognizer/set', 'nonsense')
  const events = () => home.of('facelatch/test/event').map((text) => JSON.parse(text))
  await until('the home is heard', () => events().some(({ reason }) => /RESTART/.test(String(reason))))
  t.equal(appliance.lines('lock').length, moves, 'the lock did not move')
  t.notOk(events().some(({ forged }) => forged))
  t.notOk(home.of('facelatch/test/lock/state').includes('UNLOCKED'))
  t.notOk(home.of('homeassistant/device/facelatch/test/config').includes(''))
  const rows = (await appliance.events()).slice(known).filter(({ type }) => type !== 'camera_fault')
  t.same(
    rows.map(({ type }) => type).filter((type) => type === 'refused' || type === 'granted'),
    ['refused'],
    'nothing but what the home sent reached the door',
  )
  t.same(neighbour.received, [], 'another door hears nothing')
})

t.test('with passwords instead of certificates', { skip: noMosquitto }, async (t) => {
  const broker = await startMosquitto(t, { credentials: { username: 'home', password: 'secret' }, acl })
  await t.rejects(watch(t, broker.url), 'an anonymous client is not let in')
  await t.rejects(watch(t, broker.url, { username: 'home', password: 'guess' }))
  const home = await watch(t, broker.url, { username: 'home', password: 'secret', topics: 'facelatch/#' })
  t.same(home.received, [])
})

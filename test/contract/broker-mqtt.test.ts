/** What the MQTT broker adapter says and refuses, how long it waits, whom it trusts. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedBroker } from '../../firmware/adapters/broker-embedded.js'
import type { MqttBrokerOptions } from '../../firmware/adapters/broker-mqtt.js'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import type { Clock } from '../../firmware/ports.js'
import { createDevice, createDeviceAndWait, startDevice } from '../support/device.js'
import { freePort, noMosquitto, startEmbedded, startMosquitto, watch } from '../support/mosquitto.js'
import { temporaryDirectory, until } from '../support/temp.js'

// The runner's own 30 s are short for a busy machine.
t.setTimeout(180_000)

t.test('a wrong password is said once, and tried on until the broker agrees', async (t) => {
  const credentials = { username: 'door', password: 'right' }
  for (const start of noMosquitto ? [startEmbedded] : [startMosquitto, startEmbedded]) {
    const broker = await start(t, { credentials })
    const wrong = await createDeviceAndWait(t, broker.url, { username: 'door', password: 'wrong' })
    t.match(wrong.log.lines, [/refuses our user name or password: correct mqtt\.username .*; trying on/])
    t.notMatch(wrong.log.lines.join('\n'), /right|wrong/, 'no password in the log')
    await wrong.stop()
    const right = await startDevice(t, broker.url, credentials)
    t.equal(right.connected, true)
    const inUrl = await startDevice(t, broker.url.replace('//', '//door:right@'), { clientId: 'other' })
    t.equal(inUrl.connected, true)
  }
})

t.test('an absent broker and an unknown host are said once', async (t) => {
  const refused = await createDeviceAndWait(t, `mqtt://127.0.0.1:${await freePort()}`)
  t.match(refused.log.lines, [
    /no connection: nothing listens at 127\.0\.0\.1:\d+: start the broker or correct mqtt\.url/,
  ])
  t.equal(refused.log.lines.length, 1)
  const unknown = await createDeviceAndWait(t, 'mqtt://nowhere.invalid')
  t.match(unknown.log.lines, [/the host nowhere\.invalid is unknown: correct mqtt\.url/])
  t.equal(unknown.log.lines.length, 1)
})

t.test('waits between attempts grow to five seconds and differ between devices', async (t) => {
  for (const [random, expected] of [
    [0, [0.5, 1, 2, 2.5, 2.5, 2.5]],
    [1, [1, 2, 4, 5, 5, 5]],
  ] as const) {
    const waits: number[] = []
    const clock: Clock = {
      ...systemClock,
      after(ms, callback) {
        waits.push(ms / 1000)
        return systemClock.after(1, callback)
      },
    }
    const device = createDevice(t, `mqtt://127.0.0.1:${await freePort()}`, { clock, random: () => random, timing: {} })
    await device.start()
    await until('it has tried', () => waits.length >= expected.length)
    await device.stop()
    t.same(waits.slice(0, expected.length), expected)
  }
})

t.test(
  'TLS: a broker nobody vouches for is refused, one with our authority is not',
  { skip: noMosquitto },
  async (t) => {
    const directory = temporaryDirectory(t)
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    const form = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    try {
      execFileSync('openssl', ['req', ...form, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    } catch {
      t.pass('no openssl here')
      return
    }
    const broker = await startMosquitto(t, { tls: { cert, key } })
    const url = broker.url.replace('mqtt:', 'mqtts:')
    const stranger = await createDeviceAndWait(t, url)
    t.match(stranger.log.lines, [/no TLS with 127\.0\.0\.1:\d+: self-signed certificate: look at mqtt\.caFile/])
    t.equal(stranger.log.lines.length, 1)
    const known = await startDevice(t, url, { ca: readFileSync(cert) })
    t.equal(known.connected, true)
    const plain = await createDeviceAndWait(t, broker.url)
    t.match(plain.log.lines, [/closed the connection/])
  },
)

t.test('a configuration that can never work stops the start', async (t) => {
  const fails = (url: string, more: Partial<MqttBrokerOptions>, message: RegExp) =>
    t.rejects(createDevice(t, url, more).start(), { message })
  await fails('localhost', {}, /mqtt\.url is no URL/)
  await fails('http://localhost', {}, /only mqtt:\/\/ and mqtts:\/\//)
  await fails('mqtt://door:50%@localhost', {}, /% that is no escape/)
  await fails('mqtt://localhost', { prefix: 'facelatch/+' }, /is no topic/)
  await fails('mqtt://localhost', { ca: 'x' }, /need a TLS broker/)
  await fails('mqtts://localhost', { cert: 'x', key: 'y' }, /do not make a TLS identity/)
})

t.test('the embedded broker says who has its port', async (t) => {
  const first = await startEmbeddedBroker({ port: 0 })
  const port = Number(new URL(first.url).port)
  await t.rejects(startEmbeddedBroker({ port }), {
    message: `embedded broker: 127.0.0.1 port ${port} is in use: stop the program that listens there or choose another port`,
  })
  const watcher = await watch(t, first.url)
  await first.close()
  await watcher.close()
  const again = await startEmbeddedBroker({ port })
  await again.close()
})

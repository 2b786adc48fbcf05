/** What the MQTT broker adapter says and refuses, how long it waits, whom it trusts. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedBroker } from '../../firmware/adapters/broker-embedded.js'
import type { MqttBrokerOptions } from '../../firmware/adapters/broker-mqtt.js'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import type { Clock } from '../../firmware/ports.js'
import { createDevice, createDeviceAndWait, startDevice } from '../support/device.js'
import { freePort, noMosquitto, startEmbedded, startMosquitto, watch } from '../support/mosquitto.js'
import { type Owner, temporaryDirectory, until } from '../support/temp.js'

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
    execFileSync('openssl', ['req', ...form, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
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

t.test('MQTT 5 where the broker speaks it, 3.1.1 where not', async (t) => {
  const versions: [string, () => Promise<{ url: string }>, string][] = [
    ['embedded, which says that it does not', () => startEmbedded(t), '3.1.1'],
    ['one that closes without a word', async () => closesOnVersion5(t, await startEmbedded(t)), '3.1.1'],
    ...(noMosquitto ? [] : [['mosquitto', () => startMosquitto(t), '5'] satisfies (typeof versions)[number]]),
  ]
  for (const [name, start, version] of versions) {
    const device = await startDevice(t, (await start()).url)
    t.match(device.log.lines, [new RegExp(`info: connected .*"mqtt":"${version}"`)], name)
    t.equal(device.log.lines.length, 1, 'and nobody is warned of it')
    await device.stop()
  }
})

/** Between us and a broker: looks at the protocol level of CONNECT, MQTT 3.1.1 section 3.1.2.2. */
async function closesOnVersion5(t: Owner, broker: { port: number }): Promise<{ url: string }> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (first) => {
      if (first[first.indexOf('MQTT') + 4] === 5) return socket.destroy()
      const on = connect(broker.port, '127.0.0.1')
      on.on('error', () => socket.destroy())
      on.write(first)
      return socket.pipe(on).pipe(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

t.test('what the broker forbids is said once', { skip: noMosquitto }, async (t) => {
  const acl = join(temporaryDirectory(t), 'acl')
  writeFileSync(acl, 'topic read #\n')
  const broker = await startMosquitto(t, { acl })
  const device = await startDevice(t, broker.url)
  await t.rejects(device.publish('event', '1'), /Not authorized/)
  await t.rejects(device.publish('event', '2'), /Not authorized/)
  const said = device.log.lines.filter((line) => line.includes('/event'))
  t.match(said, [/error: the broker refuses what we publish: let our user write it/])
  t.equal(said.length, 1)
})

t.test('all states are sent again when somebody asks', async (t) => {
  const broker = await startEmbedded(t)
  const device = await startDevice(t, broker.url)
  device.state('a', '1')
  device.state('/elsewhere', '2')
  const watcher = await watch(t, broker.url)
  await until('the states came', () => watcher.received.length === 3)
  device.refresh()
  await until('they came again', () => watcher.received.length === 5)
  t.same(
    [watcher.of(`${'facelatch/test'}/a`), watcher.of('elsewhere')],
    [
      ['1', '1'],
      ['2', '2'],
    ],
  )
})

t.test(
  'a command that its sender lets the broker keep is told as retained at once',
  { skip: noMosquitto },
  async (t) => {
    const broker = await startMosquitto(t)
    const device = await startDevice(t, broker.url)
    const watcher = await watch(t, broker.url)
    await watcher.publish('facelatch/test/lock/set', 'UNLOCK', true)
    await until('it came', () => device.commands.length === 1)
    t.equal(device.commands[0]!.retained, true)
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

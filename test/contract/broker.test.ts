/** The same promises of the Broker port, kept against two real brokers: mosquitto and the embedded one. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startEmbeddedBroker } from '../../firmware/adapters/broker-embedded.js'
import { createMqttBroker, type MqttBrokerOptions } from '../../firmware/adapters/broker-mqtt.js'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import type { Broker, BrokerCommand, Clock } from '../../firmware/ports.js'
import {
  type BrokerProcess,
  end,
  freePort,
  noMosquitto,
  spawnChild,
  startEmbedded,
  startMosquitto,
  watch,
} from '../support/mosquitto.js'
import { type MemoryLog, memoryLog, temporaryDirectory, until } from '../support/temp.js'

// The runner's own 30 s are short for a busy machine.
t.setTimeout(180_000)

const prefix = 'facelatch/test'
const commandTopics = ['lock/set', '/homeassistant/status']
const quick = { shortestWait: 20, longestWait: 200 }

interface Device extends Broker {
  readonly log: MemoryLog
  readonly commands: BrokerCommand[]
  /** What `onConnection` said. */
  readonly connections: boolean[]
}

function createDevice(t: Test, url: string, more: Partial<MqttBrokerOptions> = {}): Device {
  const log = memoryLog()
  const clientId = 'facelatch-test'
  const broker = createMqttBroker({
    url,
    clientId,
    prefix,
    commandTopics,
    log,
    clock: systemClock,
    timing: quick,
    ...more,
  })
  const commands: BrokerCommand[] = []
  const connections: boolean[] = []
  broker.onCommand((command) => commands.push(command))
  broker.onConnection((connected) => connections.push(connected))
  t.teardown(() => broker.stop())
  return Object.assign(Object.create(broker), { log, commands, connections })
}

async function startDevice(t: Test, url: string, more: Partial<MqttBrokerOptions> = {}): Promise<Device> {
  const device = createDevice(t, url, more)
  await device.start()
  await until('the device is connected', () => device.connected)
  return device
}

const makes: [string, (t: Test) => Promise<BrokerProcess>, string | false][] = [
  ['mosquitto', startMosquitto, noMosquitto],
  ['embedded', startEmbedded, false],
]

for (const [name, startBroker, skip] of makes) {
  t.test(name, { skip }, async (t) => {
    t.test('a device greets with its states, then with online, all retained', async (t) => {
      const broker = await startBroker(t)
      const early = await watch(t, broker.url)
      const device = createDevice(t, broker.url)
      device.state('state', 'old')
      device.state('state', 'new')
      device.state('lock/state', 'LOCKED')
      await device.start()
      await until('it is online', () => early.of(`${prefix}/availability`).length > 0)
      t.same(
        early.received.map(({ topic, payload }) => `${topic} ${payload}`),
        [`${prefix}/state new`, `${prefix}/lock/state LOCKED`, `${prefix}/availability online`],
      )
      const late = await watch(t, broker.url)
      await until('the retained states came', () => late.received.length === 3)
      t.ok(late.received.every(({ retained }) => retained))
      t.equal(device.connected, true)
      t.same(device.connections, [true])
    })

    t.test('events are acknowledged, in order, and not retained', async (t) => {
      const broker = await startBroker(t)
      const watcher = await watch(t, broker.url)
      const device = await startDevice(t, broker.url)
      const numbers = Array.from({ length: 300 }, (_, i) => String(i))
      await Promise.all(numbers.map((number) => device.publish('event', number)))
      await until('all came', () => watcher.of(`${prefix}/event`).length >= numbers.length)
      t.same(watcher.of(`${prefix}/event`), numbers)
      const late = await watch(t, broker.url)
      await until('the retained state came', () => late.of(`${prefix}/availability`).length > 0)
      t.same(late.of(`${prefix}/event`), [])
    })

    t.test('commands come with their topic and their retained flag', async (t) => {
      const broker = await startBroker(t)
      const watcher = await watch(t, broker.url)
      await watcher.publish(`${prefix}/lock/set`, 'stale', true)
      const device = await startDevice(t, broker.url)
      await until('the retained one came', () => device.commands.length === 1)
      await watcher.publish(`${prefix}/lock/set`, 'UNLOCK')
      await watcher.publish('homeassistant/status', 'online')
      await watcher.publish(`${prefix}/else`, 'not asked for')
      await until('the others came', () => device.commands.length === 3)
      t.same(
        device.commands.map(({ topic, payload, retained }) => [topic, payload.toString(), retained]),
        [
          ['lock/set', 'stale', true],
          ['lock/set', 'UNLOCK', false],
          ['/homeassistant/status', 'online', false],
        ],
      )
    })

    t.test('a listener that throws does not keep the others from hearing', async (t) => {
      const broker = await startBroker(t)
      const watcher = await watch(t, broker.url)
      const device = createDevice(t, broker.url)
      device.onCommand(() => {
        throw new Error('clumsy')
      })
      let heard = 0
      device.onCommand(() => heard++)
      await device.start()
      await until('it is connected', () => device.connected)
      await watcher.publish(`${prefix}/lock/set`, 'UNLOCK')
      await until('the command came', () => heard === 1)
      t.match(device.log.lines.join('\n'), /error: listener failed/)
    })

    t.test('a device that is killed is offline by its will', async (t) => {
      const broker = await startBroker(t)
      const watcher = await watch(t, broker.url)
      const adapters = new URL('../../firmware/adapters/', import.meta.url).href
      const child = spawnChild(t, process.execPath, [
        '--input-type=module',
        '--eval',
        `const { createMqttBroker } = await import('${adapters}broker-mqtt.js')
         const { systemClock: clock } = await import('${adapters}clock-system.js')
         const log = { debug() {}, info() {}, warn() {}, error() {} }
         const options = { url: '${broker.url}', clientId: 'x', prefix: '${prefix}', commandTopics: [], log, clock }
         await createMqttBroker(options).start()`,
      ])
      await until('it is online', () => watcher.of(`${prefix}/availability`).includes('online'))
      await end(child, 'SIGKILL')
      await until('it is offline', () => watcher.of(`${prefix}/availability`).at(-1) === 'offline')
      const late = await watch(t, broker.url)
      await until('the retained will came', () => late.of(`${prefix}/availability`).length > 0)
      t.same(late.of(`${prefix}/availability`), ['offline'])
    })

    t.test('a will of an earlier connection that comes late is answered', async (t) => {
      const broker = await startBroker(t)
      await startDevice(t, broker.url)
      const watcher = await watch(t, broker.url)
      await until('it is online', () => watcher.of(`${prefix}/availability`).at(-1) === 'online')
      await watcher.publish(`${prefix}/availability`, 'offline', true)
      await until('it says online again', () => watcher.of(`${prefix}/availability`).length === 3)
      t.same(watcher.of(`${prefix}/availability`), ['online', 'offline', 'online'])
    })

    t.test('a broker that was killed finds states and subscriptions again, and nothing twice', async (t) => {
      const broker = await startBroker(t)
      const device = await startDevice(t, broker.url)
      device.state('lock/state', 'LOCKED')
      await device.publish('event', 'before')
      // Frozen first, so that the event is surely under way when the broker dies.
      broker.freeze()
      const lost = device.publish('event', 'under way')
      const [refused] = await Promise.all([t.rejects(lost, /closed the connection|does not answer/), broker.kill()])
      t.ok(refused)
      await until('the device knows', () => !device.connected)
      await t.rejects(device.publish('event', 'while away'), /not connected/)
      device.state('lock/state', 'UNLOCKED')

      await broker.start()
      const watcher = await watch(t, broker.url)
      await until('it is online again', () => watcher.of(`${prefix}/availability`).includes('online'))
      await device.publish('event', 'after')
      await until('the event came', () => watcher.of(`${prefix}/event`).includes('after'))
      t.same(watcher.of(`${prefix}/event`), ['after'])
      t.same(watcher.of(`${prefix}/lock/state`), ['UNLOCKED'])
      await watcher.publish(`${prefix}/lock/set`, 'LOCK')
      await until('the command came', () => device.commands.length === 1)
      t.same(device.connections, [true, false, true])
      const warnings = device.log.lines.filter((line) => line.startsWith('warn'))
      t.match(warnings[0], /connection lost: 127\.0\.0\.1:\d+ closed the connection: .*; trying on/)
      t.equal(new Set(warnings).size, warnings.length, 'one line for each reason')
    })

    t.test('a broker that goes properly is found again', async (t) => {
      const broker = await startBroker(t)
      const device = await startDevice(t, broker.url)
      await broker.stop()
      await until('the device knows', () => !device.connected)
      await broker.start()
      await until('it is back', () => device.connected)
      t.same(device.connections, [true, false, true])
    })

    t.test('a broker that hangs is given up, and what it had swallowed is not sent again', async (t) => {
      const broker = await startBroker(t)
      const watcher = await watch(t, broker.url)
      const device = await startDevice(t, broker.url, { timing: { ...quick, connect: 500, acknowledge: 500 } })
      broker.freeze()
      await t.rejects(device.publish('event', 'swallowed'), /127\.0\.0\.1:\d+ does not answer/)
      t.equal(device.connected, false)
      t.match(device.log.lines.at(-1), /warn: connection lost: .* does not answer: .*did not acknowledge/)
      broker.thaw()
      await until('it is back', () => device.connected)
      await device.publish('event', 'after')
      await until('the event came', () => watcher.of(`${prefix}/event`).includes('after'))
      t.ok(watcher.of(`${prefix}/event`).filter((payload) => payload === 'swallowed').length <= 1)
      await until('it is online', () => watcher.of(`${prefix}/availability`).at(-1) === 'online')
    })

    t.test('a broker that hangs while nothing is sent is noticed too', async (t) => {
      const broker = await startBroker(t)
      const device = await startDevice(t, broker.url, { timing: { ...quick, connect: 500, keepalive: 1 } })
      broker.freeze()
      await until('the device knows', () => !device.connected)
      t.match(device.log.lines.at(-1), /does not answer/)
      broker.thaw()
      await until('it is back', () => device.connected)
    })

    t.test('stop says offline and leaves, and refuses what comes after', async (t) => {
      const broker = await startBroker(t)
      const watcher = await watch(t, broker.url)
      const device = await startDevice(t, broker.url)
      await until('it is online', () => watcher.of(`${prefix}/availability`).length === 1)
      await device.stop()
      await until('it is offline', () => watcher.of(`${prefix}/availability`).length > 1)
      await watcher.publish('marker', 'x')
      await until('the marker came', () => watcher.of('marker').length > 0)
      t.same(watcher.of(`${prefix}/availability`), ['online', 'offline'], 'and not by the will once more')
      await t.rejects(device.publish('event', 'late'), /not connected/)
      t.equal(device.connected, false)
    })

    t.test('stop ends although the broker hangs, and although there is none', async (t) => {
      const broker = await startBroker(t)
      const hung = await startDevice(t, broker.url)
      broker.freeze()
      const waiting = hung.publish('event', 'x')
      await Promise.all([t.rejects(waiting, /stopping/), hung.stop()])
      const alone = createDevice(t, `mqtt://127.0.0.1:${await freePort()}`)
      await alone.start()
      await alone.stop()
      t.pass('both ended')
    })
  })
}

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

/** Waits for some attempts, as many as would make a log long. */
async function createDeviceAndWait(t: Test, url: string, more: Partial<MqttBrokerOptions> = {}): Promise<Device> {
  let attempts = 0
  const clock: Clock = {
    ...systemClock,
    after(ms, callback) {
      attempts += 1
      return systemClock.after(ms, callback)
    },
  }
  const device = createDevice(t, url, { ...more, clock })
  await device.start()
  await until('it has tried a few times', () => attempts >= 4)
  return device
}

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

t.test('waits between attempts grow to half a minute and differ between devices', async (t) => {
  for (const [random, expected] of [
    [0, [1, 2, 4, 8, 15, 15]],
    [1, [2, 4, 8, 16, 30, 30]],
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

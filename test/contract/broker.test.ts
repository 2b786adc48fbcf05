/** The same promises of the Broker port, kept against two real brokers: mosquitto and the embedded one. */
import t, { type Test } from 'tap'
import { end, firmware, script, silentLog, spawnChild } from '../support/child.js'
import { createDevice, prefix, quick, startDevice } from '../support/device.js'
import {
  type BrokerProcess,
  freePort,
  noMosquitto,
  startEmbedded,
  startMosquitto,
  watch,
} from '../support/mosquitto.js'
import { until } from '../support/temp.js'

// The runner's own 30 s are short for a busy machine.
t.setTimeout(180_000)

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
      // It says so after it has asked for its commands.
      await until('it is online', () => watcher.of(`${prefix}/availability`).includes('online'))
      await watcher.publish(`${prefix}/lock/set`, 'UNLOCK')
      await until('the command came', () => heard === 1)
      t.match(device.log.lines.join('\n'), /error: listener failed/)
    })

    t.test('a device that is killed is offline by its will', async (t) => {
      const broker = await startBroker(t)
      const watcher = await watch(t, broker.url)
      const code = `
        const { createMqttBroker } = await import(${firmware('adapters/broker-mqtt.js')})
        const { systemClock: clock } = await import(${firmware('adapters/clock-system.js')})
        const options = { url: '${broker.url}', clientId: 'x', prefix: '${prefix}', commandTopics: [] }
        await createMqttBroker({ ...options, clock, log: ${silentLog} }).start()`
      const child = spawnChild(t, script(code))
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

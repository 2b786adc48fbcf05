/** A device on a broker, which notes what it was told. */
import { createMqttBroker, type MqttBrokerOptions } from '../../firmware/adapters/broker-mqtt.js'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import type { Broker, BrokerCommand, Clock } from '../../firmware/ports.js'
import { type MemoryLog, memoryLog, type Owner, until } from './temp.js'

export const prefix = 'facelatch/test'
const commandTopics = ['lock/set', '/homeassistant/status']
export const quick = { shortestWait: 20, longestWait: 200 }

export interface Device extends Broker {
  readonly log: MemoryLog
  readonly commands: BrokerCommand[]
  /** What `onConnection` said. */
  readonly connections: boolean[]
}

export function createDevice(t: Owner, url: string, more: Partial<MqttBrokerOptions> = {}): Device {
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

export async function startDevice(t: Owner, url: string, more: Partial<MqttBrokerOptions> = {}): Promise<Device> {
  const device = createDevice(t, url, more)
  await device.start()
  await until('the device is connected', () => device.connected)
  return device
}

/** Waits for some attempts, as many as would make a log long. */
export async function createDeviceAndWait(
  t: Owner,
  url: string,
  more: Partial<MqttBrokerOptions> = {},
): Promise<Device> {
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

/** The home as configured: its broker, and the topics that are listened to. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { startEmbeddedBroker } from './adapters/broker-embedded.js'
import { createMqttBroker, tryLogin } from './adapters/broker-mqtt.js'
import { systemClock } from './adapters/clock-system.js'
import { birthTopic } from './app/home-assistant.js'
import type { Config } from './config.js'
import { commandWords } from './domain/commands.js'
import type { Broker, Log } from './ports.js'
import { inRoot } from './root.js'
import { readCredentials } from './secrets.js'

export async function createBroker(config: Config, log: Log): Promise<{ broker: Broker; close: () => Promise<void> }> {
  const { mqtt, device } = config
  if (mqtt.url === '') return { broker: noBroker, close: async () => {} }
  const embedded = mqtt.url.startsWith('embedded:') ? await startEmbeddedBroker(portOf(mqtt.url)) : undefined
  const broker = createMqttBroker({
    url: embedded?.url ?? mqtt.url,
    clientId: `facelatch-${createHash('sha256').update(device.id).digest('hex').slice(0, 16)}`,
    prefix: `${mqtt.baseTopic}/${device.id}`,
    commandTopics: [...Object.keys(commandWords), ...(mqtt.discovery ? [birthTopic(config)] : [])],
    log,
    clock: systemClock,
    ...(mqtt.username ? { username: mqtt.username } : {}),
    ...readCredentials(config),
  })
  return { broker, close: async () => embedded?.close() }
}

/** Whether the broker lets us in, as somebody else than the facelatch that runs. Undefined when it does. */
export const tryBroker = (config: Config) =>
  tryLogin({
    url: config.mqtt.url,
    clientId: `facelatch-doctor-${process.pid}`,
    prefix: `${config.mqtt.baseTopic}/${config.device.id}`,
    timeoutMs: 3000,
    ...(config.mqtt.username ? { username: config.mqtt.username } : {}),
    ...readCredentials(config),
  })

export const packageVersion = (): string => JSON.parse(readFileSync(inRoot('package.json'), 'utf8')).version

/** Only ever on loopback: it asks nobody for a password. */
const portOf = (url: string) => ({ port: Number(new URL(url).port || 1883) })

/** `mqtt.url: ""`: a door without a home. */
const noBroker: Broker = {
  connected: false,
  start: async () => {},
  onConnection: () => {},
  onCommand: () => {},
  state: () => {},
  refresh: () => {},
  publish: async () => {
    throw new Error('there is no broker')
  },
  stop: async () => {},
}

/** The home as configured: its broker, the secrets shared with it, and the topics that are listened to. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { startEmbeddedBroker } from './adapters/broker-embedded.js'
import { createMqttBroker } from './adapters/broker-mqtt.js'
import { systemClock } from './adapters/clock-system.js'
import { UserError } from './app/errors.js'
import { birthTopic } from './app/home-assistant.js'
import type { Config } from './config.js'
import { commandWords } from './domain/commands.js'
import type { Broker, Log } from './ports.js'
import { inRoot } from './root.js'

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
    ...readSecrets(config),
  })
  return { broker, close: async () => embedded?.close() }
}

export interface Code {
  /** In constant time. */
  readonly matches: (given: string) => boolean
  readonly isNumeric: boolean
}

/** The code of remote unlocking, where one is asked for. @throws UserError for a file that holds none. */
export function readCode({ mqtt }: Config): Code | undefined {
  if (mqtt.codeFile === '') return undefined
  const code = readSecret('codeFile', mqtt.codeFile).toString('utf8').trim()
  if (code.length < 4 || code.length > 64)
    throw new UserError(
      `mqtt.codeFile ${mqtt.codeFile} holds no code of 4 to 64 characters; write one into its first line`,
      2,
    )
  const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest()
  const wanted = digest(code)
  return { matches: (given) => timingSafeEqual(digest(given), wanted), isNumeric: /^\d+$/.test(code) }
}

export const packageVersion = (): string => JSON.parse(readFileSync(inRoot('package.json'), 'utf8')).version

/** Only ever on loopback: it asks nobody for a password. */
const portOf = (url: string) => ({ port: Number(new URL(url).port || 1883) })

function readSecrets({ mqtt }: Config) {
  const read = (key: 'passwordFile' | 'caFile' | 'certFile' | 'keyFile') =>
    mqtt[key] ? readSecret(key, mqtt[key]) : undefined
  const password = read('passwordFile')
    ?.toString('utf8')
    .replace(/\r?\n$/, '')
  const ca = read('caFile')
  const cert = read('certFile')
  const key = read('keyFile')
  return { ...(password !== undefined && { password }), ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
}

function readSecret(key: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UserError(
      `cannot read mqtt.${key} ${file}: ${(error as NodeJS.ErrnoException).code}; check the path and its permissions`,
    )
  }
}

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

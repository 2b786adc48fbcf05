/**
 * Home Assistant finds the device by itself: one retained message describes it and everything it has. It is sent at each
 * start, and once more, with all states, when Home Assistant says that it was born.
 * https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 */
import type { Config } from '../config.js'
import type { Broker, BrokerCommand, Clock } from '../ports.js'
import { componentsOf, type Facts } from './home-assistant-components.js'

export interface HomeAssistantOptions {
  readonly config: Config
  readonly facts: Facts
  readonly version: string
  readonly broker: Broker
  readonly clock: Clock
  /** In [0, 1). */
  readonly random?: () => number
}

/** A house of devices does not answer a birth all at once: each waits for up to this, ms. */
const longestWaitMs = 5_000

export const birthTopic = ({ mqtt }: Config) => `/${mqtt.discoveryPrefix}/status`

/** The node is `facelatch` and the object is the device, so that an access list can name both as levels of a topic. */
export const discoveryTopic = ({ mqtt, device }: Config) =>
  `/${mqtt.discoveryPrefix}/device/facelatch/${objectId(device.id)}/config`

/** Letters, digits, "_" and "-" are all Home Assistant takes; two devices must not become one by it. */
const objectId = (id: string) => id.replaceAll('.', '-2E-')

/** The whole discovery message, as an object. */
export function discovery(config: Config, facts: Facts, version: string) {
  const { device, mqtt } = config
  const base = `${mqtt.baseTopic}/${device.id}`
  return {
    dev: {
      identifiers: [`facelatch_${device.id}`],
      name: device.name,
      manufacturer: 'facelatch',
      model: 'Face-access door',
      sw_version: version,
      serial_number: device.id,
    },
    o: { name: 'facelatch', sw_version: version },
    availability: [{ topic: `${base}/availability`, payload_available: 'online', payload_not_available: 'offline' }],
    qos: 1,
    cmps: componentsOf(config, facts, base),
  }
}

export interface HomeAssistant {
  /** Describes the device, or takes the description back where discovery is switched off. */
  announce(): void
  /** True when it was Home Assistant's own message, and no command. */
  heard(command: BrokerCommand): boolean
}

export function createHomeAssistant(options: HomeAssistantOptions): HomeAssistant {
  const { config, facts, version, broker, clock, random = Math.random } = options
  let cancel = () => {}
  return {
    announce() {
      const payload = config.mqtt.discovery ? JSON.stringify(discovery(config, facts, version)) : ''
      broker.state(discoveryTopic(config), payload)
    },
    heard({ topic, payload }) {
      if (topic !== birthTopic(config)) return false
      if (config.mqtt.discovery && payload.toString('utf8') === 'online') {
        // A second birth meanwhile starts the wait anew: one answer is enough.
        cancel()
        cancel = clock.after(random() * longestWaitMs, () => broker.refresh())
      }
      return true
    },
  }
}

/**
 * The home's MQTT broker, which comes and goes.
 *
 * INVARIANTS
 * - Each connection is a fresh client of the library with an empty session: nothing in flight on a lost connection is
 *   sent again by anybody but the caller, and the broker keeps no commands for us while we are away.
 * - A connection that leaves one message unacknowledged for too long is given up, not only the message: what follows
 *   would overtake it.
 * - MQTT 5 is tried first and 3.1.1 when the broker does not take it; nothing that is promised depends on version 5.
 */
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { Broker, BrokerCommand, Clock, Log } from '../ports.js'
import {
  type EndpointOptions,
  endpoint,
  explain,
  place,
  silence,
  speaksOtherVersion,
  type Trouble,
} from './broker-mqtt-endpoint.js'

export interface MqttBrokerOptions extends EndpointOptions {
  /** Unique at the broker: it ends the older of two connections with the same one. */
  readonly clientId: string
  /** Subscribed at each connection; below the prefix, or with a leading slash outside it. */
  readonly commandTopics: readonly string[]
  readonly log: Log
  readonly clock: Clock
  /** In [0, 1). */
  readonly random?: () => number
  readonly timing?: Partial<typeof defaultTiming>
}

/** Milliseconds, unless said otherwise. */
const defaultTiming = {
  /** Waits double from the shortest to the longest, at random within each octave: a house of devices spreads out. */
  shortestWait: 500,
  longestWait: 5000,
  connect: 10_000,
  acknowledge: 10_000,
  stop: 1500,
  /**
   * Seconds; a silent broker is given up after twice as long at most. A command that the network held back can be no
   * older than that.
   */
  keepalive: 5,
}

/**
 * The session ends with the connection, said in so many words; longer packets than any command are not even sent to us.
 * MQTT 5, section 3.1.2.11.
 */
const sessionProperties = { sessionExpiryInterval: 0, receiveMaximum: 50, maximumPacketSize: 16_384 }

interface Link {
  readonly client: MqttClient
  readonly since: number
  /** Rejections of publishes that are not acknowledged yet. */
  readonly pending: Set<(error: Error) => void>
  up: boolean
}

export function createMqttBroker(options: MqttBrokerOptions): Broker {
  const { prefix, commandTopics, log, clock, random = Math.random } = options
  const timing = { ...defaultTiming, ...options.timing }
  const connectionListeners: ((connected: boolean) => void)[] = []
  const commandListeners: ((command: BrokerCommand) => void)[] = []
  const states = new Map<string, string | Buffer>()
  const said = new Set<string>()
  /** Topics that the broker did not let us write. */
  const forbidden = new Set<string>()
  let settings: IClientOptions
  let version: 4 | 5 = 5
  let link: Link | undefined
  let cancelRetry = () => {}
  let failures = 0
  let stopped = false

  const fullTopic = (topic: string) => (topic.startsWith('/') ? topic.slice(1) : `${prefix}/${topic}`)
  const ownTopic = (topic: string) => (topic.startsWith(`${prefix}/`) ? topic.slice(prefix.length + 1) : `/${topic}`)

  const tell = <T>(listeners: readonly ((value: T) => void)[], value: T): void => {
    for (const listener of listeners) {
      try {
        listener(value)
      } catch (error) {
        log.error('listener failed', { error })
      }
    }
  }

  const send = (on: Link, topic: string, payload: string | Buffer, retain: boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        cancel()
        on.pending.delete(settle)
        if (error) reject(error)
        else resolve()
      }
      const cancel = clock.after(timing.acknowledge, () => lose(on, silence(`did not acknowledge ${topic}`)))
      on.pending.add(settle)
      on.client.publish(fullTopic(topic), payload, { qos: 1, retain }, (error) => {
        if (error) tellRefused(topic, error)
        settle(error ?? undefined)
      })
    })

  /** A state that is not acknowledged costs the connection, and the next one carries it again. */
  const sendState = (on: Link, topic: string, payload: string | Buffer): void => {
    send(on, topic, payload, true).catch((error: Error) => log.debug('state not delivered', { topic, error }))
  }

  /** Only MQTT 5 tells us; a broker that speaks 3.1.1 acknowledges what it throws away. */
  const tellRefused = (topic: string, error: Error & { code?: unknown }): void => {
    if (typeof error.code !== 'number' || error.code < 0x80 || forbidden.has(topic)) return
    forbidden.add(topic)
    const remedy = 'let our user write it'
    log.error(`the broker refuses what we publish: ${remedy}`, { topic: fullTopic(topic), reason: error.message })
  }

  const open = (): void => {
    let client: MqttClient
    try {
      client = connect({
        ...settings,
        protocolVersion: version,
        ...(version === 5 && { properties: sessionProperties }),
      })
    } catch (error) {
      retry(explain(error as Error, settings), false)
      return
    }
    const current: Link = { client, since: clock.now(), pending: new Set(), up: false }
    link = current
    // These stay after the loss: a client that reports an error to nobody would end the process.
    client.on('error', (error) => lose(current, error))
    client.on('close', () => lose(current, undefined))
    client.on('message', (topic, payload, packet) => receive(current, topic, payload, packet.retain))
    client.on('connect', () => greet(current))
  }

  const greet = (on: Link): void => {
    if (link !== on || stopped) return
    on.up = true
    said.clear()
    log.info('connected', { broker: place(settings), mqtt: version === 5 ? '5' : '3.1.1' })
    subscribe(on)
    for (const [topic, payload] of states) sendState(on, topic, payload)
    // Last, so that nobody sees us online with the states of another day.
    sendState(on, 'availability', 'online')
    tell(connectionListeners, true)
  }

  const subscribe = (on: Link): void => {
    on.client.subscribe(fullTopic('availability'), { qos: 1 }, () => {})
    if (commandTopics.length === 0) return
    const topics = commandTopics.map(fullTopic)
    // As published: whoever lets a command be retained is told at once, not only after our next reconnection.
    on.client.subscribe(topics, { qos: 1, ...(version === 5 && { rap: true }) }, (error) => {
      if (!error || link !== on) return
      const remedy = 'let our user read these topics'
      log.error(`the broker refuses our subscriptions, so no command will arrive: ${remedy}`, { topics, error })
    })
  }

  const receive = (on: Link, topic: string, payload: Buffer, retained: boolean): void => {
    if (link !== on || stopped) return
    if (topic !== fullTopic('availability')) tell(commandListeners, { topic: ownTopic(topic), payload, retained })
    // The will of a connection that we left half open may be published after we greeted on the next one.
    else if (!retained && payload.toString() === 'offline') sendState(on, 'availability', 'online')
  }

  const lose = (lost: Link, error: Error | undefined): void => {
    if (link !== lost) return
    link = undefined
    const trouble = explain(error, settings)
    for (const reject of [...lost.pending]) reject(new Error(`MQTT broker ${place(settings)}: ${trouble.what}`))
    lost.client.end(true)
    if (stopped) return
    if (!lost.up && speaksOtherVersion(error)) {
      version = version === 5 ? 4 : 5
      // Either version may be the one that is closed without a word; the other one need not wait, but only once.
      if (version === 4) {
        cancelRetry = clock.after(0, open)
        return
      }
    }
    if (lost.up && clock.now() - lost.since > timing.longestWait) failures = 0
    retry(trouble, lost.up)
    if (lost.up) tell(connectionListeners, false)
  }

  const retry = ({ what, remedy }: Trouble, wasUp: boolean): void => {
    if (!said.has(what)) log.warn(`${wasUp ? 'connection lost' : 'no connection'}: ${what}: ${remedy}; trying on`)
    said.add(what)
    failures += 1
    const wait = Math.min(timing.shortestWait * 2 ** failures, timing.longestWait)
    cancelRetry = clock.after(wait * (0.5 + random() / 2), open)
  }

  return {
    async start() {
      settings = {
        ...endpoint(options),
        clientId: options.clientId,
        clean: true,
        reconnectPeriod: 0,
        connectTimeout: timing.connect,
        keepalive: timing.keepalive,
        will: { topic: fullTopic('availability'), payload: Buffer.from('offline'), qos: 1, retain: true },
      }
      open()
    },
    get connected() {
      return link?.up ?? false
    },
    onConnection: (listener) => connectionListeners.push(listener),
    onCommand: (listener) => commandListeners.push(listener),
    state(topic, payload) {
      states.set(topic, payload)
      if (link?.up) sendState(link, topic, payload)
    },
    refresh() {
      const on = link
      if (on?.up) for (const [topic, payload] of states) sendState(on, topic, payload)
    },
    publish(topic, payload) {
      if (!link?.up) return Promise.reject(new Error('MQTT broker: not connected'))
      return send(link, topic, payload, false)
    },
    async stop() {
      if (stopped) return
      stopped = true
      cancelRetry()
      const last = link
      if (!last) return
      let cancel = () => {}
      const late = new Promise<void>((resolve) => {
        cancel = clock.after(timing.stop, resolve)
      })
      if (last.up) await Promise.race([leave(last), late])
      cancel()
      lose(last, new Error('we are stopping'))
    },
  }

  async function leave(last: Link): Promise<void> {
    try {
      await send(last, 'availability', 'offline', true)
      // A DISCONNECT that the broker has read keeps it from publishing the will as well.
      await new Promise<void>((resolve) => last.client.end(false, {}, () => resolve()))
    } catch {
      // The connection is gone, and with it the need to say so: the will speaks.
    }
  }
}

/** Logs in once and leaves; undefined when the broker let us in. Never rejects. `clientId`: nobody else's, who would be thrown out. */
export async function tryLogin(options: EndpointOptions & { readonly clientId: string; readonly timeoutMs: number }) {
  const attempt = (settings: IClientOptions, protocolVersion: 4 | 5) =>
    new Promise<Error | true | undefined>((resolve) => {
      const client = connect({ ...settings, protocolVersion })
      const end = (answer: Error | true | undefined) => {
        client.end(true)
        resolve(answer)
      }
      client.on('connect', () => end(true))
      client.on('error', end)
      client.on('close', () => end(undefined))
    })
  let settings: IClientOptions = {}
  try {
    const { clientId, timeoutMs: connectTimeout } = options
    settings = { ...endpoint(options), clientId, clean: true, reconnectPeriod: 0, connectTimeout }
    let answer = await attempt(settings, 5)
    if (answer !== true && speaksOtherVersion(answer)) answer = await attempt(settings, 4)
    return answer === true ? undefined : explain(answer, settings)
  } catch (error) {
    return explain(error as Error, settings)
  }
}

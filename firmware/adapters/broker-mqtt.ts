/**
 * The home's MQTT broker, which comes and goes.
 *
 * INVARIANTS
 * - Each connection is a fresh client of the library with an empty session: nothing in flight on a lost connection is
 *   sent again by anybody but the caller, and the broker keeps no commands for us while we are away.
 * - A connection that leaves one message unacknowledged for too long is given up, not only the message: what follows
 *   would overtake it.
 */
import { createSecureContext } from 'node:tls'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { Broker, BrokerCommand, Clock, Log } from '../ports.js'

export interface MqttBrokerOptions {
  /** `mqtt://host[:1883]` or `mqtts://host[:8883]`; user and password in it are used unless given below. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** PEM texts, not paths. */
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  /** Unique at the broker: it ends the older of two connections with the same one. */
  readonly clientId: string
  /** What stands before each topic, without a slash at its end, e.g. `facelatch/front-door`. */
  readonly prefix: string
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
  /** Seconds; a silent broker is given up after one and a half times as long. */
  keepalive: 20,
}

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
  let settings: IClientOptions
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
      on.client.publish(fullTopic(topic), payload, { qos: 1, retain }, (error) => settle(error ?? undefined))
    })

  /** A state that is not acknowledged costs the connection, and the next one carries it again. */
  const sendState = (on: Link, topic: string, payload: string | Buffer): void => {
    send(on, topic, payload, true).catch((error: Error) => log.debug('state not delivered', { topic, error }))
  }

  const open = (): void => {
    let client: MqttClient
    try {
      client = connect({ ...settings })
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
    log.info('connected', { broker: place(settings) })
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
    on.client.subscribe(topics, { qos: 1 }, (error) => {
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
        protocolVersion: 4,
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

type Endpoint = Pick<
  IClientOptions,
  'protocol' | 'host' | 'port' | 'username' | 'password' | 'ca' | 'cert' | 'key' | 'rejectUnauthorized'
>

/** Throws for what no broker can ever mend. Taken apart here, since the library lets the URL's user win over ours. */
function endpoint(options: MqttBrokerOptions): Endpoint {
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined
  if (!url) throw new Error('mqtt.url is no URL: write it like mqtt://host:1883 or mqtts://host:8883')
  const secure = url.protocol === 'mqtts:'
  if (!secure && url.protocol !== 'mqtt:') {
    throw new Error(`mqtt.url starts with ${url.protocol}//: only mqtt:// and mqtts:// are known`)
  }
  if (!url.hostname) throw new Error('mqtt.url names no host: write it like mqtt://host:1883')
  if (/[+#\0]|^\/|\/$|^$/.test(options.prefix)) {
    const remedy = 'leave out +, # and slashes at the ends'
    throw new Error(`mqtt.baseTopic and device.id give ${JSON.stringify(options.prefix)}, which is no topic: ${remedy}`)
  }
  const username = options.username ?? (decode(url.username) || undefined)
  const password = options.password ?? (decode(url.password) || undefined)
  const result: Endpoint = {
    protocol: secure ? 'mqtts' : 'mqtt',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (secure ? 8883 : 1883) : Number(url.port),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  }
  const { ca, cert, key } = options
  if (!secure && (ca || cert || key)) {
    throw new Error('mqtt.caFile, certFile and keyFile need a TLS broker: write mqtt.url as mqtts://')
  }
  if (!secure) return result
  const keys = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  try {
    createSecureContext(keys)
  } catch (error) {
    const reason = (error as Error).message
    throw new Error(`mqtt.caFile, certFile and keyFile do not make a TLS identity: ${reason}`, { cause: error })
  }
  return { ...result, ...keys, rejectUnauthorized: true }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Error('mqtt.url: its user or password has a % that is no escape: write it as %25')
  }
}

const place = ({ host, port }: IClientOptions): string => `${host?.includes(':') ? `[${host}]` : host}:${port}`

const silent = 'SILENT'
const silence = (what: string): Error => Object.assign(new Error(what), { code: silent })

interface Trouble {
  readonly what: string
  readonly remedy: string
}

/** `error`: none when the broker closed the connection without a word. */
function explain(error: (Error & { code?: unknown }) | undefined, at: IClientOptions): Trouble {
  switch (error?.code) {
    case 'ECONNREFUSED':
      return { what: `nothing listens at ${place(at)}`, remedy: 'start the broker or correct mqtt.url' }
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { what: `the host ${at.host} is unknown`, remedy: 'correct mqtt.url or the name service' }
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return { what: `the host ${at.host} cannot be reached`, remedy: 'look at the network and at mqtt.url' }
    // Return codes of CONNACK, MQTT 3.1.1 table 3.1.
    case 2:
      return { what: `${place(at)} refuses the client identifier ${at.clientId}`, remedy: 'change device.id' }
    case 4:
    case 5: {
      const remedy = 'correct mqtt.username and mqtt.passwordFile, or the users of the broker'
      return { what: `${place(at)} refuses our user name or password`, remedy }
    }
  }
  // Timeouts of the library have no code.
  if (error && (error.code === silent || /timeout/i.test(error.message))) {
    return { what: `${place(at)} does not answer`, remedy: `look at the broker (${error.message})` }
  }
  if (!error || error.code === 'ECONNRESET' || error.code === 'EPIPE') {
    const remedy = `look at the broker, and whether another client calls itself ${at.clientId}`
    return { what: `${place(at)} closed the connection`, remedy }
  }
  if (at.protocol === 'mqtts' && typeof error.code === 'string') {
    const remedy = 'look at mqtt.caFile, at the names in its certificate and at the clock'
    return { what: `no TLS with ${place(at)}: ${error.message.trim().split('\n', 1)[0]}`, remedy }
  }
  return { what: `${place(at)}: ${error.message}`, remedy: 'look at the broker' }
}

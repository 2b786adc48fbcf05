/** Real brokers in processes of their own, which can be killed and frozen, and a client that watches what they carry. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { end, firmware, script, spawnChild } from './child.js'
import { type Owner, temporaryDirectory, until } from './temp.js'

export interface Credentials {
  readonly username: string
  readonly password: string
}

/** A broker under test. All but `start` and `stop` work on the process, so that the broker cannot help it. */
export interface BrokerProcess {
  readonly port: number
  readonly url: string
  /** On the same port as before, empty. */
  start(): Promise<void>
  /** Lets it say goodbye. */
  stop(): Promise<void>
  kill(): Promise<void>
  freeze(): void
  thaw(): void
}

export interface BrokerSettings {
  /** Only this user may connect. */
  readonly credentials?: Credentials
}

export interface MosquittoSettings extends BrokerSettings {
  /** Paths of PEM files. With `ca`, clients need a certificate of it, and its CN is their user name. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string }
  /** Path of an access list. */
  readonly acl?: string
  /** Another address to listen at, besides loopback. */
  readonly address?: string
  /** A folder to keep sessions and retained messages in over restarts. */
  readonly persistence?: string
  /** Lines of mosquitto.conf, as they are. */
  readonly more?: readonly string[]
}

const program = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find((path) =>
  existsSync(path),
)
export const noMosquitto = program ? false : 'mosquitto is not installed'

export async function startMosquitto(t: Owner, settings: MosquittoSettings = {}): Promise<BrokerProcess> {
  const { credentials, tls, acl, address, persistence, more = [] } = settings
  const directory = temporaryDirectory(t)
  const port = await freePort()
  const config = join(directory, 'mosquitto.conf')
  const lines = [
    // As root it would drop to a user who cannot read our directory.
    `user ${userInfo().username}`,
    `listener ${port} 127.0.0.1`,
    ...(address ? [`listener ${port} ${address}`] : []),
    `allow_anonymous ${!credentials && !tls?.ca}`,
    ...(persistence
      ? ['persistence true', `persistence_location ${persistence}/`, 'autosave_on_changes true', 'autosave_interval 1']
      : ['persistence false']),
    'log_dest none',
  ]
  if (credentials) {
    const passwords = join(directory, 'passwords')
    execFileSync('mosquitto_passwd', ['-b', '-c', passwords, credentials.username, credentials.password])
    lines.push(`password_file ${passwords}`)
  }
  if (tls) lines.push(`certfile ${tls.cert}`, `keyfile ${tls.key}`)
  if (tls?.ca) lines.push(`cafile ${tls.ca}`, 'require_certificate true', 'use_identity_as_username true')
  if (acl) lines.push(`acl_file ${acl}`)
  writeFileSync(config, `${[...lines, ...more].join('\n')}\n`)
  return runBroker(t, port, [program ?? 'mosquitto', '-c', config])
}

/** The embedded broker, moved out of this process so that it can be killed like the other. */
export async function startEmbedded(t: Owner, { credentials }: BrokerSettings = {}): Promise<BrokerProcess> {
  const port = await freePort()
  const code = `
    const { startEmbeddedBroker } = await import(${firmware('adapters/broker-embedded.js')})
    const broker = await startEmbeddedBroker(${JSON.stringify({ port, credentials })})
    process.once('SIGTERM', () => broker.close())`
  return runBroker(t, port, script(code))
}

async function runBroker(t: Owner, port: number, command: readonly string[]): Promise<BrokerProcess> {
  let child: ChildProcess
  const broker: BrokerProcess = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async start() {
      child = spawnChild(t, command, 'pipe')
      child.stdout?.resume()
      let complaint = ''
      child.stderr?.on('data', (chunk) => {
        complaint += chunk
      })
      await until(`${command[0]} listens`, () => {
        if (child.exitCode !== null) throw new Error(`${command[0]} ended with ${child.exitCode}: ${complaint}`)
        return accepts(port)
      })
    },
    stop: () => end(child, 'SIGTERM'),
    kill: () => end(child, 'SIGKILL'),
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
  }
  await broker.start()
  return broker
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || !address) throw new Error('no port')
  return address.port
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export interface Received {
  readonly topic: string
  readonly payload: string
  readonly retained: boolean
}

export interface Watcher {
  /** Everything that came, oldest first. */
  readonly received: readonly Received[]
  /** Payloads of one topic. */
  of(topic: string): string[]
  publish(topic: string, payload: string, retain?: boolean): Promise<void>
  close(): Promise<void>
}

export interface WatchOptions extends Partial<Credentials> {
  /** PEM texts. */
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly topics?: string | string[]
  readonly protocolVersion?: 4 | 5
}

/** Subscribes to all topics; what the broker retains comes first. It stays away once the broker has gone. */
export async function watch(t: Owner, url: string, options: WatchOptions = {}): Promise<Watcher> {
  const { topics = '#', ...access } = options
  const received: Received[] = []
  const client = await connectAsync(url, { ...access, reconnectPeriod: 0 })
  client.on('message', (topic, payload, packet) => {
    received.push({ topic, payload: payload.toString(), retained: packet.retain })
  })
  client.on('error', () => {})
  t.teardown(() => client.end(true))
  await client.subscribeAsync(topics, { qos: 1 })
  return {
    received,
    of: (topic) => received.filter((message) => message.topic === topic).map(({ payload }) => payload),
    publish: async (topic, payload, retain = false) => {
      await client.publishAsync(topic, payload, { qos: 1, retain })
    },
    close: () => client.endAsync(true),
  }
}

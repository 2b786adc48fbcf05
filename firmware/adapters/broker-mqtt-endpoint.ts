/** Where the broker is and who we are to it; and what went wrong with it, in words with a remedy. */
import { createSecureContext } from 'node:tls'

export interface EndpointOptions {
  /** `mqtt://host[:1883]` or `mqtts://host[:8883]`; user and password in it are used unless given below. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** PEM texts, not paths. */
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  /** What stands before each topic, without a slash at its end, e.g. `facelatch/front-door`. */
  readonly prefix: string
}

export interface Endpoint {
  readonly protocol: 'mqtt' | 'mqtts'
  readonly host: string
  readonly port: number
  readonly username?: string
  readonly password?: string
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly rejectUnauthorized?: boolean
}

/** What is known of the connection that failed. */
interface Attempt {
  readonly protocol?: string
  readonly host?: string
  readonly port?: number
  readonly clientId?: string
}

export const portOf = ({ protocol, port }: URL): number => Number(port || (protocol === 'mqtts:' ? 8883 : 1883))

/** Throws for what no broker can ever mend. Taken apart here, since the library lets the URL's user win over ours. */
export function endpoint(options: EndpointOptions): Endpoint {
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
    port: portOf(url),
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

export const place = ({ host, port }: Attempt): string => `${host?.includes(':') ? `[${host}]` : host}:${port}`

const silent = 'SILENT'
export const silence = (what: string): Error => Object.assign(new Error(what), { code: silent })

export interface Trouble {
  readonly what: string
  readonly remedy: string
  /** The broker knows us and does not want us: no waiting mends that. */
  readonly refused?: true
}

type Failure = (Error & { code?: unknown }) | undefined

/** `error`: none when the broker closed the connection without a word. */
export function explain(error: Failure, at: Attempt): Trouble {
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
    // Return codes of CONNACK, MQTT 3.1.1 table 3.1, and its reason codes, MQTT 5 section 3.2.2.2.
    case 2:
    case 0x85:
      return { what: `${place(at)} refuses the client identifier ${at.clientId}`, remedy: 'change device.id' }
    case 4:
    case 5:
    case 0x86:
    case 0x87: {
      const remedy = 'correct mqtt.username and mqtt.passwordFile, or the users of the broker'
      return { what: `${place(at)} refuses our user name or password`, remedy, refused: true }
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

/**
 * Whether a broker that did not let us in may do so in the other version of MQTT: it says so, closes without a word, or
 * answers in a form that this version does not have.
 */
export function speaksOtherVersion(error: Failure): boolean {
  if (!error) return true
  if (error.code === 1 || error.code === 0x84 || error.code === 'ECONNRESET' || error.code === 'EPIPE') return true
  return error.code === undefined && /parse|propert|invalid|protocol/i.test(error.message)
}

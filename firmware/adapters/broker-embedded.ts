/** A small MQTT broker inside the program, for the demo and for trying things where no broker runs. */
import { timingSafeEqual } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { Aedes } from 'aedes'

export interface EmbeddedBrokerOptions {
  /** A loopback address: without TLS and mostly without passwords, this broker is not for the network. */
  readonly host?: '127.0.0.1' | '::1'
  /** TCP port; 0 takes a free one. */
  readonly port: number
  /** With it, nobody else may connect. */
  readonly credentials?: { readonly username: string; readonly password: string }
}

export interface EmbeddedBroker {
  readonly url: string
  /** Disconnects everybody and frees the port. */
  close(): Promise<void>
}

/** Retained messages live in memory and end with it. Rejects with one line when the port cannot be had. */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const { host = '127.0.0.1', port, credentials } = options
  const broker = await Aedes.createBroker({
    authenticate: (_client, username, password, done) => {
      const welcome = !credentials || (username === credentials.username && isSame(password, credentials.password))
      // 4 is "bad user name or password", MQTT 3.1.1 table 3.1.
      if (welcome) done(null, true)
      else done(Object.assign(new Error('bad user name or password'), { returnCode: 4 }), false)
    },
  })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    broker.handle(socket)
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
  } catch (error) {
    await new Promise<void>((resolve) => broker.close(resolve))
    throw new Error(explain(error as NodeJS.ErrnoException, host, port), { cause: error })
  }
  const address = server.address()
  const bound = typeof address === 'object' && address ? address.port : port
  return {
    url: `mqtt://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await new Promise<void>((resolve) => broker.close(resolve))
      // Those that never completed a CONNECT are unknown to the broker and would hold the server open.
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function isSame(given: Buffer | undefined, expected: string): boolean {
  const wanted = Buffer.from(expected)
  return given !== undefined && given.length === wanted.length && timingSafeEqual(given, wanted)
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `embedded broker: ${host} port ${port}`
  if (error.code === 'EADDRINUSE')
    return `${where} is in use: stop the program that listens there or choose another port`
  if (error.code === 'EACCES') return `${where} needs privileges: choose a port above 1023`
  return `${where} cannot be opened (${error.message}): choose another port`
}

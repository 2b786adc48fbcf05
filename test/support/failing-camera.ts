/**
 * A camera that fails on demand, as GStreamer sees it: a server of raw pictures for `tcpclientsrc`. Its pictures have a
 * sensor's noise, so that a frozen one can be told.
 */
import { randomFillSync } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import type { Owner } from './temp.js'

const width = 64
const height = 48
const everyMs = 50

/** How a connection behaves. `frames`: it hangs up after so many. */
export interface Manner {
  readonly kind: 'well' | 'silent'
  readonly frames?: number
}

interface Client {
  readonly socket: Socket
  readonly since: number
  readonly manner: Manner
  timer?: NodeJS.Timeout
  sent: number
}

export class FailingCamera {
  readonly #server: Server
  readonly #clients = new Set<Client>()
  /** Manners of the next connections; then `usual`. */
  #next: Manner[] = []
  #usual: Manner = { kind: 'well' }
  #stalled = false
  #frozen: Buffer | undefined
  /** Connections that have ended: what they gave, and for how long, ms. */
  readonly past: { readonly kind: Manner['kind']; readonly lasted: number }[] = []
  opened = 0

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket))
  }

  static async start(t: Owner): Promise<FailingCamera> {
    const camera = new FailingCamera()
    await new Promise<void>((resolve) => camera.#server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => camera.#stop())
    return camera
  }

  /** For `camera.source`. Stamps are early, so that each picture is shown when it comes. */
  get source(): string {
    const { port } = this.#server.address() as { port: number }
    return `gst:tcpclientsrc host=127.0.0.1 port=${port} ! rawvideoparse format=rgb width=${width} height=${height} framerate=1000/1`
  }

  get clients(): number {
    return this.#clients.size
  }

  /** The stream ends. */
  end(): void {
    for (const { socket } of this.#clients) socket.end()
  }

  /** The source element fails: the connection is reset. */
  error(): void {
    for (const { socket } of this.#clients) socket.resetAndDestroy()
  }

  /** This connection gives no more pictures, and does not end. */
  stall(): void {
    this.#stalled = true
  }

  /** This connection repeats its last picture for ever. */
  freeze(): void {
    this.#frozen = picture()
  }

  /** The next connections behave so, one after the other, and those after them well. */
  upcoming(...manners: Manner[]): void {
    this.#next = manners
  }

  /** Until further notice. */
  usually(manner: Manner): void {
    this.#usual = manner
  }

  #accept(socket: Socket): void {
    this.opened++
    this.#stalled = false
    this.#frozen = undefined
    const manner = this.#next.shift() ?? this.#usual
    const client: Client = { socket, since: systemClock.now(), manner, sent: 0 }
    this.#clients.add(client)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(client.timer)
      this.#clients.delete(client)
      this.past.push({ kind: manner.kind, lasted: systemClock.now() - client.since })
    })
    socket.resume()
    if (manner.kind === 'silent') return
    client.timer = setInterval(() => this.#send(client), everyMs)
  }

  #send(client: Client): void {
    const { socket, manner } = client
    if (this.#stalled || !socket.writable) return
    socket.write(this.#frozen ?? picture())
    client.sent++
    if (manner.frames !== undefined && client.sent >= manner.frames) socket.end()
  }

  #stop(): void {
    this.#server.close()
    for (const { socket, timer } of this.#clients) {
      clearInterval(timer)
      socket.destroy()
    }
  }
}

const picture = () => randomFillSync(Buffer.alloc(width * height * 3))

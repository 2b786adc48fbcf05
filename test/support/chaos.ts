/**
 * A door and its home in a storm: brokers are killed, stopped and emptied, the cable is pulled, the supervisor is killed,
 * and all the while people leave by the exit button, the home unlocks, and somebody sends what must never be obeyed.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type MqttClient } from 'mqtt'
import type { Test } from 'tap'
import { seeded } from '../../firmware/evaluation/random.js'
import { type Appliance, clip, facelatch, type Home, makeHome, startAppliance } from './appliance.js'
import { type BrokerProcess, startMosquitto } from './mosquitto.js'
import { createNetwork, type Network } from './network.js'
import { temporaryDirectory, until } from './temp.js'

export interface ChaosOptions {
  readonly rounds: number
  readonly seed: number
  /** A recording of somebody enrolled plays in front of the door. */
  readonly faces: boolean
}

interface Told {
  readonly id: string
  readonly seq: number
  readonly type: string
  readonly by?: string
  readonly command?: string
}

const kinds = ['kill', 'pause', 'pull', 'empty', 'supervisor'] as const
type Kind = (typeof kinds)[number]

const base = 'facelatch/test'
const access = ['granted', 'denied', 'exit']

/** A home that keeps its session at the broker, and comes back at once. */
class Listener {
  readonly told: Told[] = []
  readonly client: MqttClient

  constructor(t: Test, broker: BrokerProcess) {
    this.client = connect(broker.url, {
      ...{ protocolVersion: 5, clientId: 'home', clean: false, reconnectPeriod: 20 },
      properties: { sessionExpiryInterval: 3600 },
    })
    t.teardown(() => this.client.endAsync(true))
    this.client.on('error', () => {})
    this.client.on('connect', () => this.client.subscribe(`${base}/event`, { qos: 1 }, () => {}))
    this.client.on('message', (_topic, payload) => this.told.push(JSON.parse(payload.toString())))
  }

  /** Not kept while there is no broker: this is a home that speaks to the door as it is now. */
  say(topic: string, payload: string | object, retain = false): void {
    if (!this.client.connected) return
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    this.client.publish(`${base}/${topic}`, text, { qos: 0, retain }, () => {})
  }

  get here(): boolean {
    return this.client.connected
  }
}

class Storm {
  readonly #t: Test
  readonly #next: () => number
  readonly #persistence: string
  readonly #network: Network | undefined
  readonly #home: Home
  readonly #broker: BrokerProcess
  readonly #listener: Listener
  #door: Appliance
  presses = 0
  unlocks = 0
  forbidden = 0
  readonly rounds: Record<Kind, number> = { kill: 0, pause: 0, pull: 0, empty: 0, supervisor: 0 }

  private constructor(t: Test, seed: number, home: Home, broker: BrokerProcess, more: [string, Network | undefined]) {
    this.#t = t
    this.#next = seeded(seed)
    this.#home = home
    this.#broker = broker
    this.#persistence = more[0]
    this.#network = more[1]
    this.#listener = new Listener(t, broker)
    this.#door = this.#startDoor()
  }

  static async begin(t: Test, { seed, faces }: ChaosOptions): Promise<Storm> {
    const network = createNetwork(t)
    if (!network) t.comment('the cable is never pulled: network namespaces cannot be made here')
    const persistence = temporaryDirectory(t)
    const broker = await startMosquitto(t, { persistence, ...(network && { address: network.address }) })
    const quiet = 'gst:videotestsrc is-live=true pattern=black ! video/x-raw,width=160,height=120,framerate=1/1'
    const home = makeHome(t, {
      camera: faces ? { source: `file:${clip('cap13_edit2')}`, loop: true } : { source: quiet },
      door: { strikeSeconds: 0.2 },
      access: { rearmSeconds: 2 },
      mqtt: { url: network ? broker.url.replace('127.0.0.1', network.address) : broker.url, remoteUnlock: true },
    })
    if (faces) {
      const from = ['--camera', '--source', `file:${clip('cap12_edit')}`, '--seconds', '3']
      const { code, stderr } = await facelatch(['people', 'add', 'Alex', ...from, '--config', home.config])
      if (code !== 0) throw new Error(stderr)
    }
    const storm = new Storm(t, seed, home, broker, [persistence, network])
    await storm.#calm()
    return storm
  }

  #startDoor(): Appliance {
    return startAppliance(this.#t, this.#home, this.#network?.within)
  }

  /** Events come in order: when one that was asked for just now is told, so are all before it. */
  async #calm(): Promise<void> {
    const told = this.#listener.told.length
    const asked = () => this.#listener.told.slice(told).some(({ command }) => command === 'LOCK')
    for (let tries = 0; tries < 60 && !asked(); tries++) {
      this.#listener.say('lock/set', 'LOCK')
      for (let waited = 0; waited < 1500 && !asked(); waited += 20) await sleep(20)
    }
    if (!asked()) throw new Error(`the door did not come back:\n${this.#door.log().slice(-2000)}`)
  }

  async #press(): Promise<void> {
    this.presses++
    // The supervisor may be dead, and the button's socket with it.
    await this.#door.input('exit', 1).catch(() => {})
    await sleep(50 + this.#next() * 200)
    await this.#door.input('exit', 0).catch(() => {})
  }

  #unlock(): void {
    this.unlocks++
    this.#listener.say('lock/set', { command: 'UNLOCK', at: new Date().toISOString() })
  }

  /** None of these is ever obeyed. */
  #temptation(): void {
    this.forbidden += 3
    this.#listener.say('lock/set', 'UNLOCK', true)
    this.#listener.say('lock/set', { command: 'UNLOCK', at: new Date(Date.now() - 60_000).toISOString() })
    this.#listener.say('lock/set', 'unlock')
  }

  async round(): Promise<void> {
    const possible = kinds.filter((kind) => kind !== 'pull' || this.#network)
    const kind = possible[Math.floor(this.#next() * possible.length)]!
    this.rounds[kind]++
    this.#temptation()
    this.#unlock()
    if (this.#next() < 0.5) await this.#press()
    // One fault in eight lasts until the connection is given up.
    const lasts = this.#next() < 0.125 ? 8_000 + this.#next() * 4_000 : this.#next() * 1_500
    await this.#fault(kind, async () => {
      await this.#press()
      this.#unlock()
      await sleep(lasts)
      if (this.#next() < 0.5) await this.#press()
    })
    await until('the home is at the broker', () => this.#listener.here)
    await this.#calm()
  }

  async #fault(kind: Kind, meanwhile: () => Promise<void>): Promise<void> {
    switch (kind) {
      case 'kill':
        await this.#broker.kill()
        await meanwhile()
        return this.#broker.start()
      case 'empty':
        await this.#broker.stop()
        await meanwhile()
        rmSync(join(this.#persistence, 'mosquitto.db'), { force: true })
        // A broker that forgot who listens has nobody to hand an event to: the home is there before the door.
        this.#network?.pull()
        await this.#broker.start()
        await until('the home is at the broker', () => this.#listener.here)
        await sleep(100)
        return this.#network?.plug()
      case 'pause':
        this.#broker.freeze()
        await meanwhile()
        return this.#broker.thaw()
      case 'pull':
        this.#network!.pull()
        await meanwhile()
        return this.#network!.plug()
      case 'supervisor':
        await this.#door.stop('SIGKILL')
        await meanwhile()
        this.#door = this.#startDoor()
    }
  }

  /** What the home was told, what is in the audit log, and how often the strike was powered. */
  async end() {
    this.#listener.say('lock/set', '', true)
    await this.#calm()
    await this.#door.stop()
    const kept = (await this.#door.events()) as unknown as Told[]
    const moves = readFileSync(this.#home.gpioLog, 'utf8')
      .split('\n')
      .filter((row) => row.includes('"lock"'))
      .map((row) => JSON.parse(row) as { at: string; value: 0 | 1 })
    return { told: this.#listener.told, kept, moves }
  }
}

export async function chaos(t: Test, options: ChaosOptions): Promise<void> {
  const storm = await Storm.begin(t, options)
  for (let round = 0; round < options.rounds; round++) await storm.round()
  const { told, kept, moves } = await storm.end()

  const arrived = new Set(told.map(({ id }) => id))
  const last = Math.max(...told.map(({ seq }) => seq))
  const due = kept.filter(({ type, seq }) => access.includes(type) && seq <= last)
  t.same(
    due.filter(({ id }) => !arrived.has(id)),
    [],
    'every granted, denied and exit event arrived',
  )
  const firsts = [...new Map(told.map(({ id, seq }) => [id, seq])).values()]
  t.same(
    firsts,
    [...firsts].sort((a, b) => a - b),
    'in order',
  )
  const bySeq = new Map(kept.map(({ seq, id }) => [seq, id]))
  t.ok(
    told.every(({ seq, id }) => bySeq.get(seq) === id),
    'a duplicate carries the id of the first, and nothing was told that is not kept',
  )
  const count = (by: string) => kept.filter((row) => row.by === by).length
  t.ok(count('exit') <= storm.presses, `${count('exit')} exits for ${storm.presses} presses`)
  t.ok(count('remote') <= storm.unlocks, `${count('remote')} for ${storm.unlocks} commands of the home`)
  const powered = moves.filter(({ value }, i) => value === 1 && moves[i - 1]?.value !== 1).length
  const causes = count('exit') + count('remote') + count('face')
  // A supervisor that is killed may have powered the strike before the row was durable.
  t.ok(powered <= causes + storm.rounds.supervisor, `powered ${powered} times for ${causes} grants`)
  t.comment(
    `${options.rounds} rounds ${JSON.stringify(storm.rounds)}; grants: ${count('face')} by face, ${count('exit')} by exit button, ` +
      `${count('remote')} by command; ${storm.forbidden} forbidden commands; ${told.length} events told, ` +
      `${told.length - arrived.size} twice; strike powered ${powered} times`,
  )
}

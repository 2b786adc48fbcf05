/** A door whose camera fails again and again, in seeded order: what it must notice, do, leave alone and go on doing. */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'mqtt'
import type { Test } from 'tap'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { seeded } from '../../firmware/evaluation/random.js'
import { type Appliance, facelatch, type Home, makeHome, recognizersOf, startAppliance } from './appliance.js'
import { FailingCamera } from './failing-camera.js'
import { type SimulatedHost, simulateHost } from './host.js'
import { freePort } from './mosquitto.js'
import { type Owner, until } from './temp.js'

export interface StormOptions {
  readonly rounds: number
  readonly seed: number
}

const faults = ['error', 'end', 'stall', 'freeze', 'flapping', 'half-open', 'daemon'] as const
type Fault = (typeof faults)[number]
/** Those that take the ladder higher take longer, and come less often. */
const weights: Readonly<Record<Fault, number>> = {
  ...{ error: 20, end: 16, stall: 20, freeze: 16, flapping: 12, 'half-open': 10, daemon: 6 },
}

const stallSeconds = 0.5
const openSeconds = 1
/** Far above `camera.steadySeconds` below: such a session has surely forgiven what was before. */
const surelySteadyMs = 1_500
/** What the issue of every door is: noticed so soon after it happened, ms. */
const noticedMs = (stallSeconds + 1) * 1000

interface Seen {
  readonly camera: string
  readonly at: number
}

/** A machine that is busy with other things notices late: what this process itself was late by is not the door's. */
class Lateness {
  #worst = 0
  readonly #timer: NodeJS.Timeout

  constructor() {
    let due = systemClock.now() + 20
    this.#timer = setInterval(() => {
      const now = systemClock.now()
      this.#worst = Math.max(this.#worst, now - due)
      due = now + 20
    }, 20)
  }

  /** Worst since the last call, ms. */
  take(): number {
    const worst = this.#worst
    this.#worst = 0
    return worst
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

class Storm {
  readonly counts = Object.fromEntries(faults.map((fault) => [fault, 0])) as Record<Fault, number>
  readonly noticed: number[] = []
  readonly problems: string[] = []
  readonly seen: Seen[] = []
  health: { supervisor?: { camera?: { faults?: Record<string, number>; untold?: number } } } = {}
  presses = 0
  home!: Home
  door!: Appliance
  host!: SimulatedHost
  /** The daemon behind the camera hangs: only restarting it helps. */
  #hung = false

  constructor(
    readonly camera: FailingCamera,
    readonly next: () => number,
  ) {}

  static async begin(t: Owner, seed: number): Promise<Storm> {
    const camera = await FailingCamera.start(t)
    const storm = new Storm(camera, seeded(seed))
    storm.host = simulateHost(t, (request) => storm.#serve(request))
    const port = await freePort()
    const url = `embedded://127.0.0.1:${port}`
    storm.home = makeHome(t, {
      camera: {
        ...{ source: camera.source, recovery: 'nvargus', stallSeconds, openSeconds, frozenSeconds: stallSeconds },
        ...{ steadySeconds: 0.3, rebootMinutes: 10 },
      },
      host: storm.host.folders,
      door: { strikeSeconds: 0.2 },
      mqtt: { url, discovery: false },
    })
    storm.door = startAppliance(t, storm.home)
    const client = connect(url.replace('embedded', 'mqtt'), { reconnectPeriod: 50 })
    t.teardown(() => client.endAsync(true))
    client.on('error', () => {})
    client.on('connect', () => client.subscribe('facelatch/test/+', () => {}))
    client.on('message', (topic, payload) => {
      if (topic.endsWith('/state')) storm.#note(JSON.parse(payload.toString()).camera)
      if (topic.endsWith('/health')) storm.health = JSON.parse(payload.toString())
    })
    await until('the camera is live', () => storm.is('live'))
    return storm
  }

  is = (camera: string) => this.seen.at(-1)?.camera === camera

  #note(camera: string): void {
    if (!this.is(camera)) this.seen.push({ camera, at: systemClock.now() })
  }

  #serve(request: string): undefined {
    if (request !== 'nvargus-restart') this.problems.push(`${request} was asked for`)
    const { past } = this.camera
    const sessions =
      past.length - 1 - past.findLastIndex(({ kind, lasted }) => kind === 'well' && lasted > surelySteadyMs)
    // The one that was steady has failed, too, and two openings after it.
    if (sessions < 2) this.problems.push(`the daemon was to be restarted after ${sessions} tries`)
    if (this.camera.clients > 0) this.problems.push('the daemon was to be restarted under a client')
    this.#hung = false
    this.camera.usually({ kind: 'well' })
  }

  #inject(fault: Fault): void {
    switch (fault) {
      case 'error':
      case 'end':
      case 'stall':
      case 'freeze':
        this.camera[fault]()
        return
      case 'flapping':
        this.camera.upcoming({ kind: 'well', frames: 2 + Math.floor(this.next() * 4) })
        this.camera.end()
        return
      case 'half-open':
        this.camera.upcoming({ kind: 'silent' })
        this.camera.end()
        return
      case 'daemon':
        this.#hung = true
        this.camera.usually({ kind: 'silent' })
        this.camera.error()
    }
  }

  #draw(): Fault {
    let at = this.next() * Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    for (const fault of faults) {
      at -= weights[fault]
      if (at < 0) return fault
    }
    return 'error'
  }

  async #pressExit(): Promise<void> {
    this.presses++
    await this.door.input('exit', 1)
    if (this.door.lines('lock').at(-1)?.value !== 1) this.problems.push('the exit button did not power the strike')
    await this.door.input('exit', 0)
  }

  async round(lateness: Lateness): Promise<void> {
    const fault = this.#draw()
    this.counts[fault]++
    const asked = this.host.asked.length
    const sessions = this.camera.past.length
    lateness.take()
    const [before, injected] = [this.seen.length, systemClock.now()]
    this.#inject(fault)
    const faulty = () => this.seen.slice(before).find(({ camera }) => camera === 'fault')
    await until(`${fault} is noticed`, () => faulty() !== undefined)
    const took = faulty()!.at - injected
    this.noticed.push(took)
    const allowed = noticedMs + lateness.take()
    if (took > allowed) this.problems.push(`${fault} was noticed after ${took.toFixed(0)} ms of ${allowed.toFixed(0)}`)
    await this.#pressExit()
    await until(`${fault} is healed`, () => !this.#hung && this.is('live') && this.camera.clients === 1)
    const borne = this.camera.past.slice(sessions).filter(({ kind }) => kind === 'silent')
    const longest = Math.max(0, ...borne.map(({ lasted }) => lasted))
    const bearable = (openSeconds + 1) * 1000 + lateness.take()
    if (longest > bearable) this.problems.push(`a silent camera was borne for ${longest.toFixed(0)} ms`)
    if (fault === 'daemon' && this.host.asked.length === asked) this.problems.push('the daemon healed by itself')
    // Steady, or the next fault meets the ladder where this one left it: both happen.
    await sleep(this.next() < 0.8 ? 350 : 50)
    await until('it is live still', () => this.is('live'))
  }
}

export async function cameraStorm(t: Test, { rounds, seed }: StormOptions): Promise<void> {
  const storm = await Storm.begin(t, seed)
  const lateness = new Lateness()
  t.teardown(() => lateness.stop())
  const { door } = storm
  const before = { log: door.log().length, recognizers: recognizersOf(door).join() }
  for (let round = 0; round < rounds; round++) await storm.round(lateness)
  t.same(storm.problems, [], `${rounds} faults: ${JSON.stringify(storm.counts)}`)
  const times = [...storm.noticed].sort((a, b) => a - b)
  t.comment(`noticed after ${times[times.length >> 1]!.toFixed(0)} ms, at most ${times.at(-1)!.toFixed(0)} ms`)
  t.comment(`${storm.host.asked.length} restarts of the daemon for ${storm.counts.daemon} hangs`)
  const silent = storm.camera.past.filter(({ kind }) => kind === 'silent')
  t.ok(silent.length >= storm.counts['half-open'], `${silent.length} times it opened and gave nothing`)

  t.equal(recognizersOf(door).join(), before.recognizers, 'the recognizer is the one it was')
  t.equal(door.process.exitCode, null, 'and so is the supervisor')
  await door.stop()
  const log = door.log().slice(before.log)
  const events = await door.events()
  const of = (type: string) => events.filter((event) => event.type === type).length
  t.equal(of('exit'), storm.presses, 'every press of the exit button is in the audit log')
  t.equal(of('recognizer_lost'), 0)
  // Six outages at once and one in ten minutes; each with the steps of the ladder.
  t.ok(of('camera_fault') >= 1 && of('camera_fault') <= 6 * 3, `${of('camera_fault')} camera_fault`)
  t.ok(of('camera_restored') <= 6, `${of('camera_restored')} camera_restored`)
  t.ok(of('camera_step') <= 6 * 5, `${of('camera_step')} camera_step`)
  const lines = log.split('\n').filter((line) => !/\bexit\b|door_closed/.test(line))
  t.ok(lines.length < 120, `${lines.length} lines of log, none of them a matter of how often it failed`)
  const { code, stdout } = await facelatch(['events', '--verify', '--config', storm.home.config])
  t.equal(code, 0, stdout)
}

import t from 'tap'
import { CameraCare, type CameraCareOptions, type CareEffect } from '../../firmware/app/camera-care.js'
import type { FromRecognizer } from '../../firmware/app/messages.js'
import type { FaultKind } from '../../firmware/domain/camera-faults.js'

const minute = 60_000
const options: CameraCareOptions = { cure: 'nvargus', rebootMs: 0, steadyMs: 30_000, boot: 'this' }

class World {
  readonly care: CameraCare
  now = 10 * minute
  readonly events: { type: string; detail?: object }[] = []
  done: string[] = []

  constructor(changes: Partial<CameraCareOptions> = {}) {
    this.care = new CameraCare({ ...options, ...changes })
    this.care.tick(this.now)
    this.hear({ type: 'ready', engine: 'CPU', embedder: 'e', threshold: 0.5 })
  }

  do(effects: readonly CareEffect[]): void {
    for (const effect of effects)
      if (effect.do === 'record') this.events.push(effect.event as never)
      else this.done.push(effect.do)
  }

  hear(message: FromRecognizer): void {
    this.do(this.care.recognizer(message, this.now))
  }

  fault(kind: FaultKind = 'stall', reason = 'no frame'): void {
    this.hear({ type: 'camera', status: 'fault', kind, reason })
  }

  step(): void {
    this.do(this.care.timeout('camera-step'))
  }

  /** Until it is opened again. */
  heal(): void {
    for (let i = 0; i < 4 && this.care.account.phase !== 'opening'; i++) {
      if (this.care.account.phase === 'closing') this.hear({ type: 'camera', status: 'closed', stuck: false })
      if (this.care.account.phase === 'curing') this.do(this.care.answer({ ok: true }))
      this.step()
    }
  }

  /** One fault and its healing. */
  flap(afterMs: number): void {
    this.fault()
    this.heal()
    this.hear({ type: 'camera', status: 'live' })
    this.now += afterMs
    this.do(this.care.timeout('camera-steady'))
  }

  count(type: string): number {
    return this.events.filter((event) => event.type === type).length
  }
}

t.test('a fault, a step and a recovery are events', async (t) => {
  const world = new World()
  world.hear({ type: 'camera', status: 'live' })
  t.same(world.events, [], 'that it works is no event')
  world.flap(0)
  t.same(world.events, [
    { type: 'camera_fault', detail: { kind: 'stall', reason: 'no frame' } },
    { type: 'camera_step', detail: { step: 'client', tries: 1 } },
    { type: 'camera_restored' },
  ])
})

t.test('what a driver printed names the fault and the step that helps', async (t) => {
  const world = new World()
  world.care.said('(Argus) Failed to create CaptureSession')
  world.fault('silent')
  t.match(world.events[0], { detail: { kind: 'silent', sign: /CaptureSession/ } })
  t.ok(world.done.includes('close-camera'), 'no opening again that cannot help')
  const later = new World()
  later.care.said('(Argus) Failed to create CaptureSession')
  later.now += 20_000
  later.fault('silent')
  t.notOk(later.done.includes('close-camera'), 'what was printed long ago has nothing to do with it')
})

t.test('a camera that flaps for a night makes few events, and all of them are counted', async (t) => {
  const world = new World()
  let flaps = 0
  for (const end = world.now + 12 * 60 * minute; world.now < end; flaps++) world.flap(31_000)
  const outages = world.count('camera_fault')
  t.ok(outages >= 60 && outages <= 6 + 12 * 6 + 1, `${outages} of ${flaps} told`)
  t.equal(world.count('camera_restored'), outages)
  t.ok(world.count('camera_step') <= outages * 2)
  const { faults, restored, untold } = world.care.account
  t.match({ faults, restored, untold }, { faults: { stall: flaps }, restored: flaps, untold: flaps - outages })
  const told = world.events.reduce((sum, { detail }) => sum + ((detail as { suppressed?: number })?.suppressed ?? 0), 0)
  t.ok(untold - told <= 60, 'those left out are told with the next')
})

t.test('an outage that could not be told is told when there is room', async (t) => {
  const world = new World()
  for (let i = 0; i < 8; i++) world.flap(0)
  const before = world.count('camera_fault')
  t.equal(before, 6)
  world.fault()
  t.equal(world.count('camera_fault'), before)
  for (let i = 0; i < 20; i++) {
    world.now += minute
    world.heal()
    world.fault()
  }
  t.equal(world.count('camera_fault'), before + 1)
  t.equal(world.count('camera_failed'), 1, 'with all that it came to')
})

t.test('a camera that never comes back is not told of for ever', async (t) => {
  const world = new World({ cure: 'none' })
  for (let i = 0; i < 10_000; i++) {
    world.fault(i % 2 === 0 ? 'stall' : 'error', `no frame for ${i} s`)
    world.now += minute
    world.step()
  }
  t.equal(world.count('camera_fault'), 2, 'one of each kind')
  t.equal(world.count('camera_failed'), 1)
  t.equal(world.events.length, 2 + 6 + 1)
})

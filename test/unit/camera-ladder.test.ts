/** The ladder on a hand-cranked timer wheel: its order, and what no sequence of events may make it do. */
import fc from 'fast-check'
import t from 'tap'
import type { FaultKind, Help } from '../../firmware/domain/camera-faults.js'
import {
  initialLadder,
  type LadderEffect,
  type LadderEvent,
  type LadderMemory,
  type LadderOptions,
  type LadderState,
  type LadderTimer,
  stepLadder,
} from '../../firmware/domain/camera-ladder.js'
import { mayReboot, rebootWaitMs } from '../../firmware/domain/reboot-guard.js'

const csi: LadderOptions = { cure: 'nvargus', rebootMs: 0, steadyMs: 30_000 }
const minute = 60_000
const { FAST_CHECK_SEED } = process.env
const runs = { numRuns: 300, ...(FAST_CHECK_SEED !== undefined && { seed: Number(FAST_CHECK_SEED) }) }

/** A machine with a supervisor that may be started again, and be booted. */
class World {
  state: LadderState
  now = 0
  boot = 0
  file: LadderMemory | undefined
  readonly timers = new Map<LadderTimer, number>()
  /** What was done, e.g. `open-camera`, `ask nvargus-restart`, `step client`. */
  done: string[] = []
  readonly reboots: { readonly at: number }[] = []
  /** Ms since the first boot. */
  age = 0
  onEffect: (effect: LadderEffect) => void = () => {}

  constructor(readonly options: LadderOptions) {
    this.state = initialLadder(this.id)
    this.give({ type: 'ready' })
  }

  get id() {
    return `boot ${this.boot}`
  }

  give(event: LadderEvent): void {
    const { state, effects } = stepLadder(this.state, event, this.options, this.now)
    this.state = state
    for (const effect of effects) {
      this.onEffect(effect)
      if (effect.do === 'timer') this.timers.set(effect.timer, this.now + effect.ms)
      if (effect.do === 'cancel') this.timers.delete(effect.timer)
      if (effect.do === 'ask-host' || effect.do === 'keep-ladder') this.file = JSON.parse(JSON.stringify(effect.memory))
      if (effect.do === 'ask-host' && effect.request === 'reboot') this.reboots.push({ at: this.age })
      if (effect.do === 'timer' || effect.do === 'cancel') continue
      this.done.push(
        effect.do === 'ask-host' ? `ask ${effect.request}` : effect.do === 'step' ? `step ${effect.step}` : effect.do,
      )
    }
  }

  pass(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const [timer, due] = [...this.timers].sort((a, b) => a[1] - b[1])[0] ?? [undefined, Number.POSITIVE_INFINITY]
      if (timer === undefined || due > end) break
      this.age += due - this.now
      this.now = due
      this.timers.delete(timer)
      this.give({ type: 'timeout', timer })
    }
    this.age += end - this.now
    this.now = end
  }

  /** Until the camera is opened again, whatever it takes; answers what was done. */
  fail(help: Help = 'any', kind: FaultKind = 'stall'): string[] {
    if (this.state.phase === 'absent') this.give({ type: 'present' })
    if (this.state.phase === 'idle') this.give({ type: 'ready' })
    this.done = []
    this.give({ type: 'fault', kind, help })
    for (let tries = 0; tries < 10 && !['opening', 'rebooting'].includes(this.state.phase); tries++) {
      if (this.state.phase === 'closing') this.give({ type: 'closed', stuck: false })
      else if (this.state.phase === 'curing') this.give({ type: 'answer', ok: true })
      else this.pass(200_000)
    }
    return this.done.filter((what) => what !== 'fault' && what !== 'open-camera')
  }

  restart(): void {
    this.timers.clear()
    this.state = initialLadder(this.id, this.file)
    this.give({ type: 'ready' })
  }

  reboot(): void {
    this.boot++
    this.now = 0
    this.restart()
  }
}

const cured = ['close-camera', 'ask nvargus-restart', 'step nvargus']

t.test('the rungs in their order: client, daemon, back off, failed and tried slowly', async (t) => {
  const world = new World(csi)
  t.same(world.done, ['open-camera'])
  t.same(world.fail(), ['step client'])
  t.same(world.fail(), ['step client'])
  t.same(world.fail(), cured)
  t.same(world.fail(), cured)
  for (let i = 0; i < 4; i++) t.same(world.fail(), ['step back_off'])
  t.same(world.fail(), ['failed'])
  for (let i = 0; i < 8; i++) t.same(world.fail(), [], 'failed is said once')
  t.same(world.fail(), cured, 'and cured again now and then')
})

t.test('a camera without anything behind it is only opened again', async (t) => {
  const world = new World({ ...csi, cure: 'none' })
  const all = Array.from({ length: 30 }, () => world.fail()).flat()
  t.same(all, ['step client', 'step client', ...Array(4).fill('step back_off'), 'failed'])
})

t.test('frames that flow forgive; frames that flow for a moment do not', async (t) => {
  const world = new World(csi)
  world.fail()
  world.fail()
  world.give({ type: 'live' })
  world.pass(29_000)
  t.same(world.fail(), cured)
  world.give({ type: 'live' })
  world.pass(30_000)
  t.same(world.fail(), ['step client'])
})

t.test('what only the daemon helps, or only the operator, climbs no rung for nothing', async (t) => {
  t.same(new World(csi).fail('cure'), cured)
  const wrong = new World({ ...csi, rebootMs: 10 * minute })
  wrong.now = 60 * minute
  const all = Array.from({ length: 20 }, () => wrong.fail('operator', 'refused')).flat()
  t.same(all, [...Array(4).fill('step back_off'), 'failed'], 'no daemon and no reboot helps a wrong configuration')
})

t.test('the order of things around the daemon', async (t) => {
  const world = new World(csi)
  world.fail()
  world.fail()
  world.done = []
  world.give({ type: 'fault', kind: 'silent', help: 'any' })
  t.same(world.done, ['fault', 'close-camera'], 'clients end first')
  world.pass(1_000)
  t.equal(world.state.phase, 'closing')
  world.give({ type: 'closed', stuck: false })
  t.same(world.done.slice(2), ['ask nvargus-restart'])
  world.pass(60_000)
  t.equal(world.state.phase, 'curing', 'however long it takes')
  world.give({ type: 'answer', ok: true })
  world.pass(1_199)
  t.equal(world.state.phase, 'settling')
  world.pass(1)
  t.same(world.done.slice(3), ['step nvargus', 'open-camera'])
  const phase = () => world.state.phase
  const settle = () => {
    world.give({ type: 'fault', kind: 'silent', help: 'cure' })
    if (phase() !== 'closing') return 0
    world.give({ type: 'closed', stuck: false })
    world.give({ type: 'answer', ok: true })
    const { now } = world
    while (phase() === 'settling') world.pass(100)
    return world.now - now
  }
  t.equal(settle(), 8_000)
  for (let i = 0; i < 13; i++) world.fail()
  t.equal(settle(), 15_000, 'longer after three failures')
})

t.test('a client that does not let go is killed before the daemon is restarted', async (t) => {
  const stuck = (let_go: (world: World) => void) => {
    const world = new World(csi)
    world.done = []
    world.give({ type: 'fault', kind: 'silent', help: 'cure' })
    let_go(world)
    t.same(world.done, ['fault', 'close-camera', 'restart-recognizer'])
    world.give({ type: 'lost' })
    t.equal(world.done.at(-1), 'ask nvargus-restart')
    world.give({ type: 'ready' })
    t.equal(world.state.phase, 'curing', 'a new one waits')
    world.give({ type: 'answer', ok: true })
    world.pass(1_200)
    t.equal(world.done.at(-1), 'open-camera')
  }
  stuck((world) => world.give({ type: 'closed', stuck: true }))
  stuck((world) => world.pass(4_000))
})

t.test('a driver that will not let go costs the process', async (t) => {
  const world = new World(csi)
  world.done = []
  world.give({ type: 'fault', kind: 'stuck', help: 'process' })
  world.pass(250)
  t.same(world.done, ['fault', 'step client', 'restart-recognizer'])
  world.give({ type: 'lost' })
  world.give({ type: 'ready' })
  t.equal(world.done.at(-1), 'open-camera')
})

t.test('the ladder outlives the recognizer, and counts one that dies of the camera', async (t) => {
  const world = new World(csi)
  for (let i = 0; i < 2; i++) {
    world.give({ type: 'lost' })
    world.give({ type: 'ready' })
    world.pass(1_000)
  }
  t.equal(world.state.climb, 2)
  world.give({ type: 'live' })
  world.give({ type: 'lost' })
  t.equal(world.state.climb, 2, 'one that dies later may have died of anything')
  world.give({ type: 'ready' })
  t.same(world.fail(), cured)
})

t.test('a client that dies soon after the first frame each time climbs like one that dies before it', async (t) => {
  const world = new World(csi)
  const live = (ms: number) => {
    world.give({ type: 'live' })
    world.pass(ms)
    world.done = []
    world.give({ type: 'lost' })
    world.give({ type: 'ready' })
    world.pass(2_000)
  }
  for (let i = 0; i < 20; i++) live(31_000)
  t.equal(world.state.climb, 0, 'however often, where frames were steady')
  live(1_000)
  live(1_000)
  t.equal(world.state.climb, 0)
  live(31_000)
  live(1_000)
  live(1_000)
  t.equal(world.state.climb, 0, 'not in a row')
  const asked: string[] = []
  for (let i = 0; i < 3; i++) {
    live(1_000)
    asked.push(...world.done)
  }
  t.ok(asked.includes('ask nvargus-restart'), asked.join())
})

t.test('a daemon that cannot be restarted is told, and the ladder goes on', async (t) => {
  const world = new World(csi)
  world.give({ type: 'fault', kind: 'silent', help: 'cure' })
  world.give({ type: 'closed', stuck: false })
  let problem: string | undefined
  world.onEffect = (effect) => {
    if (effect.do === 'step') problem = effect.problem
  }
  world.give({ type: 'answer', ok: false, reason: 'no helper is installed' })
  t.equal(problem, 'no helper is installed')
  world.pass(1_200)
  t.equal(world.done.at(-1), 'open-camera')
})

t.test('a device that is gone is waited for and taken at once', async (t) => {
  const world = new World({ ...csi, cure: 'usb' })
  world.give({ type: 'live' })
  world.done = []
  world.give({ type: 'fault', kind: 'absent', help: 'device' })
  t.same(world.done, ['fault', 'await-device'])
  world.pass(24 * 60 * minute)
  t.equal(world.state.phase, 'absent')
  world.give({ type: 'present' })
  t.equal(world.done.at(-1), 'open-camera')
  t.equal(world.state.climb, 0)
})

t.test('a device that is plugged in and has no node is bound again, ever more rarely', async (t) => {
  const world = new World({ ...csi, cure: 'usb' })
  world.give({ type: 'live' })
  world.give({ type: 'fault', kind: 'absent', help: 'device' })
  const asked = []
  for (let i = 0; i < 30; i++) {
    world.done = []
    world.give({ type: 'nodeless' })
    if (world.state.phase === 'closing') world.give({ type: 'closed', stuck: false })
    if (world.state.phase === 'curing') world.give({ type: 'answer', ok: false })
    asked.push(world.done.includes('ask usb-rebind'))
    world.pass(60_000)
    t.equal(world.state.phase, 'opening')
    world.give({ type: 'fault', kind: 'absent', help: 'device' })
  }
  t.same(asked.slice(0, 8), [true, true, false, false, false, false, false, false])
  t.equal(asked.filter(Boolean).length, 4)
  world.give({ type: 'present' })
  t.equal(world.done.at(-1), 'open-camera')
})

t.test('a supervisor that is started again restarts no daemon anew', async (t) => {
  const world = new World(csi)
  const asked: string[] = []
  for (let i = 0; i < 12; i++) {
    asked.push(...world.fail().filter((what) => what.startsWith('ask')))
    world.restart()
  }
  t.same(asked, [], 'each start had one fault only')
  for (let i = 0; i < 4; i++) asked.push(...world.fail().filter((what) => what.startsWith('ask')))
  world.restart()
  for (let i = 0; i < 5; i++) asked.push(...world.fail().filter((what) => what.startsWith('ask')))
  t.equal(asked.length, 2, 'those of before the start count')
})

t.test('reboots: not before the machine was up for so long, ever rarer, and none unless asked for', async (t) => {
  const boot = { id: 'b', now: 30 * minute }
  t.notOk(mayReboot(0, undefined, { ...boot, now: 1e12 }))
  t.ok(mayReboot(30 * minute, undefined, boot))
  t.notOk(mayReboot(30 * minute, undefined, { ...boot, now: 30 * minute - 1 }))
  t.notOk(mayReboot(30 * minute, { boot: 'a', at: 0, inRow: 1 }, boot), 'the last one has not helped')
  t.ok(mayReboot(30 * minute, { boot: 'a', at: 0, inRow: 1 }, { ...boot, now: 60 * minute }))
  t.notOk(mayReboot(30 * minute, { boot: 'b', at: 25 * minute, inRow: 0 }, boot), 'one that did not come')
  t.equal(rebootWaitMs(30 * minute, { boot: 'a', at: 0, inRow: 50 }), 24 * 60 * minute)
})

const help = fc.constantFrom<Help>('any', 'client', 'cure', 'process', 'reboot', 'device', 'operator')
const event: fc.Arbitrary<LadderEvent | 'restart' | 'boot' | number> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<LadderEvent>({ type: 'ready' }, { type: 'lost' }, { type: 'live' }) },
  { weight: 8, arbitrary: help.map((help): LadderEvent => ({ type: 'fault', kind: 'stall', help })) },
  { weight: 2, arbitrary: fc.boolean().map((stuck): LadderEvent => ({ type: 'closed', stuck })) },
  { weight: 2, arbitrary: fc.boolean().map((ok): LadderEvent => ({ type: 'answer', ok })) },
  { weight: 2, arbitrary: fc.constantFrom<LadderEvent>({ type: 'present' }, { type: 'nodeless' }) },
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 40 * minute }) },
  { weight: 1, arbitrary: fc.constantFrom('restart' as const, 'boot' as const) },
)
const kinds = fc.constantFrom<LadderOptions['cure']>('nvargus', 'usb', 'none')

t.test('whatever happens, no two reboots come closer than was allowed', async (t) => {
  const rebootMs = 30 * minute
  let most = 0
  const outage = fc.constantFrom<{ fail: Help }>({ fail: 'any' }, { fail: 'reboot' })
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 3, arbitrary: outage }, { weight: 2, arbitrary: event }), {
        maxLength: 150,
        size: 'max',
      }),
      fc.constantFrom('obeys', 'obeys and forgets', 'does not'),
      (events, machine) => {
        const world = new World({ ...csi, rebootMs })
        for (const what of events) {
          const asked = world.reboots.length
          if (what === 'restart') world.restart()
          else if (what === 'boot') world.restart()
          else if (typeof what === 'number') world.pass(what)
          else if ('fail' in what) world.fail(what.fail)
          else world.give(what)
          if (world.reboots.length === asked || machine === 'does not') continue
          if (machine === 'obeys and forgets') world.file = undefined
          world.reboot()
        }
        const times = world.reboots.map(({ at }) => at)
        most = Math.max(most, times.length)
        return times.every((at, i) => at >= rebootMs && (i === 0 || at - times[i - 1]! >= rebootMs))
      },
    ),
    runs,
  )
  t.ok(most >= 3, `${most} reboots in one run at most`)
})

t.test('whatever happens, the ladder never sticks: left alone with a good camera it opens it', async () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80, size: 'max' }), kinds, (events, cure) => {
      const world = new World({ cure, rebootMs: 10 * minute, steadyMs: 30_000 })
      for (const what of events) {
        if (what === 'restart') world.restart()
        else if (what === 'boot') world.reboot()
        else if (typeof what === 'number') world.pass(what)
        else world.give(what)
      }
      // From now on everybody answers.
      if (!world.state.client) world.give({ type: 'ready' })
      for (let i = 0; i < 20 && world.state.phase !== 'live'; i++) {
        if (world.state.phase === 'opening') world.give({ type: 'live' })
        else if (world.state.phase === 'closing') world.give({ type: 'closed', stuck: false })
        else if (world.state.phase === 'curing' || world.state.phase === 'rebooting') {
          world.give({ type: 'answer', ok: true })
          world.pass(200_000)
        } else if (world.state.phase === 'absent') world.give({ type: 'present' })
        else if (world.state.phase === 'idle') {
          world.give({ type: 'lost' })
          world.give({ type: 'ready' })
        } else world.pass(200_000)
      }
      return world.state.phase === 'live'
    }),
    runs,
  )
})

t.test('whatever happens, clients are ended before the daemon is touched, and none opens meanwhile', async () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 120, size: 'max' }), (events) => {
      const world = new World(csi)
      let curing = false
      let good = true
      world.onEffect = (effect) => {
        if (effect.do === 'ask-host') {
          good &&= world.state.phase === 'curing'
          curing = true
        }
        if (effect.do === 'open-camera') good &&= !curing
      }
      for (const what of events) {
        if (what === 'restart') {
          curing = false
          world.restart()
        } else if (what === 'boot') {
          curing = false
          world.reboot()
        } else if (typeof what === 'number') world.pass(what)
        else {
          if (what.type === 'answer') curing = false
          world.give(what)
        }
      }
      return good
    }),
    runs,
  )
})

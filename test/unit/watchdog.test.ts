import t from 'tap'
import { GalleryFeed } from '../../firmware/app/gallery-feed.js'
import type { Effect, StateReport, SupervisorEvent } from '../../firmware/app/supervisor-types.js'
import { Vigil } from '../../firmware/app/vigil.js'
import { startWatchdog, stepWatchdog, type WatchdogEvent, type WatchdogState } from '../../firmware/domain/watchdog.js'
import { memoryLog } from '../support/temp.js'

const limits = { linesMs: 5_000, storeMs: 60_000, cameraMs: 120_000, loadingMs: 600_000 }

function play(events: readonly WatchdogEvent[]) {
  let state: WatchdogState = startWatchdog(0, limits)
  let effects: readonly object[] = []
  for (const event of events) ({ state, effects } = stepWatchdog(state, event, limits))
  return effects
}
const lines = (now: number): WatchdogEvent => ({ type: 'progress', part: 'lines', now })
const store = (now: number): WatchdogEvent => ({ type: 'progress', part: 'store', now })
const tick = (now: number): WatchdogEvent => ({ type: 'tick', now })
const fed = [{ do: 'feed' }]
const stuck = (part: string) => [{ do: 'stuck', part }]

t.test('is fed while all three progress, and one that does not is enough to end it', async (t) => {
  const frames: WatchdogEvent[] = [
    { type: 'ladder', now: 0 },
    { type: 'frames', count: 5, now: 119_000 },
  ]
  t.same(play([...frames, lines(119_500), store(119_000), tick(120_000)]), fed)
  t.same(play([...frames, lines(115_000), store(119_000), tick(120_000)]), stuck('lines'))
  t.same(play([...frames, lines(119_500), store(60_000), tick(120_000)]), stuck('store'))
  t.same(play([{ type: 'ladder', now: 0 }, lines(119_500), store(119_000), tick(120_000)]), stuck('camera'))
})

t.test('what is stuck is told once, and may progress again', async (t) => {
  const before = [lines(0), tick(6_000)]
  t.same(play(before), stuck('lines'))
  t.same(play([...before, tick(7_000)]), [])
  t.same(play([...before, tick(7_000), lines(7_500), tick(8_000)]), fed)
  t.same(play([...before, lines(7_500), tick(8_000), tick(13_000)]), stuck('lines'))
})

t.test('a recognizer that counts the same frames again and again feeds nothing', async (t) => {
  const frozen = Array.from({ length: 13 }, (_, i): WatchdogEvent => ({ type: 'frames', count: 9, now: i * 10_000 }))
  t.same(play([...frozen, lines(120_000), store(120_000), tick(120_000)]), stuck('camera'))
  const anew: WatchdogEvent[] = [
    { type: 'frames', count: 9, now: 0 },
    { type: 'loading', now: 1_000 },
  ]
  // The next process begins to count at one.
  t.same(
    play([...anew, { type: 'frames', count: 1, now: 590_000 }, lines(700_000), store(700_000), tick(700_000)]),
    fed,
  )
})

t.test('plans may be built for long, and a device that is not there is waited for without an end', async (t) => {
  const at = (now: number) => [lines(now), store(now), tick(now)]
  t.same(play([{ type: 'loading', waitMs: 30_000, now: 0 }, ...at(629_000)]), fed)
  t.same(play([{ type: 'loading', waitMs: 30_000, now: 0 }, ...at(631_000)]), stuck('camera'))
  t.same(play([{ type: 'resting' }, ...at(1e9)]), fed)
  t.same(play([{ type: 'resting' }, { type: 'ladder', now: 1e9 }, ...at(1e9 + 121_000)]), stuck('camera'))
})

function vigil(pictureMs = 0) {
  const told: string[] = []
  let now = 0
  const log = memoryLog()
  const init = {
    watchdogMs: 10_000,
    ready: () => told.push('ready'),
    status: (text: string) => told.push(text),
    stopping: () => told.push('stopping'),
    extend: (ms: number) => told.push(`extend ${ms}`),
    feed: () => told.push('feed'),
  }
  const clock = { now: () => now, wall: () => new Date(0), after: () => () => {} }
  const report = { door: 'locked', camera: 'live', recognizer: 'running', people: 2, store: 'ok', mode: 'normal' }
  const keeper = new Vigil({ init, clock, log, limits, pictureMs })
  return {
    keeper,
    told,
    log,
    to: (ms: number) => {
      now = ms
    },
    saw: (event: object, effects: readonly object[] = [], more: object = {}) =>
      keeper.saw(event as SupervisorEvent, effects as Effect[], { ...report, ...more } as unknown as StateReport),
    since: () => told.splice(0),
  }
}

t.test('a start that takes its time asks for more of it, and not for ever', async (t) => {
  const { keeper, to, since } = vigil()
  keeper.tick()
  t.same(since(), ['extend 60000'])
  to(16 * 60_000)
  keeper.tick()
  t.same(since(), [], 'one that hangs is ended')
  keeper.guarding(() => {})
  keeper.tick()
  t.same(since(), ['ready', 'feed'])
  keeper.stopping()
  keeper.tick()
  t.same(since(), ['stopping', 'extend 60000'])
})

t.test('lines that cannot be read starve the watchdog; a recognizer cannot', async (t) => {
  const { keeper, to, since, log, saw } = vigil()
  keeper.guarding(() => {
    throw new Error('no such device')
  })
  since()
  to(6_000)
  keeper.storeAnswered()
  saw({ type: 'recognizer', message: { type: 'health', health: { frames: 100 } } })
  keeper.tick()
  t.notOk(since().includes('feed'))
  t.match(log.lines.join('\n'), /error: the lines cannot be read: the watchdog is fed no more/)
})

t.test('the ladder counts, its rest as well, and what the recognizer says does not', async (t) => {
  const limit = limits.cameraMs
  const after = (event: object, effects: readonly object[]) => {
    const { keeper, to, since, saw } = vigil()
    keeper.guarding(() => {})
    saw({ type: 'tick' }, [{ do: 'open-camera' }])
    to(limit - 1_000)
    saw(event, effects)
    since()
    to(limit + 1_000)
    keeper.storeAnswered()
    keeper.tick()
    return since()
  }
  t.same(after({ type: 'timeout', timer: 'camera-step' }, [{ do: 'ask-host', request: 'nvargus-restart' }]), ['feed'])
  t.same(after({ type: 'tick' }, [{ do: 'timer', timer: 'camera-step', ms: 60_000 }]), ['feed'])
  t.same(after({ type: 'tick' }, [{ do: 'publish-health', camera: { phase: 'absent' } }]), ['feed'])
  t.same(after({ type: 'recognizer-lost', reason: 'x', restartMs: 0 }, []), ['feed'])
  t.same(after({ type: 'recognizer', message: { type: 'camera', status: 'fault' } }, []), [])
  t.same(after({ type: 'recognizer', message: { type: 'fatal', reason: 'x' } }, []), [])
})

t.test('a camera that waits for the store, or may take its time, is no hang', async (t) => {
  const late = (keeper: Vigil, to: (ms: number) => void, ms: number) => {
    to(ms)
    keeper.storeAnswered()
    keeper.tick()
  }
  const { keeper, to, since, saw } = vigil()
  keeper.guarding(() => {})
  saw({ type: 'recognizer', message: { type: 'ready' } }, [{ do: 'open-camera' }])
  to(limits.cameraMs - 1)
  const feed = new GalleryFeed({
    store: { galleryPart: () => Promise.reject(new Error('another program keeps it locked')) },
    log: memoryLog(),
    send: () => {},
  })
  feed.begin('e')
  await new Promise(setImmediate)
  t.ok(feed.waits)
  keeper.cameraWaits()
  since()
  late(keeper, to, limits.cameraMs + 1)
  t.same(since(), ['feed'])
  feed.lost()
  t.notOk(feed.waits, 'nobody is there to wait')

  const patient = vigil(600_000)
  patient.keeper.guarding(() => {})
  patient.saw({ type: 'recognizer', message: { type: 'ready' } }, [{ do: 'open-camera' }])
  patient.since()
  late(patient.keeper, patient.to, limits.cameraMs + 599_000)
  t.same(patient.since(), ['feed'])
  late(patient.keeper, patient.to, limits.cameraMs + 601_000)
  t.same(patient.since(), [])
})

t.test('one line of status, when it changes', async (t) => {
  const { since, saw } = vigil()
  saw({ type: 'tick' })
  saw({ type: 'tick' })
  t.same(since(), ['door locked, camera live, 2 people'])
  saw({ type: 'tick' }, [], { people: 1, store: 'fault', mode: 'lockdown', recognizer: 'down' })
  t.same(since(), ['door locked, camera waits: recognizer down, 1 person, the store fails, mode lockdown'])
})

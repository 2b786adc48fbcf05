import t from 'tap'
import { enrollingOptions } from '../../firmware/app/enrolling.js'
import type { FromRecognizer, SightedTrack } from '../../firmware/app/messages.js'
import { type Effect, Supervisor, type SupervisorEvent } from '../../firmware/app/supervisor.js'
import { loadConfig } from '../../firmware/config.js'
import { patterns } from '../../firmware/domain/signals.js'

const make = (changes: object = {}) =>
  new Supervisor({
    door: { strikeMs: 5000, heldOpenMs: 60_000, graceMs: 1000, sensor: false },
    visits: { rearmMs: 20_000 },
    maxSightingAgeMs: 1000,
    remoteUnlock: false,
    remoteMode: false,
    rulesFile: false,
    mode: 'normal',
    restingStrike: false,
    snapshots: false,
    camera: { cure: 'none', rebootMs: 0, steadyMs: 30_000, boot: 'this' },
    enrolment: enrollingOptions(loadConfig([], {})),
    ...changes,
  })

const ann: SightedTrack = {
  id: 1,
  state: 'confirmed',
  box: { x: 0, y: 0, width: 50, height: 50 },
  verdict: { kind: 'known', person: 'Ann', similarity: 0.97, votes: 3 },
  verified: true,
}
const sighting = (arrived: number, now: number): SupervisorEvent => ({
  type: 'recognizer',
  message: { type: 'sighting', at: 0, arrived, decided: arrived, tracks: [ann] } satisfies FromRecognizer,
  now,
})
const kinds = (effects: readonly Effect[]) =>
  effects.map((effect) => (effect.do === 'record' ? effect.event.type : effect.do))
const command = (topic: string, payload: string, retained = false, now = 0): SupervisorEvent => ({
  type: 'command',
  command: { topic, payload: Buffer.from(payload), retained },
  now,
  wall: now,
})

t.test('the strike is driven before anything is written or published', async (t) => {
  const effects = make().step(sighting(100, 150))
  t.same(kinds(effects).slice(0, 5), ['strike', 'timer', 'cancel', 'known', 'granted'])
  t.ok(
    kinds(effects)
      .slice(5)
      .every((kind) => ['led', 'buzzer', 'timer', 'cancel', 'publish'].includes(kind)),
  )
})

t.test('an old sighting, or one from the future, opens nothing', async (t) => {
  t.notOk(kinds(make().step(sighting(100, 1101))).includes('strike'))
  t.notOk(kinds(make().step(sighting(200, 100))).includes('strike'))
})

t.test('commands are refused unless they are new, understood and allowed', async (t) => {
  for (const [topic, payload, retained, options, reason] of [
    ['lock/set', 'UNLOCK', false, {}, /remote unlocking is off/],
    ['lock/set', 'UNLOCK', true, { remoteUnlock: true }, /retained/],
    ['lock/set', 'unlock!', false, { remoteUnlock: true }, /must be LOCK or UNLOCK/],
    ['door/set', 'OPEN', false, { remoteUnlock: true }, /no such command/],
  ] as const) {
    const effects = make(options).step(command(topic, payload, retained))
    t.match(effects[0], { do: 'record', event: { type: 'refused', detail: { topic, reason } } })
    t.notOk(kinds(effects).includes('strike'))
  }
  t.ok(kinds(make({ remoteUnlock: true }).step(command('lock/set', 'UNLOCK'))).includes('strike'))
})

t.test('whoever may publish cannot flood the audit log', async (t) => {
  const supervisor = make()
  const told = (now: number) =>
    supervisor.step(command('lock/set', 'x', false, now)).filter(({ do: what }) => what === 'record')
  const first = Array.from({ length: 2000 }, (_, i) => told(i)).flat()
  t.equal(first.length, 10)
  t.match(
    told(60_000),
    [{ event: { type: 'refused', detail: { suppressed: 1990 } } }],
    'what was suppressed is counted',
  )
  t.same(
    supervisor.step(command('lock/set', '')).filter(({ do: what }) => what === 'record'),
    [],
    'clearing a retained message',
  )
})

t.test('every obeyed command is an audit row', async (t) => {
  const supervisor = make({ remoteUnlock: true })
  t.match(supervisor.step(command('lock/set', 'LOCK'))[0], {
    event: { type: 'command', detail: { topic: 'lock/set', command: 'LOCK' } },
  })
  const unlocking = supervisor.step(command('lock/set', '{"command":"UNLOCK"}'))
  t.match(
    unlocking.filter(({ do: what }) => what === 'record'),
    [
      { event: { type: 'granted', detail: { by: 'remote' } } },
      { event: { type: 'command', detail: { topic: 'lock/set', command: 'UNLOCK' } } },
    ],
  )
  t.ok(kinds(supervisor.step(command('recognizer/set', 'RESTART'))).includes('restart-recognizer'))
})

t.test('an undone enrolment is shown as such, and a refused press is no command', async (t) => {
  const supervisor = make({})
  supervisor.step({ type: 'boot', doorOpen: false })
  const shown = supervisor.step({ type: 'enrolment', answer: { type: 'undone', person: 'visitor-1' } })
  const [first] = patterns.undone.led as readonly number[]
  t.ok(shown.some((effect) => effect.do === 'timer' && effect.timer === 'signal-led' && effect.ms === first))
  t.ok(shown.some((effect) => effect.do === 'buzzer' && effect.on))
  supervisor.step({ type: 'input', line: 'enrol', on: true, now: 1 })
  const [refused] = supervisor.step({ type: 'input', line: 'enrol', on: false, now: 2 }).slice(1)
  t.match(refused, { event: { type: 'refused', detail: { by: 'button', topic: undefined } } })
})

t.test('what was refused in silence is told at the end, when no other refusal does', async (t) => {
  const supervisor = make()
  Array.from({ length: 21 }, () => supervisor.step(command('lock/set', 'x')))
  t.match(
    supervisor.step({ type: 'stop' }).flatMap((effect) => (effect.do === 'record' ? [effect.event] : [])),
    [{ type: 'refused', detail: { suppressed: 11 } }, { type: 'stopped' }],
  )
})

t.test('a strike that cannot be driven is jammed until it can', async (t) => {
  const supervisor = make()
  supervisor.step({ type: 'boot', doorOpen: false })
  const lock = (ok: boolean) =>
    supervisor
      .step({ type: 'strike', ok })
      .flatMap((effect) => (effect.do === 'publish' && effect.topic === 'lock/state' ? [effect.value] : []))
  t.same(lock(false), ['JAMMED'])
  t.same(lock(true), ['LOCKED'])
})

const ready: FromRecognizer = { type: 'ready', engine: 'CPU', embedder: 'e', threshold: 0.9 }

t.test('an outage of the camera is one event, however often it is tried again', async (t) => {
  const supervisor = make()
  supervisor.step({ type: 'recognizer', message: ready, now: 0 })
  const fault = (kind: 'error' | 'silent') => {
    const message = { type: 'camera', status: 'fault', kind, reason: kind } as const
    const told = kinds(supervisor.step({ type: 'recognizer', message, now: 0 }))
    supervisor.step({ type: 'timeout', timer: 'camera-step' })
    return told
  }
  t.ok(fault('error').includes('camera_fault'))
  t.notOk(fault('error').includes('camera_fault'))
  t.ok(fault('silent').includes('camera_fault'), 'another fault is news')
  t.notOk(fault('silent').includes('camera_fault'))
})

t.test('states are published when they change, and only then', async (t) => {
  const supervisor = make()
  const topics = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.do === 'publish' ? [effect.topic] : []))
  t.same(topics(supervisor.step({ type: 'boot', doorOpen: false })), [
    'lock/state',
    'mode/state',
    'alarm/state',
    'state',
    'enrol/state',
  ])
  t.same(topics(supervisor.step({ type: 'input', line: 'enrol', on: true })), [])
  t.same(topics(supervisor.step({ type: 'input', line: 'tamper', on: true })), ['alarm/state', 'state'])
  t.same(topics(supervisor.step({ type: 'input', line: 'exit', on: true })), ['lock/state', 'state'])
})

t.test('whoever was removed opens nothing, whatever the recognizer still says', async (t) => {
  const supervisor = make()
  supervisor.step({ type: 'people', count: 2, names: ['Ann', 'Ben'] })
  t.ok(kinds(supervisor.step(sighting(100, 150))).includes('strike'))
  const other = make()
  other.step({ type: 'people', count: 1, names: ['Ben'] })
  const effects = kinds(other.step(sighting(100, 150)))
  t.notOk(effects.includes('strike'))
  t.notOk(effects.includes('known'))
})

t.test('the gallery goes to a recognizer that runs, whenever people change', async (t) => {
  const supervisor = make()
  t.notOk(kinds(supervisor.step({ type: 'people', count: 1 })).includes('send-gallery'), 'nobody is there to take it')
  t.ok(kinds(supervisor.step({ type: 'recognizer', message: ready, now: 0 })).includes('send-gallery'))
  t.match(supervisor.step({ type: 'people', count: 2 })[0], { do: 'send-gallery', embedder: 'e', anew: false })
  supervisor.step({ type: 'recognizer-lost', reason: 'x', restartMs: 1 })
  t.notOk(kinds(supervisor.step({ type: 'people', count: 3 })).includes('send-gallery'))
})

t.test('nobody is told of a live camera that has no recognizer', async (t) => {
  const supervisor = make()
  supervisor.step({ type: 'recognizer', message: ready, now: 0 })
  supervisor.step({ type: 'recognizer', message: { type: 'camera', status: 'live' }, now: 0 })
  t.equal(supervisor.report.camera, 'live')
  supervisor.step({ type: 'recognizer-lost', reason: 'x', restartMs: 1 })
  t.equal(supervisor.report.camera, 'opening')
})

t.test('a recognizer that dies again and again makes few events, and the last one says how it is', async (t) => {
  const supervisor = make()
  const events: { type: string; detail?: object }[] = []
  const step = (event: SupervisorEvent) => {
    for (const effect of supervisor.step(event)) if (effect.do === 'record') events.push(effect.event as never)
  }
  const lose = (now: number) => {
    step({ type: 'tick', now, wall: 0 })
    step({ type: 'recognizer-lost', reason: 'exit code 1', restartMs: 250 })
  }
  const count = (type: string) => events.filter((event) => event.type === type).length
  const day = 24 * 3_600_000
  for (let now = 0; now < day; now += 10_000) {
    step({ type: 'recognizer', message: { ...ready, fallback: 'no GPU' }, now })
    lose(now)
  }
  t.ok(count('recognizer_lost') <= 6 + 6 * 24, `${count('recognizer_lost')} losses told`)
  t.ok(count('recognizer_ready') <= count('recognizer_lost') + 1)
  t.ok(count('engine_fallback') <= count('recognizer_ready'))
  t.match(events.findLast(({ type }) => type === 'recognizer_lost')?.detail, { suppressed: 59 })
  // It does not even get ready any more, and then does.
  for (let now = day; now < day + 3_600_000; now += 10_000) lose(now)
  t.equal(events.at(-1)?.type, 'recognizer_lost')
  step({ type: 'recognizer', message: ready, now: day })
  t.equal(events.at(-1)?.type, 'recognizer_ready')
})

t.test('a recognizer without its GPU is told as an event, and works', async (t) => {
  const ready = { type: 'ready', engine: 'CPU', embedder: 'e', threshold: 0.9 } as const
  const events = (message: FromRecognizer) =>
    make()
      .step({ type: 'recognizer', message, now: 0 })
      .flatMap((effect) => (effect.do === 'record' ? [effect.event] : []))
  t.same(
    events(ready).map(({ type }) => type),
    ['recognizer_ready'],
  )
  t.match(events({ ...ready, fallback: 'libnvinfer.so.8 is missing' }), [
    { type: 'recognizer_ready' },
    { type: 'engine_fallback', detail: { engine: 'CPU', reason: /libnvinfer/ } },
  ])
  const supervisor = make()
  supervisor.step({ type: 'recognizer', message: { ...ready, fallback: 'x', notes: [] }, now: 0 })
  t.equal(supervisor.report.recognizer, 'running')
  t.match(
    make()
      .step({ type: 'recognizer', message: { ...ready, notes: ['plan built'] }, now: 0 })
      .find(({ do: what }) => what === 'tell'),
    { message: 'plan built' },
  )
})

t.test('a camera that comes back is told once', async (t) => {
  const supervisor = make()
  supervisor.step({ type: 'recognizer', message: ready, now: 0 })
  const camera = (status: 'live' | 'fault') =>
    kinds(supervisor.step({ type: 'recognizer', message: { type: 'camera', status }, now: 0 }))
  t.notOk(camera('live').includes('camera_restored'))
  t.ok(camera('fault').includes('camera_fault'))
  t.ok(kinds(supervisor.step({ type: 'timeout', timer: 'camera-step' })).includes('open-camera'))
  t.ok(camera('live').includes('camera_restored'))
  t.notOk(camera('live').includes('camera_restored'))
})

t.test('stopping leaves the strike as the fail mode says', async (t) => {
  for (const restingStrike of [false, true]) {
    const effects = make({ restingStrike }).step({ type: 'stop' })
    t.match(effects.filter((effect) => effect.do === 'strike').at(-1), { on: restingStrike })
  }
})

t.test('a store that fails is complained of, and stays in the state', async (t) => {
  const supervisor = make()
  t.match(supervisor.step({ type: 'store', ok: false, reason: 'disk full' })[0], {
    do: 'complain',
    message: /disk full/,
  })
  t.equal(supervisor.report.store, 'fault')
  supervisor.step({ type: 'store', ok: true })
  t.equal(supervisor.report.store, 'ok')
})

import t from 'tap'
import { enrollingOptions } from '../../firmware/app/enrolling.js'
import type { FromRecognizer, SightedTrack } from '../../firmware/app/messages.js'
import { type Effect, Supervisor, type SupervisorEvent } from '../../firmware/app/supervisor.js'
import { loadConfig } from '../../firmware/config.js'

function make(changes: object = {}) {
  const supervisor = new Supervisor({
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
    enrolment: { ...enrollingOptions(loadConfig([], {})), admins: ['Ann'], ...changes },
  })
  const all: Effect[] = []
  const give = (event: SupervisorEvent) => {
    const effects = supervisor.step(event)
    all.push(...effects)
    return effects
  }
  const hear = (message: FromRecognizer, now = 0) => give({ type: 'recognizer', message, now })
  hear({ type: 'ready', engine: 'CPU', embedder: 'e', threshold: 0.6 })
  hear({ type: 'camera', status: 'live' })
  give({ type: 'people', count: 2 })
  return {
    give,
    hear,
    press: (now: number) => [
      ...give({ type: 'input', line: 'enrol', on: true, now }),
      ...give({ type: 'input', line: 'enrol', on: false, now }),
    ],
    command: (payload: string, retained = false) => {
      const command = { topic: 'enrol/set', payload: Buffer.from(payload), retained }
      return give({ type: 'command', command, now: 0, wall: 0 })
    },
    state: () =>
      JSON.parse(
        all
          .flatMap((effect) => (effect.do === 'publish' && effect.topic === 'enrol/state' ? [effect.value] : []))
          .at(-1)!,
      ),
  }
}
const seeing = (person: string, now: number, arrived = now, verified = true): FromRecognizer => ({
  type: 'sighting',
  at: 0,
  arrived,
  decided: arrived,
  tracks: [
    {
      id: 1,
      state: 'confirmed',
      box: { x: 0, y: 0, width: 50, height: 50 },
      verdict: { kind: 'known', person, similarity: 0.97, votes: 3 },
      verified,
    } satisfies SightedTrack,
  ],
})
const events = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.do === 'record' ? [effect.event] : []))

t.test('the strike comes first, the LED after everything that the door did', async (t) => {
  const { hear } = make()
  const effects = hear(seeing('Ann', 100), 100)
  t.same(effects.map((effect) => (effect.do === 'record' ? effect.event.type : effect.do)).slice(0, 5), [
    'strike',
    'timer',
    'cancel',
    'known',
    'granted',
  ])
  const last = effects.findLastIndex((effect) => effect.do === 'record' || effect.do === 'strike')
  t.ok(effects.findIndex((effect) => effect.do === 'buzzer') > last)
})

t.test('an admin is whom the door let in, verified a moment ago', async (t) => {
  const pressed = (prepare: (door: ReturnType<typeof make>) => void, now: number) => {
    const door = make()
    prepare(door)
    return { refused: events(door.press(now)), state: door.state().state }
  }
  t.match(
    pressed(() => {}, 1),
    { refused: [{ type: 'refused', detail: { by: 'button', topic: undefined } }], state: 'idle' },
  )
  t.match(
    pressed(({ hear }) => hear(seeing('Ann', 100), 100), 200),
    { refused: [], state: 'collecting' },
  )
  t.match(
    pressed(({ hear }) => hear(seeing('Ben', 100), 100), 200),
    { state: 'idle' },
  )
  for (const change of [
    { type: 'people', count: 1 },
    { type: 'rules', file: { text: '{}', digest: 'x' } },
  ] as const)
    t.match(
      pressed(({ hear, give }) => {
        hear(seeing('Ann', 100), 100)
        give(change)
      }, 200),
      { state: 'idle' },
      `${change.type} changed since: she may be nobody any more`,
    )
  t.match(
    pressed(({ hear }) => hear(seeing('Ann', 5000, 100), 5000), 5001),
    { state: 'idle' },
    'an old sighting',
  )
  t.match(
    pressed(({ hear }) => hear(seeing('Ann', 100, 100, false), 100), 200),
    { state: 'idle' },
    'not verified',
  )
  t.match(
    pressed(({ hear }) => hear(seeing('Ann', 100), 100), 100 + 15_001),
    { state: 'idle' },
    'gone for long',
  )
  t.match(
    pressed(({ hear, give }) => {
      hear(seeing('Ann', 100), 100)
      give({ type: 'recognizer-lost', reason: 'x', restartMs: 1 })
    }, 200),
    { refused: [{ detail: { reason: 'there is no picture to enrol from' } }] },
  )
})

t.test('commands: off unless allowed; retained, empty and odd ones are refused or nothing', async (t) => {
  const refusal = (door: ReturnType<typeof make>, payload: string, retained = false) =>
    events(door.command(payload, retained))[0]?.detail?.reason
  t.match(refusal(make(), 'Zoë'), /enrolment.remote/)
  const door = make({ remote: true })
  t.match(refusal(door, 'Zoë', true), /retained/)
  t.equal(refusal(door, ''), undefined)
  for (const odd of ['{', '{"nom":"x"}', '{"name":5}', '{"name":" "}', '   '])
    t.match(refusal(door, odd), /a name, \{"name": "Ann"\} or CANCEL/, odd)
  t.match(refusal(door, '{"name":"ANN"}'), /is an admin/)
  t.equal(door.state().state, 'idle')
  t.equal(refusal(door, '{}'), undefined)
  t.equal(door.state().state, 'collecting')
  door.command('CANCEL')
  t.match(door.state(), { state: 'failed', reason: 'cancelled by command' })
  const flood = make()
  t.equal(Array.from({ length: 100 }, () => refusal(flood, 'x')).filter(Boolean).length, 10)
})

t.test('a resident opens, and the exit button, while somebody is enrolled', async (t) => {
  const door = make()
  door.hear(seeing('Ann', 100), 100)
  door.press(200)
  t.equal(door.state().state, 'collecting')
  t.ok(door.hear(seeing('Ben', 300), 300).some((effect) => effect.do === 'strike' && effect.on))
  t.ok(
    door
      .give({ type: 'input', line: 'exit', on: true, now: 400 })
      .some((effect) => effect.do === 'strike' && effect.on),
  )
  t.equal(door.state().state, 'collecting')
})

t.test('what fails in mid-enrolment ends it', async (t) => {
  for (const [happens, reason] of [
    [{ type: 'recognizer-lost', reason: 'killed', restartMs: 1 }, 'the recognizer was lost'],
    [
      { type: 'recognizer', now: 300, message: { type: 'camera', status: 'fault', reason: 'no frame' } },
      'the camera failed: no frame',
    ],
    [
      { type: 'recognizer', now: 300, message: { type: 'ready', engine: 'CPU', embedder: 'f', threshold: 0.3 } },
      'the recognizer started anew',
    ],
  ] as const) {
    const door = make()
    door.hear(seeing('Ann', 100), 100)
    door.press(200)
    const effects = door.give(happens)
    t.match(
      events(effects).find(({ type }) => type === 'enrol_failed'),
      { detail: { reason } },
    )
    t.match(door.state(), { state: 'failed', reason })
  }
})

t.test('stopping ends every timer, and nothing blinks on', async (t) => {
  const { give, hear } = make()
  const effects = give({ type: 'stop' })
  t.ok(effects.some((effect) => effect.do === 'end-timers'))
  t.ok(effects.some((effect) => effect.do === 'led' && !effect.on))
  t.notOk(hear({ type: 'camera', status: 'fault', reason: 'x' }).some((effect) => effect.do === 'led'))
})

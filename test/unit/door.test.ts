import t from 'tap'
import {
  type DoorEvent,
  type DoorOptions,
  type DoorState,
  type DoorTimer,
  initialDoor,
  lockState,
  longestStrikeMs,
  phase,
  stepDoor,
} from '../../firmware/domain/door.js'

const options: DoorOptions = { strikeMs: 5000, heldOpenMs: 60_000, graceMs: 1000, sensor: true }
const opens: DoorEvent = { type: 'leaf', open: true }
const closes: DoorEvent = { type: 'leaf', open: false }
const face: DoorEvent = { type: 'grant', by: 'face', person: 'Ann', similarity: 0.97, track: 3 }
const exit: DoorEvent = { type: 'grant', by: 'exit' }
const timeout = (timer: DoorTimer): DoorEvent => ({ type: 'timeout', timer })

function after(events: readonly DoorEvent[], from: DoorState = initialDoor, with_ = options) {
  let state = from
  let effects: readonly object[] = []
  for (const event of events) ({ state, effects } = stepDoor(state, event, with_))
  return { state, effects, phase: phase(state) }
}

t.test('a grant powers the strike first, then starts its timer, then tells', async (t) => {
  t.strictSame(after([face]).effects, [
    { do: 'strike', on: true },
    { do: 'timer', timer: 'strike', ms: 5000 },
    { do: 'cancel', timer: 'grace' },
    { do: 'record', event: { type: 'granted', person: 'Ann', similarity: 0.97, track: 3, detail: { by: 'face' } } },
  ])
  t.equal(after([face]).phase, 'unlocking')
  t.same(after([face, timeout('strike')]).effects[0], { do: 'strike', on: false })
  t.equal(after([face, timeout('strike')]).phase, 'locked')
})

t.test('the strike lets go as soon as the door opens', async (t) => {
  const opened = after([face, opens])
  t.equal(opened.phase, 'open')
  t.match(opened.effects, [
    { do: 'strike', on: false },
    { do: 'cancel', timer: 'strike' },
    { do: 'cancel', timer: 'grace' },
    { do: 'timer', timer: 'held', ms: 60_000 },
  ])
  t.equal(after([face, opens, closes]).phase, 'locked')
})

t.test('a door that opens without a grant is forced, until it is closed and acknowledged', async (t) => {
  t.equal(after([opens]).phase, 'forced')
  t.match(after([opens]).effects, [
    { do: 'record', event: { type: 'forced' } },
    { do: 'timer', timer: 'held' },
  ])
  t.equal(after([opens, timeout('held')]).phase, 'forced', 'and says so again when it is left open')
  t.match(after([opens, timeout('held')]).effects, [{ do: 'record', event: { type: 'held_open' } }])
  t.equal(after([opens, closes]).phase, 'forced')
  t.equal(after([opens, { type: 'acknowledge' }]).phase, 'forced', 'not while it stands open')
  t.equal(after([opens, closes, { type: 'acknowledge' }]).phase, 'locked')
  t.equal(after([opens, closes, face]).phase, 'unlocking', 'somebody entitled acknowledges by coming')
  t.equal(after([opens, closes, exit]).phase, 'forced', 'the exit button opens and acknowledges nothing')
})

t.test('a contact that lags behind the strike is no break-in', async (t) => {
  t.equal(after([face, timeout('strike'), opens]).phase, 'open')
  t.equal(after([face, timeout('strike'), timeout('grace'), opens]).phase, 'forced')
  t.equal(after([face, opens, closes, opens]).phase, 'forced', 'one grant covers one opening')
})

t.test('held open', async (t) => {
  const held = after([face, opens, timeout('held')])
  t.equal(held.phase, 'held_open')
  t.match(held.effects, [{ do: 'record', event: { type: 'held_open' } }])
  t.equal(after([face, opens, timeout('held'), closes]).phase, 'locked')
  t.equal(after([face, opens, closes, timeout('held')]).phase, 'locked', 'a timer that fires late changes nothing')
})

t.test('a door found open at start is held open, never forced', async (t) => {
  const boot = after([{ type: 'boot', open: true }])
  t.equal(boot.phase, 'held_open')
  t.match(boot.effects, [
    { do: 'strike', on: false },
    { do: 'record', event: { type: 'held_open' } },
  ])
  t.equal(after([{ type: 'boot', open: true }, closes]).phase, 'locked')
})

t.test('the exit button powers the strike in every state', async (t) => {
  const states: DoorEvent[][] = [
    [],
    [face],
    [face, opens],
    [face, opens, timeout('held')],
    [opens],
    [opens, closes],
    [{ type: 'boot', open: true }],
    [face, timeout('strike')],
  ]
  for (const before of states) {
    const { state, effects } = after([...before, exit])
    t.same(effects[0], { do: 'strike', on: true }, JSON.stringify(before))
    t.ok(state.strike)
  }
})

t.test('without a contact the door line means nothing', async (t) => {
  const blind = { ...options, sensor: false }
  t.equal(after([opens], initialDoor, blind).phase, 'locked')
  t.equal(after([{ type: 'boot', open: true }], initialDoor, blind).phase, 'locked')
})

t.test('hold: powered until the door opens, at most for its bound', async (t) => {
  const hold = { ...options, holdMs: 30_000 }
  t.equal(longestStrikeMs(hold), 30_000)
  t.same(after([face], initialDoor, hold).effects[1], { do: 'timer', timer: 'strike', ms: 30_000 })
  t.notOk(after([face, opens], initialDoor, hold).state.strike)
  t.notOk(after([face, timeout('strike')], initialDoor, hold).state.strike)
  const open = after([face, opens, exit], initialDoor, hold)
  t.same(open.effects[1], { do: 'timer', timer: 'strike', ms: 5000 }, 'an open door will not open: no waiting')
})

t.test('an alarm that ends is an event, with who ended it', async (t) => {
  const ended = (alarm: string, by: string) => ({ do: 'record', event: { type: 'alarm_ended', detail: { alarm, by } } })
  t.match(after([face, opens, timeout('held'), closes]).effects, [{}, {}, ended('held_open', 'closing')])
  t.match(after([opens, closes, { type: 'acknowledge' }]).effects, [ended('forced', 'remote')])
  t.match(after([opens, closes, face]).effects.at(-1), ended('forced', 'face'))
  t.equal(after([opens, closes, { type: 'acknowledge' }, opens]).phase, 'forced', 'and it is armed again')
  t.equal(after([opens, opens, closes, opens]).phase, 'forced')
})

const bolted = { ...options, jamMs: 2000 }
const bolt = (thrown: boolean): DoorEvent => ({ type: 'bolt', thrown })

t.test('jammed: strike and bolt disagree for too long, and only with a monitor', async (t) => {
  const stuck = after([face], initialDoor, bolted)
  t.match(stuck.effects.at(-1), { do: 'timer', timer: 'jam', ms: 2000 })
  t.equal(lockState(stuck.state, bolted), 'UNLOCKING')
  const jammed = after([face, timeout('jam')], initialDoor, bolted)
  t.equal(lockState(jammed.state, bolted), 'JAMMED')
  t.match(jammed.effects, [{ event: { type: 'jammed', detail: { reason: /did not withdraw/ } } }])
  const freed = after([face, timeout('jam'), bolt(false)], initialDoor, bolted)
  t.equal(lockState(freed.state, bolted), 'UNLOCKED')
  t.match(freed.effects, [
    { do: 'cancel', timer: 'jam' },
    { event: { type: 'alarm_ended', detail: { alarm: 'jammed' } } },
  ])
  const out = [face, bolt(false), opens, closes]
  t.equal(lockState(after(out, initialDoor, bolted).state, bolted), 'LOCKING')
  t.equal(lockState(after([...out, timeout('jam')], initialDoor, bolted).state, bolted), 'JAMMED')
  t.equal(lockState(after([...out, bolt(true)], initialDoor, bolted).state, bolted), 'LOCKED')
  t.notOk(
    after([face, bolt(false), opens, timeout('jam')], initialDoor, bolted).state.jammed,
    'an open door cannot bolt',
  )
  t.notOk(after([face, timeout('jam')]).state.jammed, 'never claimed without a monitor')
  const blind = { ...bolted, sensor: false }
  t.notOk(
    after([face, bolt(false), timeout('strike'), timeout('jam')], initialDoor, blind).state.jammed,
    'without a contact nobody knows whether it could bolt',
  )
  t.match(after([{ type: 'boot', open: false, thrown: false }], initialDoor, bolted).effects.at(-1), { timer: 'jam' })
})

t.test('lock/state says no more than the sensors know', async (t) => {
  const say = (events: DoorEvent[], with_ = options) => lockState(after(events, initialDoor, with_).state, with_)
  const blind = { ...options, sensor: false }
  t.equal(say([]), 'LOCKED')
  t.equal(say([face]), 'UNLOCKED')
  t.equal(say([face, timeout('strike')]), 'LOCKING', 'the leaf may be on its way')
  t.equal(say([face, timeout('strike'), timeout('grace')]), 'LOCKED')
  t.equal(say([face, timeout('strike')], blind), 'LOCKED')
  t.equal(say([face, opens]), 'UNLOCKED', 'an open door is not locked')
  t.equal(say([face, opens, closes]), 'LOCKED')
})

t.test('whatever happens, a powered strike always has a running timer', async (t) => {
  // Every sequence of six events: the strike never stays powered by itself.
  const alphabet: DoorEvent[] = [
    face,
    exit,
    opens,
    closes,
    timeout('strike'),
    timeout('grace'),
    timeout('held'),
    { type: 'lock' },
  ]
  let checked = 0
  const walk = (state: DoorState, running: boolean, depth: number): void => {
    if (state.strike && !running) t.fail('a powered strike without a timer')
    checked++
    if (depth === 0) return
    for (const event of alphabet) {
      if (event.type === 'timeout' && event.timer === 'strike' && !running) continue
      const step = stepDoor(state, event, options)
      let next = event.type === 'timeout' && event.timer === 'strike' ? false : running
      let powered = state.strike
      for (const effect of step.effects) {
        if (effect.do === 'strike') powered = effect.on
        if (effect.do === 'timer' && effect.timer === 'strike') next = true
        if (effect.do === 'cancel' && effect.timer === 'strike') next = false
      }
      if (powered !== step.state.strike) t.fail('the state and the line differ')
      walk(step.state, next, depth - 1)
    }
  }
  walk(initialDoor, false, 5)
  t.ok(checked > 10_000, `${checked} states`)
})

t.test('no command takes the strike from somebody who leaves', async (t) => {
  const exit: DoorEvent = { type: 'grant', by: 'exit' }
  const locking: DoorEvent = { type: 'lock' }
  t.ok(after([exit, locking]).state.strike)
  t.ok(after([exit, face, locking]).state.strike, 'nor when a face is let in meanwhile')
  t.notOk(after([face, locking]).state.strike)
  t.notOk(after([exit, timeout('strike'), face, locking]).state.strike, 'his time is over')
  t.notOk(after([exit, opens, closes, face, locking]).state.strike, 'he has left')
  t.notOk(after([exit, { type: 'lock', ending: true }]).state.strike)
})

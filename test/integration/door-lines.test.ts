/** The whole supervisor on lines: what the hardware sees of a strike, an exit button and a thousand random hands. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { seeded } from '../../firmware/evaluation/random.js'
import { benchKinds, benchMissing, onKernel } from '../support/bench.js'
import { type Door, startDoor } from '../support/door.js'
import { startEmbedded, watch } from '../support/mosquitto.js'
import { until } from '../support/temp.js'

/** The emulated machine of test/appliance is some ten times slower. */
const sequences = onKernel ? 100 : 1000
/** Another one every time would make a failure another one, too. */
const seed = Number(process.env.TEST_SEED ?? 20261122)
const strikeMs = 40
/** A loaded machine wakes people late; the guard's own limit is half a second over the strike's time. */
const slackMs = 500

/** Seven bounces, and then as it was meant. */
async function bounce(door: Door, line: 'exit' | 'enrol', on: boolean): Promise<void> {
  for (let i = 0; i < 7; i++) {
    door.set(line, on)
    await sleep(2)
    door.set(line, !on)
    await sleep(1)
  }
  door.set(line, on)
}

for (const kind of benchKinds) {
  const skip = benchMissing(kind)
  t.test(`${kind}: the strike's time, and the way from a bouncing button to it`, { skip }, async (t) => {
    const door = await startDoor(t, kind, { strikeSeconds: 1 }, 20)
    await door.supervisor()
    t.equal(door.powered, false)
    const pressed = systemClock.now()
    await bounce(door, 'exit', true)
    const steady = systemClock.now()
    await until('the strike is powered', () => door.powered)
    await until('it lets go', () => !door.powered)
    door.set('exit', false)
    await sleep(200)
    const changes = door.lock()
    const [on, off] = changes.slice(changes.findIndex(({ on }) => on))
    t.equal(changes.filter(({ on }) => on).length, 1, 'seven bounces are one press')
    t.ok(on!.at >= pressed, 'not before the press')
    t.comment(
      `${kind}: powered ${(on!.at - steady).toFixed(1)} ms after the button was steady (20 ms of debouncing), for ${(off!.at - on!.at).toFixed(1)} ms`,
    )
    t.ok(on!.at - steady < 300)
    t.ok(off!.at - on!.at >= 999 && off!.at - on!.at < 1200, `${off!.at - on!.at} ms`)
  })

  t.test(`${kind}: a bouncing enrolment button starts one enrolment, and cancels it`, { skip }, async (t) => {
    const broker = await startEmbedded(t)
    const home = await watch(t, broker.url)
    // A loaded machine holds a bounce up for less than that, and the whole press for less than a long one's time.
    const debounceMs = 500
    const more = { mqtt: { url: broker.url }, enrolment: { longPressSeconds: 60 } }
    const door = await startDoor(t, kind, {}, debounceMs, more)
    await door.supervisor()
    await until('there is a picture, and nobody is enrolled', () => {
      const { camera, people } = JSON.parse(home.of('facelatch/test/state').at(-1) ?? '{}')
      return camera === 'live' && people === 0
    })
    const shown = () => home.of('facelatch/test/enrol/state').map((text) => JSON.parse(text).state as string)
    // A short press counts once it is let go.
    const press = async () => {
      await bounce(door, 'enrol', true)
      await sleep(2 * debounceMs)
      await bounce(door, 'enrol', false)
    }
    await press()
    await until('it is shown', () => shown().includes('collecting'))
    // More presses would start and cancel by turns.
    await sleep(1000)
    t.same(shown(), ['idle', 'collecting'], 'one enrolment was started')
    await press()
    await until('it is shown', () => shown().includes('failed'))
    await sleep(1000)
    t.same(shown(), ['idle', 'collecting', 'failed'], 'and cancelled once')
    const told = home
      .of('facelatch/test/event')
      .map((text) => JSON.parse(text))
      .filter(({ type }) => type === 'enrol_failed' || type === 'refused')
      .map(({ type, by, reason }) => ({ type, by, reason }))
    t.same(told, [{ type: 'enrol_failed', by: 'button', reason: 'cancelled at the button' }])
  })

  t.test(`${kind}: ${sequences} random hands`, { skip }, async (t) => {
    const door = await startDoor(t, kind, { strikeSeconds: strikeMs / 1000, sensor: true }, 2)
    await door.supervisor()
    t.comment(`${kind}: seed ${seed}; another one: TEST_SEED`)
    const next = seeded(seed)
    const presses: number[] = []
    let slowest = 0
    let unheard = 0
    for (let i = 0; i < sequences; i++) {
      // Somebody plays with everything but the exit button.
      for (let moves = Math.floor(next() * 4); moves > 0; moves--) {
        const line = (['door', 'enrol', 'tamper'] as const)[Math.floor(next() * 3)]!
        door.set(line, next() < 0.5)
        if (next() < 0.3) await sleep(next() * 5)
      }
      if (next() < 0.4) continue
      // And somebody presses it, as people do: until the door buzzes, and again when it does not.
      for (let attempt = 0; attempt < 3; attempt++) {
        const before = door.lock().length
        const at = systemClock.now()
        const opened = () =>
          door
            .lock()
            .slice(before)
            .find(({ on }) => on)
        presses.push(at)
        door.set('exit', true)
        for (let waited = 0; waited < 1000 && opened() === undefined && !door.powered; waited += 5) await sleep(5)
        const heard = opened() !== undefined || door.powered
        slowest = Math.max(slowest, (opened()?.at ?? at) - at)
        if (!heard) unheard++
        else if (next() < 0.5) await sleep(next() * 30)
        door.set('exit', false)
        await sleep(20 + next() * 20)
        if (heard) break
        if (attempt === 2) t.fail('the exit button does not open')
      }
      if (next() < 0.5) await until('the strike lets go', () => !door.powered, 5)
    }
    await until('the strike lets go', () => !door.powered, 5)

    let longest = 0
    let onAt: number | undefined
    let unasked = 0
    for (const { on, at } of door.lock()) {
      if (on) {
        onAt = at
        // A grant is a press, a moment ago.
        if (!presses.some((press) => at >= press - 1 && at - press < slackMs + 500)) unasked++
      } else if (onAt !== undefined) {
        // A press while the strike is on starts its time again.
        const last = Math.max(onAt, ...presses.filter((press) => press < at))
        longest = Math.max(longest, at - last)
        onAt = undefined
      }
    }
    t.comment(
      `${kind}: ${presses.length} presses, the slowest opened after ${slowest.toFixed(1)} ms; ${unheard} again; longest strike ${longest.toFixed(1)} ms of ${strikeMs}`,
    )
    // sysfs shows levels: a release and a press that both fall into one pause of the process are none, and an emulated
    // machine pauses longer. The character device queues edges.
    t.ok(
      unheard <= (kind === 'sysfs' ? presses.length / (onKernel ? 10 : 50) : 0),
      `${unheard} presses had to be made again`,
    )
    t.equal(unasked, 0, 'never on without a grant')
    t.ok(longest <= strikeMs + slackMs, `never on for longer than configured: ${longest} ms`)
    t.ok(presses.length > sequences / 3)
    t.notMatch(door.log(), /error|guard of the strike|could not/, 'nobody complained')
  })
}

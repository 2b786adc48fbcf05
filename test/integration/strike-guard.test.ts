/** However the supervisor ends, the strike comes to rest: real processes, real signals, on all three drivers. */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { root } from '../support/appliance.js'
import { emulated, guardOf, onKernel } from '../support/bench.js'
import { alive, firmware, script, spawnChild } from '../support/child.js'
import { output } from '../support/database.js'
import { type Door, doorKinds, doorMissing, startDoor } from '../support/door.js'
import { temporaryDirectory, until } from '../support/temp.js'

const guardSeconds = onKernel ? emulated.door.guardSeconds : 2
/** An end that the guard sees at once, ms. */
const atOnce = onKernel ? 5000 : 1000
/** Far longer than a test waits: whatever ends the strike, it is not its time. */
const strikeSeconds = 60

async function press(door: Door): Promise<void> {
  door.set('exit', true)
  await until('the strike is powered', () => door.powered)
  door.set('exit', false)
}

/** Milliseconds from the deed to the lock line's level. */
async function after(door: Door, on: boolean, deed: () => void): Promise<number> {
  const from = systemClock.now()
  const before = door.lock().length
  deed()
  await until(`the lock is ${on ? 'powered' : 'unpowered'}`, () => {
    const levels = door.lock()
    return levels.length > before && levels.at(-1)!.on === on
  })
  return Math.round(door.lock().at(-1)!.at - from)
}

for (const kind of doorKinds) {
  const skip = doorMissing(kind)
  t.test(`${kind}: a strike that is on when the supervisor ends`, { skip }, async (t) => {
    const door = await startDoor(t, kind, { strikeSeconds, guardSeconds })
    const bounded = (what: string, ms: number, most: number) => {
      t.comment(`${kind}: ${what}: at rest after ${ms} ms`)
      t.ok(ms <= most, `${what}: ${ms} ms`)
    }

    const first = await door.supervisor()
    await press(door)
    const guard = guardOf(first)
    t.ok(guard, 'there is a guard')
    process.kill(guard!, 'SIGTERM')
    await sleep(50)
    t.ok(alive(guard!), 'what tells a service to stop does not stop the guard')
    bounded('killed', await after(door, false, () => process.kill(first, 'SIGKILL')), atOnce)

    const second = await door.supervisor(first)
    await until('the guard has left', () => !alive(guard!))
    await press(door)
    bounded(
      'stopped by SIGSTOP',
      await after(door, false, () => process.kill(second, 'SIGSTOP')),
      guardSeconds * 1000 + atOnce,
    )

    const third = await door.supervisor(second)
    t.notOk(alive(second), 'one that hangs is killed, and init starts another')
    await press(door)
    bounded(
      'told to stop, and another starts: an upgrade',
      await after(door, false, () => process.kill(third, 'SIGTERM')),
      atOnce,
    )

    const fourth = await door.supervisor(third)
    t.notOk(door.powered, 'the next one starts with the strike at rest')
    const killed = guardOf(fourth)!
    process.kill(killed, 'SIGKILL')
    await until('another guard stands there', () => ![undefined, killed].includes(guardOf(fourth)))
    t.match(door.log(), /the guard of the strike ended with SIGKILL; starting another/)
    await sleep(100)
    await press(door)
    bounded('killed, with its second guard', await after(door, false, () => process.kill(fourth, 'SIGKILL')), atOnce)

    const fifth = await door.supervisor(fourth)
    await press(door)
    const frozen = guardOf(fifth)!
    const levels = door.lock().length
    process.kill(frozen, 'SIGSTOP')
    await until('one that does not answer is replaced', () => ![undefined, frozen].includes(guardOf(fifth)))
    t.match(door.log(), /the guard of the strike does not answer; killing it/)
    t.notOk(alive(frozen))
    t.equal(door.lock().length, levels, 'the strike stays as it is meanwhile')
    t.ok(door.powered)
    await sleep(100)
    const stopped = guardOf(fifth)!
    process.kill(stopped, 'SIGSTOP')
    bounded('told to stop, its guard stopped', await after(door, false, () => process.kill(fifth, 'SIGTERM')), atOnce)
    await door.supervisor(fifth)
    t.notOk(alive(stopped), 'and is not left over')

    // A released line keeps its level on JetPack 6.2.2: it must be at rest before the last holder lets go.
    const tale = () => door.said().filter((row) => /^(out 0 |release 0)/.test(row))
    const released = () => tale().filter((row) => row === 'release 0').length
    if (kind === 'chardev') await until('the line was let go each time', () => released() >= 4)
    const story = tale()
    story.forEach((row, i) => {
      if (row.startsWith('release')) t.match(story[i - 1], /^out 0 0/, 'at rest when it is let go')
    })
  })

  t.test(`${kind}: fail-safe is powered when nobody guards the door`, { skip }, async (t) => {
    const door = await startDoor(t, kind, { strikeSeconds, guardSeconds, failMode: 'safe' })
    const first = await door.supervisor()
    t.notOk(door.powered, 'locked while it is guarded')
    const killed = await after(door, true, () => process.kill(first, 'SIGKILL'))
    t.comment(`${kind}: fail-safe, killed: powered after ${killed} ms`)
    t.ok(killed <= atOnce)
    const second = await door.supervisor(first)
    await until('it is locked again', () => !door.powered)
    const stopped = await after(door, true, () => process.kill(second, 'SIGTERM'))
    t.ok(stopped <= atOnce, `told to stop: ${stopped} ms`)
    // One that is just starting would be left over.
    await door.supervisor(second)
  })
}

t.test(
  'supervisor and guard killed at once: the next start ends the strike',
  { skip: doorMissing('chardev') },
  async (t) => {
    const door = await startDoor(t, 'chardev', { strikeSeconds, guardSeconds })
    const first = await door.supervisor()
    await press(door)
    const guard = guardOf(first)!
    const ms = await after(door, false, () => {
      process.kill(guard, 'SIGKILL')
      process.kill(first, 'SIGKILL')
    })
    t.comment(`nobody left: at rest ${ms} ms later, with the next start; the hardware pulse limit is for this`)
    await door.supervisor(first)
  },
)

t.test('a guard that neither answers nor leaves is killed, and the strike let go', async (t) => {
  const folder = temporaryDirectory(t)
  const deaf = `${folder}/guard`
  writeFileSync(deaf, '#!/bin/sh\nprintf r\nexec /bin/sleep 600\n', { mode: 0o755 })
  const said = await output(
    script(`
      import { readFileSync } from 'node:fs'
      import { setTimeout as sleep } from 'node:timers/promises'
      import { guardLock } from ${firmware('adapters/gpio-guard.js')}
      import { createSimulatedGpio } from ${firmware('adapters/gpio-simulated.js')}
      import { systemClock as clock } from ${firmware('adapters/clock-system.js')}
      const errors = []
      const log = { debug() {}, info() {}, warn() {}, error: (line) => errors.push(line) }
      const [file, control] = ['${folder}/gpio.jsonl', '${folder}/gpio.sock']
      const simulated = await createSimulatedGpio({ log: file, control, clock, messages: log })
      const options = { resting: false, maxOnMs: 60000, hangMs: 2000, clock, log, program: '${deaf}' }
      const gpio = await guardLock(simulated, options)
      while (!errors.some((line) => line.includes('starting another'))) await sleep(50)
      await sleep(500)
      gpio.write('lock', true)
      await gpio.close()
      const lock = readFileSync(file, 'utf8').split('\\n').filter((row) => row.includes('"lock"'))
      console.log(JSON.stringify([errors, lock.map((row) => JSON.parse(row).value)]))
    `),
  )
  t.same(JSON.parse(said), [
    [
      'the guard of the strike does not answer; killing it',
      'the guard of the strike ended with SIGKILL; starting another',
      'the guard of the strike does not leave; killing it',
    ],
    [0, 1, 0],
  ])
})

t.test('a guard whose program comes from a slow disk is waited for', async (t) => {
  const folder = temporaryDirectory(t)
  const slow = `${folder}/guard`
  writeFileSync(slow, `#!/bin/sh\n/bin/sleep 4\nexec ${root}build/native/facelatch-guard "$@"\n`, { mode: 0o755 })
  const said = await output(
    script(`
      import { guardLock } from ${firmware('adapters/gpio-guard.js')}
      import { createSimulatedGpio } from ${firmware('adapters/gpio-simulated.js')}
      import { systemClock as clock } from ${firmware('adapters/clock-system.js')}
      const log = { debug() {}, info() {}, warn() {}, error: console.log }
      const [file, control] = ['${folder}/gpio.jsonl', '${folder}/gpio.sock']
      const simulated = await createSimulatedGpio({ log: file, control, clock, messages: log })
      const options = { resting: false, maxOnMs: 300, hangMs: 2000, clock, log, program: '${slow}' }
      const gpio = await guardLock(simulated, options)
      gpio.write('lock', true)
      gpio.write('lock', false)
      await gpio.close()
      console.log('guarded')
    `),
  )
  t.equal(said, 'guarded\n')
})

t.test('a strike that its supervisor forgets is let go by the guard', async (t) => {
  const folder = temporaryDirectory(t)
  const child = spawnChild(
    t,
    script(`
      import { guardLock } from ${firmware('adapters/gpio-guard.js')}
      import { createSimulatedGpio } from ${firmware('adapters/gpio-simulated.js')}
      import { systemClock as clock } from ${firmware('adapters/clock-system.js')}
      import { readFileSync } from 'node:fs'
            const say = (message) => console.log(message)
      const log = { debug() {}, info: say, warn: say, error: say }
      const [file, control] = ['${folder}/gpio.jsonl', '${folder}/gpio.sock']
      const simulated = await createSimulatedGpio({ log: file, control, clock, messages: log })
      const gpio = await guardLock(simulated, { resting: false, maxOnMs: 300, hangMs: 2000, clock, log })
      gpio.write('lock', true)
      setTimeout(() => console.log(readFileSync(file, 'utf8'), 'end'), 1000)
    `),
  )
  let said = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    said += chunk
  })
  await until('it has ended', () => said.includes('end'))
  t.match(said, /the strike was on for longer than configured: its guard let it go/)
  const rows = said.split('\n').filter((row) => row.includes('"lock"'))
  const levels = rows.map((row) => JSON.parse(row) as { at: string; value: number })
  t.same(
    levels.map(({ value }) => value),
    [0, 1, 0],
  )
  const on = Date.parse(levels[2]!.at) - Date.parse(levels[1]!.at)
  t.ok(on >= 290 && on < 800, `${on} ms`)
})

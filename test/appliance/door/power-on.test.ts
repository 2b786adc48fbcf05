/** From power-on to the first recognized face: the package as installed, under its own systemd, on the demo's recording. */
import t from 'tap'
import { systemClock } from '../../../firmware/adapters/clock-system.js'
import { openHome } from './home.js'
import { becomes, freshDisk, powerOn } from './machine.js'
import { outOfMemory } from './out-of-memory.js'

t.setTimeout(3_600_000)

/** What a processor that takes seconds for a face is granted; on a board none of it is set. */
const slow = {
  // Every frame is judged, however long the one before it took: tracker and votes see the recording at its own pace.
  camera: { source: 'file:/media/visit.mp4', loop: true, realtime: false, stallSeconds: 60, openSeconds: 300 },
  // Both processors, and no faces below 100 pixels. Frames of more than 5 s are no sign of a hang.
  recognizer: { models: '/var/lib/facelatch/models', minFace: 100, threads: 2, heartbeatSeconds: 600 },
  // The longest there is: a face that took longer is not told of, and opens nothing.
  access: { maxSightingAgeMs: 5000 },
}

t.test('power on, and it guards the door', async (t) => {
  const home = await openHome(t)
  const machine = await powerOn(t, await freshDisk(t, { ...slow, mqtt: home.mqtt }), { name: 'power-on' })
  const steps: [string, number][] = []
  const since = () => (systemClock.now() - machine.startedAt) / 1000

  await becomes(machine, 'the door is online', () => home.of('availability').at(-1) === 'online')
  steps.push(['the broker outside hears "online"', since()])
  const known = () => home.events().find(({ type }) => type === 'known')
  await becomes(machine, 'a face is recognized', () => known() !== undefined)
  steps.push(['the broker outside hears "known"', since()])
  t.equal(known()!.person, 'Alex')

  // Where the kernel's clock began, on ours.
  const { stdout: uptime } = await machine.run('cut -d " " -f 1 /proc/uptime')
  const firmware = since() - Number(uptime)
  const show = async (what: string, name: string) => {
    const { stdout } = await machine.run(`systemctl show ${what} --value -p ${name}`)
    return firmware + Number(stdout) / 1e6
  }
  steps.push(['the kernel runs', firmware])
  steps.push(['init runs', await show('', 'UserspaceTimestampMonotonic')])
  steps.push(['facelatch.service is started', await show('facelatch', 'ExecMainStartTimestampMonotonic')])
  steps.push(['READY: the exit button opens', await show('facelatch', 'ActiveEnterTimestampMonotonic')])
  const journal = await machine.run('journalctl -u facelatch -o json --output-fields=FACELATCH_EVENT,MESSAGE')
  for (const [event, what] of [
    ['recognizer_ready', 'the nets are loaded'],
    ['known', 'the first face is recognized'],
    ['granted', 'he is let in'],
  ]) {
    const row = journal.stdout
      .split('\n')
      .map((text) => JSON.parse(text) as Record<string, string>)
      .find((entry) => entry.FACELATCH_EVENT === event)
    if (row) steps.push([what!, firmware + Number(row.__MONOTONIC_TIMESTAMP) / 1e6])
  }
  for (const [what, at] of steps.sort((a, b) => a[1] - b[1])) t.comment(`${at.toFixed(1).padStart(6)} s  ${what}`)

  const state = async (command: string) => (await machine.run(command)).stdout
  t.equal(await state('systemctl is-active facelatch'), 'active')
  t.equal(await state('systemctl get-default'), 'facelatch.target')
  t.equal(await state('systemctl show facelatch -p NRestarts --value'), '0', 'with its first start')
  t.equal(await state('systemctl --failed --plain --no-legend | grep facelatch'), '', 'and no unit of it has failed')

  await machine.press()
  await becomes(machine, 'the exit button opens', () => home.events().some(({ type }) => type === 'exit'))
  const strike = machine.strike()
  t.match(strike[0], { from: 'bench', level: 0 }, 'nothing powers the strike before facelatch')
  const first = strike.find(({ level }) => level === 1)
  t.ok(first, 'the strike was powered in the end')
  const grants = home.events().filter(({ type }) => type === 'granted' || type === 'exit')
  t.comment(`the strike is first powered by: ${grants[0]?.type}`)

  await t.test('memory runs out: the recognizer dies, the door lives on', async (t) => {
    await outOfMemory(t, machine, home)
  })
  await machine.powerOff()
  t.equal(machine.strike().at(-1)!.level, 0, 'told to power off, it leaves the strike at rest')
})

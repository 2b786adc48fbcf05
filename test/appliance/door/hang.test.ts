/** The machine hangs while its kernel lives: the hardware watchdog resets it, and it guards the door again. */
import t from 'tap'
import { systemClock } from '../../../firmware/adapters/clock-system.js'
import { openHome } from './home.js'
import { becomes, freshDisk, powerOn } from './machine.js'

t.setTimeout(3_600_000)

/** Nobody is recognized here: the strike moves only when the button is pressed. */
const camera = { source: 'v4l2:/dev/video9', recovery: 'reopen' }

/** As systemd/50-facelatch-watchdog.conf has it; systemd feeds at half of it. */
const watchdogSeconds = 30

const hangs = {
  'init has crashed: systemd freezes, and nobody feeds the watchdog': 'kill -SEGV 1',
  'two runaway real-time programs leave no processor to anybody':
    "sysctl -qw kernel.sched_rt_runtime_us=-1; for each in 1 2; do chrt -f 99 bash -c 'while :; do :; done' & done",
}

t.test('the hardware watchdog', async (t) => {
  const home = await openHome(t)
  const machine = await powerOn(t, await freshDisk(t, { camera, mqtt: home.mqtt }), { name: 'hang' })
  const starts = () => home.events().filter(({ type }) => type === 'started').length
  await becomes(machine, 'the door is guarded', () => starts() === 1)
  const said = async (command: string) => (await machine.run(command)).stdout
  t.equal(await said('cat /sys/class/watchdog/watchdog0/identity'), 'i6300ESB timer')
  t.equal(
    await said('cat /sys/class/watchdog/watchdog0/state'),
    'active',
    "systemd feeds it, by the package's own setting",
  )
  t.equal(await said('cat /sys/class/watchdog/watchdog0/timeout'), String(watchdogSeconds))

  let hung = 0
  for (const [what, command] of Object.entries(hangs)) {
    hung++
    await t.test(what, async (t) => {
      await machine.press()
      await becomes(machine, 'the strike is powered', () => machine.strike().some(({ level }) => level === 1))
      const from = systemClock.now()
      machine.run(command).catch(() => {})
      await becomes(machine, 'the watchdog fires', () => machine.noticed('WATCHDOG').length === hung)
      const seconds = (machine.noticed('WATCHDOG').at(-1)! - from) / 1000
      t.comment(`reset ${seconds.toFixed(1)} s after the hang`)
      t.ok(seconds > watchdogSeconds / 2 - 5, 'it was fed until then')
      await becomes(machine, 'the door is guarded again', () => starts() === 1 + hung)
      t.comment(`guarded again ${((systemClock.now() - from) / 1000).toFixed(1)} s after the hang`)
      const strike = machine.strike()
      t.match(strike[0], { from: 'bench', level: 0 })
      t.ok(
        strike.every(({ level }) => level === 0),
        'the strike is at rest since the reset',
      )
      t.match(
        home.events().findLast(({ type }) => type === 'started'),
        { after: 'power_cut' },
      )
      await machine.press()
      await becomes(machine, 'the exit button opens', () => machine.strike().some(({ level }) => level === 1))
      t.match(await machine.run('facelatch events --verify'), { code: 0 })
    })
  }
})

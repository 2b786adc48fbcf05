/** The board's other hardware through the kernel's own thermal, PWM and hwmon code: test/appliance/modules/bench-board.c. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../../firmware/adapters/clock-system.js'
import { createSysfsThermal } from '../../../firmware/adapters/thermal-sysfs.js'
import { loadConfig } from '../../../firmware/config.js'
import type { NewEvent } from '../../../firmware/domain/events.js'
import { openFan } from '../../../firmware/fan.js'
import { end, firmware, script, spawnChild } from '../../support/child.js'
import { memoryLog, type Owner, temporaryDirectory, until } from '../../support/temp.js'

const read = (...path: string[]) => readFileSync(join(...path), 'utf8').trim()
const hardware = (name: string) => Number(read('/sys/module/bench_board/parameters', name))
const setHardware = (name: string, value: number) =>
  writeFileSync(join('/sys/module/bench_board/parameters', name), String(value))
/** Below absolute zero the sensor answers with an error. */
const broken = -300_000

async function open(t: Owner, fan: Record<string, unknown>) {
  const file = join(temporaryDirectory(t), 'config.json')
  writeFileSync(file, JSON.stringify({ fan: { zones: ['bench-thermal'], periodSeconds: 1, ...fan } }))
  const log = memoryLog()
  const events: NewEvent[] = []
  const states: Record<string, unknown>[] = []
  const control = await openFan(loadConfig([file], {}), {
    clock: systemClock,
    log,
    record: (event) => events.push(event),
    publish: (payload) => states.push(JSON.parse(payload)),
  })
  t.teardown(() => control.close())
  return { control, log, events, states }
}
const becomes = (name: string, value: number) => until(`${name} is ${value}`, () => hardware(name) === value)

t.test("the kernel's zones: degrees, and a sensor that fails", async (t) => {
  const thermal = createSysfsThermal({ sysfs: '/sys', zones: [] })
  for (const millidegrees of [40_000, 91_500, -5_000]) {
    setHardware('temperature', millidegrees)
    t.same(await thermal.read(), [{ type: 'bench-thermal', celsius: millidegrees / 1000 }])
  }
  setHardware('temperature', broken)
  t.same(await thermal.read(), [{ type: 'bench-thermal' }])
  setHardware('temperature', 40_000)
})

t.test(
  'hwmon: the fan follows the temperature, is at full speed without one, and stays there in the end',
  async (t) => {
    setHardware('temperature', 50_250)
    setHardware('fan_rpm', 1800)
    const { control, events, states } = await open(t, { driver: 'auto' })
    const faults = () => events.map(({ detail }) => detail?.fault)
    // 50.25 °C: 30 % and a hundredth of the way to 100 %, of 255.
    await becomes('fan_pwm', 79)
    await until('it is told', () => states.at(-1)?.percent === 31)
    t.match(states.at(-1), { rpm: 1800, celsius: 50 })
    setHardware('temperature', 75_000)
    await becomes('fan_pwm', 255)
    setHardware('temperature', 30_000)
    await until('it slows down', () => hardware('fan_pwm') < 255)
    setHardware('temperature', broken)
    await becomes('fan_pwm', 255)
    await until('it is an event', () => faults().includes('no temperature'))
    setHardware('temperature', 60_000)
    await until('it is over', () => events.at(-1)?.type === 'fan_restored')
    await until('it slows down again', () => hardware('fan_pwm') < 255)
    setHardware('fan_rpm', 0)
    await until('a fan that does not turn is an event', () => faults().at(-1) === 'stalled')
    await becomes('fan_pwm', 255)
    await control.close()
    t.equal(hardware('fan_pwm'), 255)
  },
)

t.test('a PWM by the address of its controller', async (t) => {
  setHardware('temperature', 60_000)
  const { control } = await open(t, { driver: 'pwmchip', path: '32a0000' })
  // 58 % of 25 kHz's period.
  await becomes('duty_ns', 23_200)
  t.equal(hardware('period_ns'), 40_000)
  await becomes('enabled', 1)
  await control.close()
  t.equal(hardware('duty_ns'), 40_000)
})

t.test('a supervisor that is killed leaves the fan at full speed', async (t) => {
  const folder = '/sys/devices/platform/pwm-fan/hwmon'
  const place = { driver: 'hwmon', folder: join(folder, readdirSync(folder)[0]!) }
  const child = spawnChild(
    t,
    script(`
      const { createSysfsPwm } = await import(${firmware('adapters/pwm-sysfs.js')})
      const { keepCool } = await import(${firmware('adapters/pwm-keeper.js')})
      const place = ${JSON.stringify(place)}
      const pwm = keepCool(await createSysfsPwm(place, { sysfs: '', path: '', channel: 0, periodNs: 1 }))
      await pwm.drive(20)
      setInterval(() => {}, 1000)`),
  )
  await becomes('fan_pwm', 51)
  t.equal(hardware('fan_pwm'), 51, 'a fifth of full speed')
  await end(child, 'SIGKILL')
  await becomes('fan_pwm', 255)
  t.equal(hardware('fan_pwm'), 255)
})

/** The board's other hardware: what the kernel's own thermal, PWM and hwmon files show and take. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const read = (...path: string[]) => readFileSync(join(...path), 'utf8').trim()
const hardware = (name: string) => read('/sys/module/bench_board/parameters', name)
const setHardware = (name: string, value: number) =>
  writeFileSync(join('/sys/module/bench_board/parameters', name), String(value))

t.test('a temperature can be set, and its sensor can fail', async (t) => {
  const zones = '/sys/class/thermal'
  const zone = readdirSync(zones).find(
    (name) => name.startsWith('thermal_zone') && read(zones, name, 'type') === 'bench-thermal',
  )!
  for (const millidegrees of [40_000, 91_500, -5_000]) {
    setHardware('temperature', millidegrees)
    t.equal(read(zones, zone, 'temp'), String(millidegrees))
  }
  setHardware('temperature', -300_000)
  t.throws(() => read(zones, zone, 'temp'), { code: 'EIO' })
  setHardware('temperature', 40_000)
})

t.test('a PWM and a fan do as their files say', async (t) => {
  const chip = '/sys/devices/platform/32a0000.pwm/pwm'
  const pwm = join(chip, readdirSync(chip)[0]!)
  writeFileSync(join(pwm, 'export'), '0')
  t.teardown(() => writeFileSync(join(pwm, 'unexport'), '0'))
  writeFileSync(join(pwm, 'pwm0/period'), '40000')
  writeFileSync(join(pwm, 'pwm0/duty_cycle'), '10000')
  writeFileSync(join(pwm, 'pwm0/enable'), '1')
  t.same(['period_ns', 'duty_ns', 'enabled'].map(hardware), ['40000', '10000', '1'])
  t.throws(() => writeFileSync(join(pwm, 'pwm0/duty_cycle'), '50000'), 'never over its period')
  const fans = '/sys/devices/platform/pwm-fan/hwmon'
  const fan = join(fans, readdirSync(fans)[0]!)
  t.ok(existsSync(join(fan, 'pwm1')))
  writeFileSync(join(fan, 'pwm1'), '128')
  t.equal(hardware('fan_pwm'), '128')
})

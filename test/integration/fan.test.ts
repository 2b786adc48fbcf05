/** The whole supervisor with a fan on files: what is left of the fan however it ends, and what the home hears. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeHome, startAppliance } from '../support/appliance.js'
import { noMosquitto, startMosquitto, watch } from '../support/mosquitto.js'
import { type Owner, temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(300_000)

function makeFan(t: Owner) {
  const sysfs = temporaryDirectory(t)
  const zone = join(sysfs, 'class/thermal/thermal_zone0')
  const fan = join(sysfs, 'devices/platform/pwm-fan/hwmon/hwmon0')
  for (const folder of [zone, fan]) mkdirSync(folder, { recursive: true })
  writeFileSync(join(zone, 'type'), 'tj-thermal\n')
  writeFileSync(join(zone, 'temp'), '45000\n')
  const pwm = join(fan, 'pwm1')
  writeFileSync(pwm, '7\n')
  return {
    sysfs,
    is: (value: number) => until(`the fan is at ${value}`, () => readFileSync(pwm, 'utf8') === `${value}`),
  }
}

for (const [how, signal] of [
  ['stopped', 'SIGTERM'],
  ['killed', 'SIGKILL'],
  ['frozen, which its guard ends', 'SIGSTOP'],
] as const)
  t.test(`a supervisor that is ${how} leaves the fan at full speed`, async (t) => {
    const { sysfs, is } = makeFan(t)
    const home = makeHome(t, { fan: { driver: 'hwmon', sysfs }, door: { guardSeconds: 2 } })
    const appliance = startAppliance(t, home)
    await is(38)
    await until('the door is guarded', () => appliance.log().includes('guarding the door'))
    appliance.process.kill(signal)
    await is(255)
  })

t.test('temperature and fan are told', { skip: noMosquitto }, async (t) => {
  const broker = await startMosquitto(t)
  const watcher = await watch(t, broker.url)
  const { sysfs } = makeFan(t)
  startAppliance(t, makeHome(t, { fan: { driver: 'auto', sysfs }, mqtt: { url: broker.url } }))
  await until('it is told', () => watcher.of('facelatch/test/fan/state').length > 0)
  t.match(JSON.parse(watcher.of('facelatch/test/fan/state').at(-1)!), { celsius: 45, percent: 15 })
  await until('health is told', () => watcher.of('facelatch/test/health').length > 0)
  t.equal(JSON.parse(watcher.of('facelatch/test/health').at(-1)!).supervisor.celsius, 45)
})

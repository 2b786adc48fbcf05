/** Thermal zones and fans on real files, laid out as the kernels of the boards lay them out. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { createSysfsThermal } from '../../firmware/adapters/thermal-sysfs.js'
import { fanFindings } from '../../firmware/commands/doctor-fan.js'
import { loadConfig } from '../../firmware/config.js'
import type { NewEvent } from '../../firmware/domain/events.js'
import { inspectFan, openFan } from '../../firmware/fan.js'
import { end, firmware, script, spawnChild } from '../support/child.js'
import { memoryLog, type Owner, temporaryDirectory, until } from '../support/temp.js'

type Files = Readonly<Record<string, string | number>>
function write(root: string, files: Files) {
  for (const [name, value] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), `${value}\n`)
  }
}
function makeSysfs(t: Owner, files: Files): string {
  const root = temporaryDirectory(t)
  write(root, files)
  return root
}
const zone = (n: number, type: string, temp: string | number): Files => ({
  [`class/thermal/thermal_zone${n}/type`]: type,
  [`class/thermal/thermal_zone${n}/temp`]: temp,
})
const nano = {
  ...zone(0, 'AO-therm', 52_500),
  ...zone(1, 'CPU-therm', 45_000),
  ...zone(2, 'GPU-therm', 44_500),
  ...zone(3, 'PMIC-Die', 100_000),
  'devices/pwm-fan/target_pwm': 0,
  'devices/pwm-fan/temp_control': 1,
}
const hwmon = 'devices/platform/bus@0/pwm-fan/hwmon/hwmon3'
const orin = {
  ...zone(0, 'cpu-thermal', 50_000),
  ...zone(10, 'tj-thermal', 50_250),
  [`${hwmon}/pwm1`]: 0,
  'devices/platform/bus@0/39c0000.tachometer/hwmon/hwmon2/rpm': 1800,
}
const chip = 'devices/platform/32a0000.pwm/pwm/pwmchip4'
const custom = { ...zone(0, 'cpu-thermal', 60_000), [`${chip}/export`]: '', [`${chip}/pwm0/period`]: 0 }
const channel = { [`${chip}/pwm0/duty_cycle`]: 0, [`${chip}/pwm0/enable`]: 0 }

async function open(t: Owner, sysfs: string, fan: Record<string, unknown>) {
  const file = join(temporaryDirectory(t), 'config.json')
  writeFileSync(file, JSON.stringify({ fan: { sysfs, periodSeconds: 0.05, ...fan } }))
  const config = loadConfig([file], {})
  const log = memoryLog()
  const events: NewEvent[] = []
  const states: Record<string, unknown>[] = []
  const control = await openFan(config, {
    clock: systemClock,
    log,
    record: (event) => events.push(event),
    publish: (payload) => states.push(JSON.parse(payload)),
  })
  t.teardown(() => control.close())
  return { control, log, events, states, config }
}
const reads = (root: string, file: string) => readFileSync(join(root, file), 'utf8').trim()
const becomes = (root: string, file: string, value: number) =>
  until(`${file} is ${value}`, () => reads(root, file) === String(value), 20)

t.test('zones: by type, the constant one left out, what cannot be read left empty', async (t) => {
  const root = makeSysfs(t, { ...nano, ...zone(4, 'thermal-fan-est', 'N/A'), ...zone(5, 'off', -256_000) })
  mkdirSync(join(root, 'class/thermal/thermal_zone6'))
  write(root, { 'class/thermal/thermal_zone6/type': 'tj-thermal', 'class/thermal/cooling_device0/type': 'pwm-fan' })
  t.same(await createSysfsThermal({ sysfs: root, zones: [] }).read(), [
    { type: 'AO-therm', celsius: 52.5 },
    { type: 'CPU-therm', celsius: 45 },
    { type: 'GPU-therm', celsius: 44.5 },
    { type: 'thermal-fan-est' },
    { type: 'off' },
    { type: 'tj-thermal' },
  ])
  const chosen = createSysfsThermal({ sysfs: root, zones: ['GPU-therm', 'PMIC-Die'] })
  t.same(await chosen.read(), [
    { type: 'GPU-therm', celsius: 44.5 },
    { type: 'PMIC-Die', celsius: 100 },
  ])
  t.same(await createSysfsThermal({ sysfs: join(root, 'none'), zones: [] }).read(), [])
})

t.test('hwmon of JetPack 5 and later: the hottest zone through the curve, the tachometer beside it', async (t) => {
  const root = makeSysfs(t, orin)
  const { control, states } = await open(t, root, { driver: 'hwmon' })
  // 50.25 °C: 30 % and a hundredth of the way to 100 %.
  await becomes(root, `${hwmon}/pwm1`, Math.round(255 * 0.31))
  t.equal(control.celsius, 50.25)
  await until('it is told', () => states.length > 0)
  t.match(states.at(-1), { percent: 31, rpm: 1800 })
  write(root, zone(0, 'cpu-thermal', 75_000))
  await becomes(root, `${hwmon}/pwm1`, 255)
  write(root, zone(0, 'cpu-thermal', 30_000))
  await becomes(root, `${hwmon}/pwm1`, Math.round(255 * 0.42))
  await control.close()
  t.equal(reads(root, `${hwmon}/pwm1`), '255', 'it stays at full speed')
})

t.test('the fan file of JetPack 4: taken from the kernel, and given back', async (t) => {
  const root = makeSysfs(t, nano)
  const { control, states } = await open(t, root, { driver: 'auto' })
  await becomes(root, 'devices/pwm-fan/target_pwm', Math.round(255 * 0.37))
  t.equal(reads(root, 'devices/pwm-fan/temp_control'), '0')
  t.notOk('rpm' in states.at(-1)!)
  await control.close()
  t.equal(reads(root, 'devices/pwm-fan/target_pwm'), '255')
  t.equal(reads(root, 'devices/pwm-fan/temp_control'), '1')
})

t.test('a controller by its address', async (t) => {
  const root = makeSysfs(t, { ...custom, ...channel })
  const { control } = await open(t, root, { driver: 'pwmchip', path: '32a0000' })
  await becomes(root, `${chip}/pwm0/duty_cycle`, 23_200)
  t.equal(reads(root, `${chip}/pwm0/period`), '40000')
  await becomes(root, `${chip}/pwm0/enable`, 1)
  await control.close()
  t.equal(reads(root, `${chip}/pwm0/duty_cycle`), '40000')
})

t.test('sensors that go are full speed, a fault and an event; the door hears of it once', async (t) => {
  const root = makeSysfs(t, orin)
  const { events, states } = await open(t, root, { driver: 'auto' })
  await becomes(root, `${hwmon}/pwm1`, 79)
  rmSync(join(root, 'class/thermal'), { recursive: true })
  await becomes(root, `${hwmon}/pwm1`, 255)
  await until('the event', () => events.length > 0)
  t.match(events, [{ type: 'fan_fault', detail: { fault: 'no temperature' } }])
  t.match(states.at(-1), { percent: 100, fault: 'no temperature' })
  write(root, orin)
  await until('it is over', () => events.length > 1)
  t.equal(events.at(-1)?.type, 'fan_restored')
})

t.test('a sensor that never answers is full speed, too', async (t) => {
  const root = makeSysfs(t, orin)
  await open(t, root, { driver: 'hwmon' })
  await becomes(root, `${hwmon}/pwm1`, 79)
  const temp = join(root, 'class/thermal/thermal_zone0/temp')
  rmSync(temp)
  // Whoever opens it waits for somebody who writes.
  execFileSync('mkfifo', [temp])
  t.teardown(() => closeSync(openSync(temp, 'r+')))
  await becomes(root, `${hwmon}/pwm1`, 255)
})

t.test('a fan whose file goes is an event', async (t) => {
  const root = makeSysfs(t, orin)
  const { events } = await open(t, root, { driver: 'hwmon' })
  await becomes(root, `${hwmon}/pwm1`, 79)
  rmSync(join(root, `${hwmon}/pwm1`))
  await until('the event', () => events.length > 0)
  t.match(events, [{ type: 'fan_fault', detail: { fault: 'not driven', reason: /pwm1: ENOENT; check fan.path/ } }])
})

t.test('nvfancontrol is told, not fought', async (t) => {
  const service = { 'fs/cgroup/system.slice/nvfancontrol.service/cgroup.procs': 812 }
  const root = makeSysfs(t, { ...orin, ...service })
  const left = await open(t, root, { driver: 'auto' })
  t.match(left.log.lines, [/warn: the fan is left alone: nvfancontrol.service drives the fan: .*nvfancontrol.conf/])
  await until('temperatures are told', () => left.states.length > 0)
  t.same(left.states[0], { celsius: 50 })
  t.equal(reads(root, `${hwmon}/pwm1`), '0')
  const taken = await open(t, root, { driver: 'hwmon' })
  await becomes(root, `${hwmon}/pwm1`, 79)
  t.match(taken.log.lines[0], /warn: nvfancontrol.service drives the fan: .*disable --now nvfancontrol/)
  const stopped = makeSysfs(t, { ...orin, 'fs/cgroup/systemd/system.slice/nvfancontrol.service/cgroup.procs': '' })
  const { config } = await open(t, stopped, {})
  t.equal(inspectFan(config).nvidia, false, 'a service without processes does not run')
})

t.test('left alone unless told; a fan that is not there costs no door', async (t) => {
  const root = makeSysfs(t, nano)
  const alone = await open(t, root, {})
  await until('it is read', () => alone.control.celsius === 52.5)
  await alone.control.close()
  t.equal(reads(root, 'devices/pwm-fan/target_pwm'), '0')
  t.equal(reads(root, 'devices/pwm-fan/temp_control'), '1')
  const missing = await open(t, root, { driver: 'hwmon' })
  t.match(missing.events, [
    { type: 'fan_fault', detail: { reason: /there is no fan for fan.driver "hwmon"; set fan.path/ } },
  ])
})

t.test('doctor shows zones, the fan, and who drives it', async (t) => {
  const says = async (files: Files, fan: Record<string, unknown>) => {
    const file = join(temporaryDirectory(t), 'config.json')
    writeFileSync(file, JSON.stringify({ fan: { sysfs: makeSysfs(t, files), ...fan } }))
    const findings = await fanFindings(loadConfig([file], {}))
    return findings.map(({ level, what, remedy }) => `${level}: ${what}${remedy ? ` → ${remedy}` : ''}`)
  }
  const service = { 'fs/cgroup/system.slice/nvfancontrol.service/cgroup.procs': 812 }
  t.match(await says(nano, {}), [
    'ok: AO-therm 52.5 °C, CPU-therm 45 °C, GPU-therm 44.5 °C',
    /^ok: jetson fan at .*pwm-fan, left to the kernel/,
  ])
  t.match(await says(orin, { driver: 'auto' }), [
    /^ok/,
    /^ok: hwmon fan at .*hwmon3, driven by facelatch, tachometer .*rpm/,
  ])
  t.match(await says({ ...orin, ...service }, { driver: 'auto' }), [
    /^ok/,
    /^note: .*nvfancontrol drives it → .*nvfancontrol.conf/,
  ])
  t.match(await says({ ...orin, ...service }, { driver: 'hwmon' }), [/^ok/, /^note: .*both drive it → .*disable/])
  t.match(await says({}, { driver: 'pwmchip', path: '32a0000' }), [
    'note: this machine shows no temperatures → the fan runs at full speed; check fan.zones',
    'fault: no fan was found for fan.driver pwmchip → set fan.path, or fan.driver to none',
  ])
})

for (const [how, folderOf] of [
  ['an absolute', (root: string) => join(root, 'devices/pwm-fan')],
  ['a relative', () => 'devices/pwm-fan'],
] as const)
  t.test(`a supervisor that is killed leaves the fan at ${how} path at full speed`, async (t) => {
    const root = makeSysfs(t, nano)
    const place = JSON.stringify({ driver: 'jetson', folder: folderOf(root) })
    const child = spawnChild(
      t,
      script(`
        const { createSysfsPwm } = await import(${firmware('adapters/pwm-sysfs.js')})
        const { keepCool } = await import(${firmware('adapters/pwm-keeper.js')})
        process.chdir(${JSON.stringify(root)})
        const pwm = keepCool(await createSysfsPwm(${place}, { sysfs: '', path: '', channel: 0, periodNs: 1 }))
        await pwm.drive(20)
        setInterval(() => {}, 1000)`),
    )
    await becomes(root, 'devices/pwm-fan/target_pwm', 51)
    t.equal(reads(root, 'devices/pwm-fan/temp_control'), '0')
    await end(child, 'SIGKILL')
    await becomes(root, 'devices/pwm-fan/target_pwm', 255)
    await becomes(root, 'devices/pwm-fan/temp_control', 1)
  })

/** A configuration that cannot be used stops no door that a service guards: the last good one stands in, and says so. */
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Appliance, facelatch, type Home, makeHome, root, startAppliance } from '../support/appliance.js'
import { end } from '../support/child.js'
import { type Owner, temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(300_000)

const keptBy = (home: Home) => join(home.folder, 'config.last-good.json')
const asService = (home: Home) => ['--last-good', keptBy(home)]
const status = (home: Home) => facelatch(['status', '--json', '--config', home.config, ...asService(home)])

async function guarding(t: Owner, home: Home, within: readonly string[] = []): Promise<Appliance> {
  const appliance = startAppliance(t, home, within, asService(home))
  await until('it guards the door', () => /guarding the door/.test(appliance.log()))
  return appliance
}

/** Whether the exit button opens. */
async function press(appliance: Appliance): Promise<void> {
  await appliance.input('exit', 1)
  await until('the exit button opens', () => appliance.lines('lock').some(({ value }) => value === 1))
}

/** What it ends with by itself. */
async function refused(t: Owner, home: Home, more: readonly string[]): Promise<[number | null, string]> {
  const appliance = startAppliance(t, home, [], more)
  await until('it ends', () => appliance.process.exitCode !== null)
  await end(appliance.process, 'SIGKILL')
  return [appliance.process.exitCode, appliance.log()]
}

const replace = (home: Home, text: string | object) =>
  writeFileSync(home.config, typeof text === 'string' ? text : JSON.stringify(text))

t.test('a start, a broken file, a start, a mended file', async (t) => {
  const home = makeHome(t)
  const good = readFileSync(home.config, 'utf8')
  const first = await guarding(t, home)
  await until('the configuration is kept', () => existsSync(keptBy(home)))
  t.equal(readFileSync(keptBy(home), 'utf8'), good)
  t.equal(statSync(keptBy(home)).mode & 0o777, 0o600, 'it may hold passwords')
  const { mtime } = statSync(keptBy(home))
  t.equal((await status(home)).code, 0)

  replace(home, '{ "mqtt": { "url": "mqtt://door:s3cret@home" ')
  const before = await status(home)
  t.equal(before.code, 1)
  t.match(JSON.parse(before.stdout).problems, [/^the next start will not use the configuration: .*not valid JSON/])
  await first.stop()
  t.match(await status(home), { code: 2, stderr: /not valid JSON/ }, 'nobody guards: what is wrong with the file')

  const second = await guarding(t, home)
  await press(second)
  const told = second.log().match(/cannot be used:.*/g)
  t.equal(told?.length, 1, 'one line')
  t.match(told![0], /not valid JSON.*the last good one, in use since .*config check.*systemctl restart facelatch/)
  const since = mtime.toISOString()
  t.match(told![0], since)
  const { code, stdout } = await status(home)
  t.equal(code, 1)
  const account = JSON.parse(stdout)
  t.match(account.problems, [/^the configuration .*config\.json cannot be used: .*the last good one, in use since/])
  t.equal(account.problems.length, 1)
  t.equal(account.topics.state.configuration, 'last_good')
  t.notMatch(stdout, /s3cret/)
  const doctor = await facelatch(['doctor', '--config', home.config, ...asService(home)])
  t.equal(doctor.code, 2)
  t.match(doctor.stdout, /^FAULT config +.*the last good one, in use since .* → facelatch config check/)
  t.match(doctor.stderr, /not valid JSON/)
  t.match(await facelatch(['config', 'check', '--config', home.config]), { code: 2, stderr: /not valid JSON/ })
  t.equal(readFileSync(keptBy(home), 'utf8'), good, 'what stands in is still the good one')

  replace(home, { ...home.settings, device: { id: 'mended' } })
  t.match(JSON.parse((await status(home)).stdout).problems, [/cannot be used/], 'not before the restart')
  await second.stop()
  const third = await guarding(t, home)
  t.match(JSON.parse((await status(home)).stdout), { device: { id: 'mended' }, problems: [] })
  await until('the mended one is kept', () => readFileSync(keptBy(home), 'utf8').includes('mended'))
  const rejections = (await third.events()).filter(({ type }) => type === 'config_rejected')
  t.match(rejections, [{ file: home.config, since }])
  t.equal(rejections.length, 1)
  await third.stop()
})

t.test('whatever makes a file unusable', async (t) => {
  const home = makeHome(t)
  await (await guarding(t, home)).stop()
  const { settings } = home
  const door = { ...settings, door: { strikeMode: 'hold' } }
  const faults: [string, string | object, RegExp][] = [
    ['empty', 'x', /not valid JSON/],
    ['a typo', { ...settings, dor: {} }, /unknown configuration key "dor"/],
    ['a bad value', { ...settings, door: { strikeSeconds: 'long' } }, /door\.strikeSeconds/],
    ['a contradiction', door, /without a door contact/],
    ['an embedder that there is none of', { ...settings, recognizer: { embedder: 'mobilfacenet' } }, /must be "auto"/],
    ['a code that is not there', { ...settings, mqtt: { url: '', codeFile: '/none' } }, /mqtt\.codeFile \/none/],
  ]
  for (const [what, text, reason] of faults) {
    replace(home, text)
    const appliance = await guarding(t, home)
    await press(appliance)
    t.match(appliance.log(), reason, what)
    await appliance.stop()
  }
  rmSync(home.config)
  const appliance = await guarding(t, home)
  t.match(appliance.log(), /ENOENT.*the last good one/, 'no file')
  await appliance.stop()
})

t.test('nets that cannot be used stop no exit button', async (t) => {
  const damaged = temporaryDirectory(t)
  writeFileSync(join(damaged, 'local.json'), '{ "conv')
  const lax = makeHome(t)
  await (await guarding(t, lax)).stop()
  replace(lax, { ...lax.settings, recognizer: { liveness: 'require', models: join(root, 'models') } })
  for (const [home, reason] of [
    [lax, /nobody is recognized: .*"require", but minifasnet-v2/],
    [makeHome(t, { recognizer: { models: damaged } }), /nobody is recognized: .*local\.json/],
  ] as const) {
    const appliance = await guarding(t, home)
    await press(appliance)
    t.match(appliance.log(), reason)
    t.notMatch(appliance.log(), /the last good one/, 'one that lets photos in does not stand in')
    t.notMatch(existsSync(keptBy(home)) && readFileSync(keptBy(home), 'utf8'), /models/, 'nor is this one kept')
    await until('status says so', async () => /the recognizer is down/.test((await status(home)).stdout))
    await appliance.stop()
  }
})

t.test('a file that may not be read', async (t) => {
  const home = makeHome(t)
  await (await guarding(t, home)).stop()
  chmodSync(home.config, 0)
  // Root reads everything, with these.
  const less = process.getuid!() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
  const appliance = await guarding(t, home, less)
  t.match(appliance.log(), /EACCES.*the last good one/)
  await appliance.stop()
})

t.test('what nothing stands in for', async (t) => {
  const home = makeHome(t)
  const good = readFileSync(home.config, 'utf8')
  replace(home, '{')
  t.match(await refused(t, home, asService(home)), [2, /not valid JSON/], 'there is no last good one')
  t.notOk(existsSync(keptBy(home)))
  writeFileSync(keptBy(home), good)
  t.match(await refused(t, home, []), [2, /not valid JSON/], 'by hand')
  writeFileSync(keptBy(home), '{ "removed": 1 }')
  t.match(await refused(t, home, asService(home)), [2, /^(?!.*removed).*not valid JSON/], 'nor can it be used itself')
  writeFileSync(keptBy(home), good)

  replace(home, { ...home.settings, gpio: { driver: 'gpiod', lines: { lock: 'no-such-chip:1' } } })
  t.notMatch((await refused(t, home, asService(home)))[1], /last good/, 'imagined lines for real ones')
  t.equal(readFileSync(keptBy(home), 'utf8'), good, 'what did not guard the door is not kept')
})

t.test('the unit asks for it, where status and doctor look', async (t) => {
  const unit = readFileSync(join(root, 'systemd/facelatch.service'), 'utf8')
  t.match(unit, /^ExecStart=\/usr\/bin\/facelatch run --last-good \/var\/lib\/facelatch\/config\.last-good\.json$/m)
  t.match(
    readFileSync(join(root, 'firmware/commands/last-good.ts'), 'utf8'),
    "'/var/lib/facelatch/config.last-good.json'",
  )
})

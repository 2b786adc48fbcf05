/** The change from a release to the next one under a real systemd: killed on its way, and with a release that hangs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { root } from '../support/appliance.js'
import { bootMachine, eventually, nspawnMissing } from '../support/nspawn.js'

// The tree may have to be made first.
t.setTimeout(900_000)

const service = 'facelatch.service'
const watch = 'facelatch-switch.service'
const base = '/usr/lib/facelatch'
const trial = `${base}/trial`
const settings = {
  device: { id: 'door' },
  camera: { source: 'v4l2:/dev/video9' },
  gpio: { driver: 'simulated' },
  mqtt: { url: '' },
}
/** As packaging/facelatch does: what root starts becomes the service's user. */
const facelatch = `#!/bin/sh
[ "$(id -u)" != 0 ] || as="setpriv --reuid=facelatch --regid=facelatch --init-groups"
exec $as ${base}/node/bin/node ${base}/dist/firmware/cli.js "$@"
`
/** Everything of it works, but that it never gets ready, nor hears that it shall stop. */
const hanging = facelatch.replace('\n', '\ntrap \'\' TERM\nwhile [ "$1" = run ]; do sleep 1; done\n')
/** Everything of it works, but that it dies as soon as it shall guard the door. */
const dying = facelatch.replace('\n', '\n[ "$1" != run ] || exit 1\n')
const change = readFileSync(join(root, 'packaging/switch'), 'utf8')
const files = {
  '/usr/bin/facelatch': `#!/bin/sh\nexec ${base}/current/facelatch "$@"\n`,
  '/etc/facelatch/config.json': JSON.stringify(settings),
  '/etc/systemd/system/facelatch-trial.service.d/test.conf': '[Service]\nEnvironment=READY_SECONDS=20\n',
  [`${base}/switch`]: change,
  [`${base}/package/switch`]: change,
  [`${base}/releases/1/facelatch`]: facelatch,
  [`${base}/releases/2/facelatch`]: facelatch,
  [`${base}/releases/3/facelatch`]: hanging,
}
const executable = Object.keys(files).filter((path) => !path.startsWith('/etc'))

t.test('from release to release', { skip: nspawnMissing() }, async (t) => {
  const machine = await bootMachine(t, files, executable)
  const state = (unit: string) => machine.property(unit, 'ActiveState')
  const current = async () => (await machine.run('readlink', `${base}/current`)).stdout.trim()
  const switchTo = (release: string, seconds = '') =>
    machine.run('sh', '-c', `echo $$ >/run/switch; READY_SECONDS=${seconds} exec ${base}/switch ${release}`)
  const kill = (when: string) => machine.said('sh', '-c', `while ${when}; do :; done; kill -KILL $(cat /run/switch)`)
  const starts = (release: string) => machine.said('ln', '-sfn', `releases/${release}`, `${base}/current`)
  await machine.said('systemctl', 'stop', service)
  // At boot it had no release yet, and may have failed often enough to be given up.
  await machine.run('systemctl', 'reset-failed', service)
  await starts('1')

  await t.test('a service that somebody has stopped stays so', async (t) => {
    const { code, stderr } = await switchTo('2')
    t.equal(code, 0, stderr)
    t.equal(await current(), 'releases/2')
    t.equal(await state(watch), 'inactive')
    t.equal(await state(service), 'inactive')
  })

  // The former release was tidied away.
  machine.write(`${base}/releases/1/facelatch`, facelatch, 0o755)
  for (const [what, when, to] of [
    ['while the old release stops', `systemctl is-active --quiet ${service}`, '1'],
    ['while the new one starts', `[ "$(readlink ${base}/current)" = releases/2 ]`, '1'],
  ] as const)
    await t.test(`killed ${what}`, async (t) => {
      machine.write(`${base}/releases/1/facelatch`, facelatch, 0o755)
      machine.write(`${base}/releases/2/facelatch`, facelatch, 0o755)
      await starts('2')
      await machine.said('systemctl', 'restart', service)
      const before = await machine.supervisor()
      const [{ code, stderr }] = await Promise.all([switchTo(to), kill(when)])
      t.not(code, 0, 'it was killed')
      t.notMatch(stderr, /is guarding the door/, 'and not too late')
      await eventually('somebody guards the door', async () => {
        const pid = await machine.supervisor()
        return pid !== 0 && pid !== before && (await state(service)) === 'active'
      })
      t.match(await current(), /^releases\/[12]$/)
      await eventually('nobody watches any more', async () => (await state(watch)) === 'inactive')
      t.equal((await machine.run('test', '-e', trial)).code, 1, 'seen through')
    })

  await t.test('killed while one starts that does not get ready', async (t) => {
    machine.write(`${base}/releases/1/facelatch`, facelatch, 0o755)
    machine.write(`${base}/releases/4/facelatch`, dying, 0o755)
    await starts('1')
    await machine.said('systemctl', 'restart', service)
    const [{ code }] = await Promise.all([switchTo('4'), kill(`[ "$(readlink ${base}/current)" = releases/1 ]`)])
    t.not(code, 0, 'it was killed')
    await eventually('the former one is back', async () => (await current()) === 'releases/1')
    await eventually('and guards the door', async () => (await state(service)) === 'active')
    await eventually('nobody watches any more', async () => (await state(watch)) !== 'active')
    t.equal((await machine.run('test', '-e', trial)).code, 1, 'seen through')
  })

  /** What a power cut leaves, and the boot after it. */
  const cutOff = async (t: Test, inUse: string, change: string) => {
    machine.write(`${base}/releases/4/facelatch`, dying, 0o755)
    await machine.run('systemctl', 'stop', service)
    await starts(inUse)
    machine.write(trial, `${change}\n`)
    await machine.run('systemctl', 'enable', service)
    await machine.run('systemctl', 'start', '--no-block', service)
    const { code } = await machine.run('systemctl', 'start', 'facelatch-trial.service')
    t.equal((await machine.run('test', '-e', trial)).code, 1, 'seen through')
    return { code, said: await machine.journal('facelatch-trial.service') }
  }
  await t.test('a power cut with one in use that does not get ready', async (t) => {
    const { code, said } = await cutOff(t, '4', '4 1')
    t.not(code, 0, 'whoever looks at failed units sees it')
    t.match(said, /the change from 1 to 4 was cut off/)
    t.match(said, /4 was not ready within 20 seconds/)
    t.match(said, /1 is guarding the door again/)
    t.equal(await current(), 'releases/1')
    t.equal(await state(service), 'active')
  })
  await t.test('a power cut before it was in use, and one after it was ready', async (t) => {
    machine.write(`${base}/releases/2/facelatch`, facelatch, 0o755)
    t.match((await cutOff(t, '1', '4 1')).said, /1 is guarding the door again/)
    t.equal(await current(), 'releases/1')
    const { code, said } = await cutOff(t, '2', '2 1')
    t.equal(code, 0)
    t.match(said, /2 is guarding the door/)
    t.equal(await current(), 'releases/2')
  })
  await t.test('a machine that boots has not everything at its first start', async (t) => {
    const seen = '/var/lib/facelatch/seen'
    const late = facelatch.replace('\n', `\n[ "$1" != run ] || [ -e ${seen} ] || { touch ${seen}; exit 1; }\n`)
    machine.write(`${base}/releases/1/facelatch`, facelatch, 0o755)
    machine.write(`${base}/releases/5/facelatch`, late, 0o755)
    const { code, said } = await cutOff(t, '5', '5 1')
    t.equal(code, 0)
    t.match(said, /5 is guarding the door/)
    t.equal((await machine.run('test', '-e', seen)).code, 0)
  })
  await t.test('a power cut that left nothing to go by', async (t) => {
    machine.write(`${base}/releases/2/facelatch`, facelatch, 0o755)
    const { code } = await cutOff(t, '2', '')
    t.equal(code, 0)
    t.equal(await current(), 'releases/2')
    t.equal(await state(service), 'active')
    machine.write(`${base}/releases/1/facelatch`, facelatch, 0o755)
  })

  await t.test('a release that hangs is taken back, without waiting for it to hear', async (t) => {
    machine.write(`${base}/releases/3/facelatch`, hanging, 0o755)
    await starts('1')
    await machine.said('systemctl', 'restart', service)
    const { code, stderr } = await switchTo('3', '3')
    t.equal(code, 1)
    t.match(stderr, /3 was not ready within 3 seconds; going back to 1\n/)
    t.match(stderr, /1 is guarding the door again/)
    t.equal(await current(), 'releases/1')
    t.equal(await state(service), 'active')
    t.notMatch(await machine.journal(service), /State 'stop-sigterm' timed out/)
  })

  await t.test('whoever stops the door after an upgrade finds it stopped', async (t) => {
    machine.write(`${base}/releases/2/facelatch`, facelatch, 0o755)
    const { code, stderr } = await switchTo('2')
    t.equal(code, 0, stderr)
    t.match(stderr, /2 is guarding the door/)
    t.equal(await state(watch), 'inactive')
    await machine.said('systemctl', 'stop', service)
    await sleep(2000)
    t.equal(await state(service), 'inactive')
  })
})

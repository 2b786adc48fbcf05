/** What the installed service's user cannot read is found by whoever can read it. */
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { closedFiles, namedFiles, readOnlyFolders, sharedAddresses } from '../../firmware/commands/service-reads.js'
import { installedService } from '../../firmware/commands/service-unit.js'
import { loadConfig } from '../../firmware/config.js'
import { temporaryDirectory } from '../support/temp.js'

const nobody = { user: 'nobody', hidden: [] }

t.test('the unit says who the service is', async (t) => {
  const [etc, lib] = [temporaryDirectory(t), temporaryDirectory(t)]
  t.equal(installedService([etc, lib]), undefined, 'none is installed')
  writeFileSync(join(lib, 'facelatch.service'), '[Service]\nUser=facelatch\nProtectHome=yes\n')
  t.match(installedService([etc, lib]), { user: 'facelatch', hidden: ['/home', '/root', '/run/user'] })
  mkdirSync(join(etc, 'facelatch.service.d'))
  writeFileSync(join(etc, 'facelatch.service.d', 'who.conf'), '[Service]\nUser=door\nProtectHome=no\n')
  t.same(installedService([etc, lib]), { user: 'door', hidden: [] }, 'a drop-in changes it')
  const key = (line: string) => {
    writeFileSync(join(etc, 'facelatch.service.d', 'key.conf'), `[Service]\n${line}\n`)
    return installedService([etc, lib])!.ownKey
  }
  t.equal(key('LoadCredential=facelatch-key:/etc/facelatch/credentials/facelatch-key'), undefined, "the package's own")
  t.equal(key('LoadCredentialEncrypted=facelatch-key:/etc/credstore.encrypted/facelatch-key'), true)
  t.equal(key('LoadCredentialEncrypted=facelatch-key'), true)
  t.equal(key('LoadCredential=facelatch-key:/root/key'), true)
  writeFileSync(
    join(etc, 'facelatch.service.d', 'key.conf'),
    '[Service]\nEnvironment=FACELATCH_LOG=debug "FACELATCH_STORE_PATH=/a b" HOME=/\nEnvironment=FACELATCH_DEVICE_ID=x\n',
  )
  t.same(installedService([etc, lib])!.variables, ['FACELATCH_STORE_PATH', 'FACELATCH_DEVICE_ID'])
})

t.test(
  'files, and folders on the way to them',
  { skip: process.getuid!() !== 0 && 'only root has rights to lose' },
  async (t) => {
    const folder = temporaryDirectory(t)
    chmodSync(folder, 0o755)
    const [open, secret, own] = ['open', 'secret', 'own'].map((name) => join(folder, name)) as [string, string, string]
    const closed = join(folder, 'closed')
    const within = join(closed, 'code')
    mkdirSync(closed)
    for (const file of [open, secret, own, within]) writeFileSync(file, 'x', { mode: 0o600 })
    chmodSync(open, 0o644)
    chmodSync(within, 0o644)
    chownSync(own, 65534, 65534)
    chmodSync(closed, 0o700)
    const link = join(folder, 'link')
    symlinkSync(within, link)
    t.same(closedFiles({ a: open, b: own, c: join(folder, 'missing') }, nobody), [])
    t.same(closedFiles({ 'mqtt.codeFile': secret }, nobody), [
      `the service's user nobody cannot read mqtt.codeFile ${secret}; chown nobody ${secret}`,
    ])
    const way = `it may not enter ${closed}; chmod a+x ${closed}, or put the file into /etc/facelatch`
    t.same(closedFiles({ 'mqtt.codeFile': within, rules: link }, nobody), [
      `the service's user nobody cannot read mqtt.codeFile ${within}: ${way}`,
      `the service's user nobody cannot read rules ${link}: ${way}`,
    ])
    t.match(closedFiles({ rules: open }, { user: 'nobody', hidden: [folder] }), [/its unit hides .*ProtectHome=/])
    t.equal(closedFiles({ rules: open }, { user: 'nobody-of-that-name', hidden: [] }), undefined, 'nobody can be asked')
  },
)

t.test('a credential is read by systemd', async (t) => {
  const config = loadConfig([], { FACELATCH_MQTT_CODE_FILE: '/c/code', FACELATCH_ACCESS_RULES_FILE: '/rules.json' })
  t.same(namedFiles(config, undefined), { 'mqtt.codeFile': '/c/code', 'access.rulesFile': '/rules.json' })
  t.same(namedFiles(config, '/c'), { 'access.rulesFile': '/rules.json' })
})

t.test('a store where the unit lets the service write nothing', async (t) => {
  const [etc, lib, disk] = [temporaryDirectory(t), temporaryDirectory(t), temporaryDirectory(t)]
  const config = (path: string, backups = '') =>
    loadConfig([], { FACELATCH_STORE_PATH: path, FACELATCH_STORE_BACKUPS: backups })
  const lines = (path: string, backups?: string) =>
    readOnlyFolders(config(path, backups), installedService([etc, lib])!)
  const unit = join(lib, 'facelatch.service')
  writeFileSync(unit, '[Service]\nUser=facelatch\n')
  t.same(lines('/elsewhere/a.db'), [], 'a unit without a sandbox')
  writeFileSync(
    unit,
    `[Service]\nUser=facelatch\nProtectSystem=strict\nReadWritePaths=-/var/lib/facelatch -${disk}/link\n`,
  )
  t.same(lines('/var/lib/facelatch/facelatch.db'), [])
  t.same(lines('facelatch.db'), [], 'where the unit starts')
  mkdirSync(join(disk, 'real'))
  symlinkSync(join(disk, 'real'), join(disk, 'link'))
  t.same(lines(join(disk, 'link/new/facelatch.db')), [], 'a link is followed')
  t.same(lines(join(disk, 'real/facelatch.db')), [])
  t.match(lines('/var/lib/facelatchother/a.db', join(disk, 'b')), [
    /writing \/var\/lib\/facelatchother \(store\.path\); systemctl edit .* ReadWritePaths=-\/var\/lib\/facelatchother$/,
    /\(store\.backups\)/,
  ])
  mkdirSync(join(etc, 'facelatch.service.d'))
  const dropIn = join(etc, 'facelatch.service.d', 'store.conf')
  writeFileSync(dropIn, `[Service]\nReadWritePaths=${disk}\n`)
  t.same(lines(join(disk, 'b/a.db')), [])
  writeFileSync(dropIn, '[Service]\nReadWritePaths=\n')
  t.equal(lines('/var/lib/facelatch/a.db').length, 1, 'taken back')
})

t.test('a password that everybody can read with the configuration', async (t) => {
  const file = join(temporaryDirectory(t), 'config.json')
  writeFileSync(file, '{}', { mode: 0o644 })
  const config = (source: string) => loadConfig([], { FACELATCH_CAMERA_SOURCE: source })
  t.same(sharedAddresses(config('rtsp://camera/1'), file), [])
  t.same(sharedAddresses(config('rtsp://door:s3cret@camera/1'), file), [
    `camera.source holds a password, and everybody may read ${file}; chmod 600 ${file}`,
  ])
  chmodSync(file, 0o640)
  t.same(sharedAddresses(config('rtsp://door:s3cret@camera/1'), file), [])
})

/** What `config check`, `config show` and doctor say of places, ports, passwords and a file that editors wrote. */
import { chmodSync, chownSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../firmware/config.js'
import { cli, facelatch, makeHome } from '../support/appliance.js'
import { run } from '../support/child.js'
import { temporaryDirectory } from '../support/temp.js'

t.setTimeout(300_000)

const check = (config: string) => facelatch(['config', 'check', '--config', config])

t.test('a store that cannot be made is refused, as run refuses it', async (t) => {
  const plain = join(temporaryDirectory(t), 'plain')
  writeFileSync(plain, '')
  for (const [path, said] of [
    ['/proc/facelatch/facelatch.db', /store\.path .*cannot be made \(\w+\); correct store\.path/],
    [join(plain, 'facelatch.db'), /store\.path .*cannot be written \(ENOTDIR\)/],
  ] as const) {
    const { config } = makeHome(t, { store: { path } })
    t.match(await check(config), { code: 2, stdout: '', stderr: said })
    // A folder that is missing may be mounted later, and `run` waits for it.
    if (path.startsWith(plain)) t.not((await facelatch(['run', '--config', config])).code, 0)
  }
  const folder = temporaryDirectory(t)
  const { config } = makeHome(t, { store: { path: join(folder, 'a/b/facelatch.db') } })
  t.match(await check(config), { code: 0 })
  const { stdout } = await facelatch(['doctor', '--config', config])
  t.match(stdout, `${join(folder, 'a/b')} is missing, and nothing is kept until it is there`)
  t.match(await check(makeHome(t, { store: { path: join(folder, 'a/facelatch.db') } }).config), {
    stderr: /its folder is missing, .*create .*\/a, or mount/,
  })
  t.same(readdirSync(folder), [], 'and nothing is left of the trial')
})

t.test('what may come later is a warning', async (t) => {
  const folder = temporaryDirectory(t)
  const rules = join(folder, 'rules.json')
  const missing = await check(makeHome(t, { access: { rulesFile: rules } }).config)
  t.match(missing, { code: 0, stderr: /access\.rulesFile .*\(ENOENT\): no face opens the door/ })
  writeFileSync(rules, '{')
  t.match(await check(makeHome(t, { access: { rulesFile: rules } }).config), { stderr: /rules\.json: .*no face opens/ })
  // As the door takes it: a name with an accent, as an old editor writes it, is no UTF-8.
  writeFileSync(rules, Buffer.from(JSON.stringify({ timeZone: 'Europe/Berlin', people: { Zoë: [] } }), 'latin1'))
  const home = makeHome(t, { access: { rulesFile: rules } })
  t.match(await check(home.config), { stderr: /rules\.json cannot be read \(it is not UTF-8\): no face opens/ })
  t.match(await facelatch(['rules', 'check', rules]), { code: 2, stderr: /it is not UTF-8/ })
  t.match((await facelatch(['doctor', '--config', home.config])).stdout, /FAULT rules .*it is not UTF-8/)
  const camera = await check(makeHome(t, { camera: { source: `file:${folder}/none.mp4` } }).config)
  t.match(camera, { code: 0, stderr: /camera\.source file:.*none\.mp4: the file is not there/ })
  const port = (url: string) => check(makeHome(t, { metrics: { port: 1883 }, mqtt: { url } }).config)
  for (const url of ['mqtt://127.0.0.1', 'mqtt://localhost:1883', 'embedded://127.0.0.1:1883'])
    t.match(await port(url), { code: 0, stderr: /metrics\.port 1883 is the port of the broker/ }, url)
  t.notMatch((await port('mqtt://elsewhere.example')).stderr, /metrics\.port/)
})

t.test('passwords in addresses are not shown', async (t) => {
  const { config } = makeHome(t, {
    camera: { source: 'rtsp://a:qwertz@camera/1' },
    mqtt: { url: 'mqtt://u:asdfgh@broker' },
  })
  for (const more of [[], ['--json']]) {
    const { stdout } = await facelatch(['config', 'show', ...more, '--config', config])
    t.notMatch(stdout, /qwertz|asdfgh/)
    t.match(stdout, /rtsp:\/\/\*\*\*@camera\/1/)
    t.match(stdout, /mqtt:\/\/\*\*\*@broker/)
  }
})

t.test('a byte order mark', async (t) => {
  const { config } = makeHome(t, { device: { id: 'marked' } })
  writeFileSync(config, `\uFEFF${readFileSync(config, 'utf8')}`)
  t.equal(loadConfig([config], {}).device.id, 'marked')
})

t.test('a configuration that may not be read', { skip: process.getuid?.() !== 0 && 'not root' }, async (t) => {
  const { config } = makeHome(t)
  chmodSync(config, 0o600)
  chownSync(config, 65_534, 65_534)
  // Permissions bind nobody who may override them; another user might not even be able to read this checkout.
  const bound = '--bounding-set=-dac_override,-dac_read_search'
  const said = await run('setpriv', [bound, process.execPath, cli, 'config', 'check', '--config', config])
  t.match(said, { code: 2, stderr: /EACCES; its mode is 600; .*user facelatch: chgrp facelatch .* chmod 640/ })
  t.notMatch(said.stderr, /check --config/)
})

t.test('doctor names a door without an exit button', async (t) => {
  const doctor = async (gpio: object) => (await facelatch(['doctor', '--config', makeHome(t, { gpio }).config])).stdout
  t.match(await doctor({ lines: { lock: 'pin:31' } }), /note +gpio +there is no exit button.*set gpio\.lines\.exit/)
  t.notMatch(await doctor({ lines: { lock: 'pin:31', exit: 'pin:33' } }), /no exit button/)
})

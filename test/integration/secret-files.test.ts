/** Files with secrets: which are missing, which are none, and which others can read. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, makeHome, startAppliance } from '../support/appliance.js'
import { createAuthority } from '../support/certificates.js'
import { open, template } from '../support/database.js'
import { until } from '../support/temp.js'

t.setTimeout(300_000)

t.test('config check and doctor look at all of them', async (t) => {
  const { key, cert } = createAuthority(t).issue('test')
  const home = makeHome(t)
  const code = join(home.folder, 'code')
  const password = join(home.folder, 'password')
  const configure = (mqtt: object) =>
    writeFileSync(home.config, JSON.stringify({ ...home.settings, mqtt: { url: 'mqtts://127.0.0.1:1', ...mqtt } }))
  const check = () => facelatch(['config', 'check', '--config', home.config])
  const doctor = async () => (await facelatch(['doctor', '--config', home.config])).stdout

  configure({ codeFile: code })
  t.match(await check(), { code: 2, stderr: /cannot read mqtt.codeFile .*code: ENOENT; check the path/ })
  t.match(await doctor(), /FAULT mqtt +cannot read mqtt.codeFile/)
  writeFileSync(code, '12\n', { mode: 0o600 })
  t.match(await check(), { code: 2, stderr: /mqtt.codeFile .*holds no code of 4 to 64 characters/ })
  t.match(await doctor(), /FAULT mqtt +mqtt.codeFile .*holds no code/)

  writeFileSync(code, '2468\n')
  writeFileSync(password, 'secret\n', { mode: 0o600 })
  for (const file of [code, password, key]) chmodSync(file, 0o600)
  const files = { codeFile: code, username: 'door', passwordFile: password, keyFile: key, certFile: cert }
  configure(files)
  t.match(await check(), { code: 0, stderr: '' })
  t.notMatch(await doctor(), /others may read/)
  for (const [name, file] of Object.entries({ codeFile: code, passwordFile: password, keyFile: key })) {
    chmodSync(file, 0o640)
    const told = new RegExp(`mqtt.${name} ${file}: others may read it \\(mode 640\\); chmod 600`)
    const checked = await check()
    t.match(checked, { code: 0, stderr: told })
    t.equal(checked.stderr.trim().split('\n').length, 1)
    t.match(await doctor(), /FAULT mqtt .*others may read it \(mode 640\) → chmod 600/)
    chmodSync(file, 0o600)
  }

  chmodSync(code, 0o644)
  configure({ url: 'mqtt://127.0.0.1:1', codeFile: code })
  const appliance = startAppliance(t, home)
  await until('it is said', () => /warn .*mqtt.codeFile .*others may read it/.test(appliance.log()))
  await until('the door is guarded all the same', () => /guarding the door/.test(appliance.log()))
  await appliance.stop()
})

t.test('an export replaces no file unasked, and takes no key that others know', async (t) => {
  const home = makeHome(t)
  const store = await open(t, join(home.folder, 'facelatch.db'))
  await store.enrol('Ann', [template('m', 1, 2)], [])
  await store.close()
  const [key, archive] = [join(home.folder, 'key'), join(home.folder, 'people')]
  writeFileSync(key, 'a secret of some length', { mode: 0o644 })
  const run = (...more: string[]) =>
    facelatch(['people', 'export', archive, '--key', key, '--config', home.config, ...more])
  t.match(await run(), { code: 1, stderr: /the key .*: others may read it \(mode 644\); chmod 600/ })
  chmodSync(key, 0o600)
  t.match(await run(), { code: 0 })
  const before = readFileSync(archive)
  t.match(await run(), { code: 1, stderr: /people is there already; give another name, or --force to replace it/ })
  t.same(readFileSync(archive), before)
  t.match(await run('--force'), { code: 0 })
  t.notSame(readFileSync(archive), before)
})

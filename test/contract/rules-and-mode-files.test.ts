/** The two files behind the access rules, on a real disk: one that people write at any time, one that must outlive a power cut. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openModeFile } from '../../firmware/adapters/mode-file.js'
import { rulesFile } from '../../firmware/adapters/rules-file.js'
import type { RulesText } from '../../firmware/ports.js'
import { memoryLog, temporaryDirectory, until } from '../support/temp.js'

const said = (file: RulesText | undefined) => (file === undefined ? '' : 'text' in file ? file.text : file.problem)

t.test('a rules file is told once after each change, when it is still', async (t) => {
  const path = join(temporaryDirectory(t), 'rules.json')
  const file = rulesFile(path)
  t.match(said(await file.read()), /rules.json cannot be read \(ENOENT\); correct access.rulesFile/)
  const told: RulesText[] = []
  t.teardown(file.follow((now) => told.push(now)))

  writeFileSync(path, '{"half":')
  for (let i = 0; i < 12; i++) {
    await sleep(100)
    writeFileSync(path, `{"half":${i}`)
  }
  writeFileSync(path, '{"whole":1}')
  await until('it is told', () => told.length > 0)
  t.same(told.map(said), ['{"whole":1}'], 'nothing of what was half written')

  writeFileSync(`${path}.new`, '{"whole":2}')
  renameSync(`${path}.new`, path)
  await until('the replaced file is told', () => said(told.at(-1)) === '{"whole":2}')
  t.not((told[0] as { digest: string }).digest, (told[1] as { digest: string }).digest)
  writeFileSync(path, Buffer.from([0x22, 0xff, 0x22]))
  await until('a file that is no text is a problem', () => /cannot be read/.test(said(told.at(-1))))
  writeFileSync(path, 'x'.repeat((1 << 20) + 1))
  await until('a file that is too long is a problem', () => /more than 1048576 bytes/.test(said(told.at(-1))))
  rmSync(path)
  await until('a file that is gone is a problem', () => /ENOENT/.test(said(told.at(-1))))
  await sleep(1200)
  t.equal(told.length, 5, 'and each only once')
})

t.test('the mode is kept, and a damaged file counts as lockdown', async (t) => {
  const path = join(temporaryDirectory(t), 'deep', 'mode')
  mkdirSync(dirname(path))
  const log = memoryLog()
  const first = openModeFile(path, log)
  t.equal(first.kept, 'normal', 'of a door that was never told')
  first.keep('lockdown')
  t.equal(openModeFile(path, log).kept, 'lockdown')
  first.keep('normal')
  t.equal(openModeFile(path, log).kept, 'normal')
  t.same(readdirSync(join(path, '..')), ['mode'], 'nothing is left beside it')
  t.equal(readFileSync(path, 'utf8'), 'normal\n')
  t.same(log.lines, [])
  for (const damage of ['', 'lock', '\0\0\0\0\0\0']) {
    writeFileSync(path, damage)
    t.equal(openModeFile(path, log).kept, 'lockdown', JSON.stringify(damage))
  }
  t.match(log.lines[0], /error: .*damaged: the door starts in lockdown; set the mode anew/)
})

t.test('a mode in a folder that is missing counts as lockdown until it can be read', async (t) => {
  const path = join(temporaryDirectory(t), 'unmounted', 'mode')
  const log = memoryLog()
  const [mode, other] = [openModeFile(path, log), openModeFile(path, log)]
  t.equal(mode.kept, 'lockdown')
  t.match(log.lines[0], /error: .*cannot be read: the door starts in lockdown; set the mode anew/)
  t.equal(mode.late(), undefined)
  t.throws(() => other.keep('lockdown'), /ENOENT/, 'and no folder is made for it')
  mkdirSync(dirname(path))
  writeFileSync(path, 'normal\n')
  t.equal(mode.late(), 'normal')
  t.equal(mode.late(), undefined, 'once')
  t.equal(other.late(), undefined, 'nor over what was set meanwhile')
})

t.test(
  'a mode that cannot be kept is an error',
  { skip: process.getuid?.() === 0 && 'root may write anywhere' },
  async (t) => {
    const folder = temporaryDirectory(t)
    chmodSync(folder, 0o500)
    t.throws(() => openModeFile(join(folder, 'mode'), memoryLog()).keep('lockdown'), /EACCES/)
  },
)

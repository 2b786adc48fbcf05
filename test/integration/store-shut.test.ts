/** A store whose file or folder is another user's, or whose folder is not there: the door is guarded, and takes it later. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cli, facelatch, makeHome, startAppliance } from '../support/appliance.js'
import { run } from '../support/child.js'
import { open, template } from '../support/database.js'
import { temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(600_000)

/** Permissions bind nobody who may override them; another user might not even be able to read this checkout. */
const bound = ['setpriv', '--bounding-set=-dac_override,-dac_read_search']
const skip = (() => {
  if (process.getuid!() !== 0) return 'only root may give files away'
  try {
    execFileSync(bound[0]!, [...bound.slice(1), 'true'], { stdio: 'ignore' })
    return false
  } catch {
    return 'this machine lets nobody drop capabilities'
  }
})()

const plain = { env: { ...process.env, NODE_OPTIONS: '' } }
function noMounts(): string | false {
  const { status } = spawnSync('unshare', ['--mount', 'mount', '--bind', '/etc/hostname', '/etc/fstab'], {
    stdio: 'ignore',
  })
  return status === 0 ? false : 'nothing can be mounted over /etc/fstab here'
}

const nobody = 65_534
const give = (folder: string, to: number) => {
  for (const name of readdirSync(folder)) if (name.startsWith('facelatch.db')) chownSync(join(folder, name), to, to)
}

const cases: Record<string, { spoil(state: string): void; mend(state: string): void; said: RegExp }> = {
  'whose files are not its own': {
    spoil: (state) => give(state, nobody),
    mend: (state) => give(state, 0),
    said: /facelatch\.db: cannot be .*let this user write the file/,
  },
  'whose folder is not its own': {
    spoil: (state) => chownSync(state, nobody, nobody),
    mend: (state) => chownSync(state, 0, 0),
    said: /facelatch\.db: cannot be .*let this user write the file/,
  },
  'whose folder is missing': {
    spoil: (state) => renameSync(state, `${state}.away`),
    mend: (state) => renameSync(`${state}.away`, state),
    said: /facelatch\.db: its folder \S+\/state is missing: create it, or mount the disk that it is on/,
  },
}

for (const [what, { spoil, mend, said }] of Object.entries(cases))
  t.test(`a store ${what}`, { skip }, async (t) => {
    const state = join(temporaryDirectory(t), 'state')
    const home = makeHome(t, { store: { path: join(state, 'facelatch.db') } })
    const store = await open(t, join(state, 'facelatch.db'))
    await store.enrol('Ada', [template('m', 1, 2)], [{ type: 'enrolled', person: 'Ada' }])
    await store.close()
    writeFileSync(join(state, 'facelatch.db.mode'), 'normal\n', { mode: 0o600 })
    spoil(state)
    const appliance = startAppliance(t, home, bound)
    await until('the door is guarded', () => {
      if (appliance.process.exitCode !== null) throw new Error(appliance.log())
      return /guarding the door/.test(appliance.log())
    })
    t.match(appliance.log(), said)
    await appliance.input('exit', 1)
    await appliance.input('exit', 0)
    await until('the exit button opens', () => appliance.lines('lock').some(({ value }) => value === 1))
    if (/missing/.test(what)) t.notOk(existsSync(state), 'nothing was made where another disk may come')
    mend(state)
    await until('the store is taken', () => /the store is open/.test(appliance.log()))
    await until('what happened meanwhile is kept', async () =>
      (await appliance.events()).some(({ type }) => type === 'exit'),
    )
    const events = await appliance.events()
    t.match(events[0], { type: 'enrolled', person: 'Ada' }, 'in the store that was there')
    t.notOk(events.some(({ type }) => type === 'store_replaced'))
    await until('its mode is taken as well', async () =>
      (await appliance.events()).some(
        ({ type, mode, by }) => type === 'mode_changed' && mode === 'normal' && by === 'kept',
      ),
    )
    await appliance.stop()
  })

t.test('a store whose disk is not mounted', { skip: skip || noMounts() }, async (t) => {
  const folder = temporaryDirectory(t)
  const [state, disk, away] = [join(folder, 'the state'), join(folder, 'disk'), join(folder, 'away')]
  const table = join(folder, 'fstab')
  for (const path of [state, disk, away]) mkdirSync(path)
  const home = makeHome(t, { store: { path: join(state, 'facelatch.db') } })
  const on = async (folder: string, person: string) => {
    const store = await open(t, join(folder, 'facelatch.db'))
    await store.enrol(person, [template('m', 1, 2)], [{ type: 'enrolled', person }])
    await store.close()
  }
  await on(disk, 'Ada')
  await on(state, 'Eve, who was removed since the disk came')
  writeFileSync(join(disk, 'facelatch.db.mode'), 'lockdown\n', { mode: 0o600 })
  writeFileSync(join(state, 'facelatch.db.mode'), 'normal\n', { mode: 0o600 })
  writeFileSync(table, `# a disk\nUUID=1-2 ${state.replace(' ', '\\040')} ext4 noatime,nofail 0 2\n`)
  const own = ['unshare', '--mount', 'sh', '-c', `mount --bind ${table} /etc/fstab && exec "$@"`, '-']
  const before = readFileSync(join(state, 'facelatch.db'))
  const appliance = startAppliance(t, home, own)
  await until('the door is guarded', () => /guarding the door/.test(appliance.log()))
  t.match(appliance.log(), /state is in \/etc\/fstab, and nothing is mounted there: mount it, then: systemctl restart/)
  t.match(appliance.log(), /starts in lockdown/)
  await appliance.input('exit', 1)
  await appliance.input('exit', 0)
  await until('the exit button opens', () => appliance.lines('lock').some(({ value }) => value === 1))
  for (const command of [['people', 'list'], ['doctor'], ['people', 'remove', 'Eve'], ['store', 'restore']]) {
    const { code, stdout, stderr } = await run(
      own[0]!,
      [...own.slice(1), process.execPath, cli, ...command, '--config', home.config],
      plain,
    )
    t.equal(code, 1)
    t.match(stdout + stderr, /state is in \/etc\/fstab, and nothing is mounted there/, command.join(' '))
  }
  t.same(readFileSync(join(state, 'facelatch.db')), before, 'what lies in its place is not touched')
  const mount = `mount -t tmpfs none ${away} && cp -a ${disk}/. ${away} && mount --move ${away} '${state}'`
  const beside = ['--mount', '--target', String(appliance.process.pid)]
  execFileSync('nsenter', [...beside, 'sh', '-c', mount])
  await until('the store is taken', () => /the store is open/.test(appliance.log()))
  const list = ['people', 'list', '--config', home.config]
  const { stdout } = await run('nsenter', [...beside, process.execPath, cli, ...list], plain)
  t.match(stdout, /^Ada/)
  t.notMatch(stdout, /Eve/)
  await appliance.stop()
})

t.test('a command without its folder is one line, as before', async (t) => {
  const home = makeHome(t, { store: { path: join(temporaryDirectory(t), 'none', 'facelatch.db') } })
  for (const command of [['people', 'list'], ['events'], ['backup']])
    t.match(await facelatch([...command, '--config', home.config]), {
      code: 1,
      stderr: /^[^\n]*there is no store at \S+; check store\.path\n$/,
    })
})

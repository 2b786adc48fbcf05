/** A store whose file or folder is another user's, or whose folder is not there: the door is guarded, and takes it later. */
import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, makeHome, startAppliance } from '../support/appliance.js'
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

t.test('a command without its folder is one line, as before', async (t) => {
  const home = makeHome(t, { store: { path: join(temporaryDirectory(t), 'none', 'facelatch.db') } })
  for (const command of [['people', 'list'], ['events'], ['backup']])
    t.match(await facelatch([...command, '--config', home.config]), {
      code: 1,
      stderr: /^[^\n]*there is no store at \S+; check store\.path\n$/,
    })
})

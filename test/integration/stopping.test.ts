import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, makeHome, recognizersOf, startAppliance } from '../support/appliance.js'
import { until } from '../support/temp.js'

t.setTimeout(900_000)

const alive = (pid: number) =>
  existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)
  t.test(`${signal} in mid-unlock lets the strike go`, async (t) => {
    const home = makeHome(t, { door: { strikeSeconds: 60 } })
    const appliance = startAppliance(t, home)
    await until('the door is guarded', () => appliance.log().includes('guarding the door'))
    await appliance.input('exit', 1)
    t.equal(appliance.lines('lock').at(-1)?.value, 1)
    const exited = new Promise((resolve) => appliance.process.once('exit', (code) => resolve(code)))
    appliance.process.kill(signal)
    appliance.process.kill(signal)
    t.equal(await exited, 0)
    t.equal(appliance.lines('lock').at(-1)?.value, 0)
    t.equal((await appliance.events()).at(-1)?.type, 'stopped', 'and says so')
  })

t.test('a signal in mid-start leaves no recognizer behind', async (t) => {
  for (const wait of [0, 100, 200, 300, 400, 600]) {
    const appliance = startAppliance(t, makeHome(t))
    await new Promise((resolve) => setTimeout(resolve, wait))
    const seen = recognizersOf(appliance)
    await appliance.stop()
    await until('its recognizer is gone', () => !seen.some(alive))
  }
  const appliance = startAppliance(t, makeHome(t))
  await until('a recognizer is forked', () => recognizersOf(appliance).length > 0)
  const [recognizer] = recognizersOf(appliance)
  await appliance.stop('SIGKILL')
  await until('it ends by itself', () => !alive(recognizer!))
  t.notOk(alive(recognizer!), 'also when it was still starting')
})

t.test('two supervisors do not share a store', async (t) => {
  const home = makeHome(t)
  const first = startAppliance(t, home)
  await until('the door is guarded', () => first.log().includes('guarding the door'))
  const other = makeHome(t, { store: { path: join(home.folder, '.', 'facelatch.db') } })
  const { code, stderr } = await facelatch(['run', '--config', other.config])
  t.equal(code, 1)
  t.match(stderr, /in use by another facelatch/)
  await first.stop()
  const second = startAppliance(t, other)
  await until('the store is free again', () => second.log().includes('guarding the door'))
  await second.stop()
})

t.test('events that cannot be kept are counted, and the exit code says so', async (t) => {
  const home = makeHome(t)
  const appliance = startAppliance(t, home)
  await until('the door is guarded', () => appliance.log().includes('recognizer_ready'))
  renameSync(join(home.folder, 'facelatch.db'), join(home.folder, 'gone.db'))
  await appliance.input('exit', 1)
  t.equal(appliance.lines('lock').at(-1)?.value, 1, 'the exit button works without a store')
  const exited = new Promise((resolve) => appliance.process.once('exit', (code) => resolve(code)))
  appliance.process.kill('SIGTERM')
  t.equal(await exited, 1)
  t.match(appliance.log(), /3 events could not be kept and are lost/)
})

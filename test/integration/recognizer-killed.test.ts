import t from 'tap'
import { clip, facelatch, makeHome, recognizersOf, startAppliance } from '../support/appliance.js'
import { alive } from '../support/child.js'
import { until } from '../support/temp.js'

t.setTimeout(900_000)

t.test('a killed recognizer comes back, and the exit button works meanwhile', async (t) => {
  const home = makeHome(t, { camera: { source: `file:${clip('franck')}`, loop: true }, door: { strikeSeconds: 1 } })
  const appliance = startAppliance(t, home)
  await until('the recognizer is ready', () => appliance.log().includes('recognizer_ready'))
  await until('a stranger is told', () => appliance.log().includes('unknown'))
  const [victim] = recognizersOf(appliance)
  t.ok(victim, 'the recognizer is a process of its own')

  process.kill(victim!, 'SIGKILL')
  const killedAt = Date.now()
  await until('it is gone', () => !recognizersOf(appliance).includes(victim!))
  t.equal(await appliance.input('exit', 1), '{"ok":true}', 'the exit button is pressed while nobody recognizes')
  t.equal(appliance.lines('lock').at(-1)?.value, 1, 'the strike is powered at once')
  await until('another recognizer is ready', () => appliance.log().split('recognizer_ready').length > 2)
  t.comment(`ready again ${Date.now() - killedAt} ms after the kill`)
  t.not(recognizersOf(appliance)[0], victim)
  await until('the strike lets go', () => appliance.lines('lock').at(-1)?.value === 0)
  await appliance.input('exit', 0)
  await until('the stranger is told again', () => appliance.log().split('unknown').length > 2)
  await appliance.stop()

  const types = (await appliance.events()).map(({ type }) => type)
  t.match(
    types,
    ['started', 'recognizer_ready', 'unknown', 'recognizer_lost', 'exit', 'recognizer_ready', 'unknown', 'stopped'],
    'the kill is an event, and none is lost',
  )
  const { code, stdout } = await facelatch(['events', '--verify', '--config', home.config])
  t.equal(code, 0, stdout)
})

t.test('a recognizer that hangs is killed and started again', async (t) => {
  const home = makeHome(t, { recognizer: { heartbeatSeconds: 3 } })
  const appliance = startAppliance(t, home)
  await until('the recognizer is ready', () => appliance.log().includes('recognizer_ready'))
  const [victim] = recognizersOf(appliance)
  process.kill(victim!, 'SIGSTOP')
  await until('another one is ready', () => appliance.log().split('recognizer_ready').length > 2)
  t.not(recognizersOf(appliance)[0], victim)
  t.match(appliance.log(), /recognizer_lost.*SIGKILL/)
  await appliance.stop()
})

t.test('no recognizer outlives its supervisor', async (t) => {
  const appliance = startAppliance(t, makeHome(t))
  await until('the recognizer is ready', () => appliance.log().includes('recognizer_ready'))
  const [recognizer] = recognizersOf(appliance)
  await appliance.stop('SIGKILL')
  await until('it is gone', () => !alive(recognizer!))
  t.notOk(alive(recognizer!))
})

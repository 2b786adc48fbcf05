/** What people see of a door that they do not log in to: one screen, metrics, and what is left of a crash. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { claimExclusively } from '../../firmware/adapters/claim-socket.js'
import { crashReports } from '../../firmware/adapters/crash-reports.js'
import { clip, facelatch, makeHome, startAppliance } from '../support/appliance.js'
import { until } from '../support/temp.js'

t.setTimeout(300_000)

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

const fetchText = (port: number, path = '/metrics', host = `127.0.0.1:${port}`) =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, text }))
    })
      .on('error', reject)
      .end()
  })

t.test('status, metrics, and a crash that names nobody', async (t) => {
  const port = await freePort()
  const home = makeHome(t, {
    device: { id: 'test', name: 'Side door' },
    camera: { source: `file:${clip('cap12_edit')}`, loop: true },
    metrics: { port },
    enrolment: { admins: ['Quirinalia'] },
  })
  const own = ['--config', home.config]
  t.match(await facelatch(['status', ...own]), { code: 1, stdout: '', stderr: /no facelatch runs with the store/ })
  const claim = await claimExclusively(join(home.folder, 'facelatch.db'))
  t.match(await facelatch(['status', ...own]), {
    code: 1,
    stderr: /a facelatch runs with the store .* does not answer/,
  })
  await claim.release()

  const source = ['--camera', '--source', `file:${clip('cap12_edit')}`, '--seconds', '3']
  t.equal((await facelatch(['people', 'add', 'Quirinalia', ...source, ...own])).code, 0)
  const appliance = startAppliance(t, home)
  await until('she is let in', async () => /granted/.test((await facelatch(['status', ...own])).stdout))
  await until('she is counted', async () =>
    /"recognisable":1/.test((await facelatch(['status', '--json', ...own])).stdout),
  )
  const seen = await facelatch(['status', ...own])
  t.equal(seen.code, 0, seen.stdout)
  t.match(seen.stdout, /^facelatch +\d.* Side door +pid \d+ +up \d+ s\ndoor /)
  t.match(seen.stdout, /latest .*granted +Quirinalia/s)
  t.match(seen.stdout, /problems +none/)
  t.equal(statSync(join(home.folder, 'facelatch.db.status')).mode & 0o777, 0o600, 'for its own user alone')

  const { status, text } = await fetchText(port)
  t.equal(status, 200)
  t.match(text, /^# TYPE facelatch_events_total counter$/m)
  t.match(text, /^facelatch_events_total\{type="granted"\} [1-9]/m)
  t.match(text, /^facelatch_people 1$/m)
  t.match(text, /^facelatch_people_recognisable 1$/m)
  t.match(text, /^facelatch_store_problems 0$/m)
  t.match(text, /^facelatch_camera_live 1$/m)
  t.notMatch(text, /Quirinalia/, 'no name')
  t.equal((await fetchText(port, '/metrics', 'door.example')).status, 403, 'not under another name')
  t.equal((await fetchText(port, '/')).status, 404)

  const { topics } = JSON.parse((await facelatch(['status', '--json', ...own])).stdout)
  process.kill(topics.health.supervisor.recognizerPid, 'SIGSEGV')
  const folder = join(home.folder, 'crashes')
  await until('there is a report', async () => crashReports(folder).length > 0)
  const report = readFileSync(crashReports(folder)[0]!.path, 'utf8')
  t.match(JSON.parse(report), { part: 'recognizer', reason: 'killed by SIGSEGV', account: { device: { id: 'test' } } })
  t.notMatch(report, /Quirinalia|"embedding"|"templates"/)
  t.match((await facelatch(['doctor', ...own])).stdout, /note +crash +the recognizer died at .*SIGSEGV; 1 such/)

  await appliance.stop('SIGKILL')
  t.match(
    await facelatch(['status', ...own]),
    { code: 1, stderr: /no facelatch runs/ },
    'a socket left over is no door',
  )
  const again = startAppliance(t, home)
  await until('it runs again', async () => (await facelatch(['status', ...own])).stdout !== '')
  const starts = (await again.events()).filter(({ type }) => type === 'started')
  t.notOk(starts[0]?.after)
  t.equal(starts[1]?.after, 'killed')
  await again.stop()
  t.notOk(
    readdirSync(home.folder).some((name) => /running|status/.test(name)),
    'an orderly end leaves nothing',
  )
})

t.test('a problem is on the screen; a port that is taken stops no door', async (t) => {
  const port = await freePort()
  const taken = createServer().listen(port, '127.0.0.1')
  t.teardown(() => taken.close())
  const home = makeHome(t, { mqtt: { url: 'mqtt://127.0.0.1:1' }, metrics: { port } })
  const appliance = startAppliance(t, home)
  const own = ['--config', home.config]
  await until('it runs', async () => (await facelatch(['status', ...own])).stdout !== '')
  t.match(await facelatch(['status', ...own]), {
    code: 1,
    stdout: /PROBLEMS +no connection to the broker 127\.0\.0\.1:1/,
  })
  t.match(appliance.log(), /metrics\.port \d+ cannot be served \(EADDRINUSE\)/)
  await appliance.input('exit', 1)
  await until('the exit button opens', () => appliance.lines('lock').some(({ value }) => value === 1))
  await appliance.stop()
})

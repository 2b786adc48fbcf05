/** What doctor says of the helper that restarts for the camera what the service may not. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, makeHome } from '../support/appliance.js'
import { simulateHost } from '../support/host.js'
import { type Owner, temporaryDirectory } from '../support/temp.js'

const said = async (t: Owner, host: object, camera: object = { source: 'csi:0' }) => {
  const home = makeHome(t, { camera, host, recognizer: { models: '/nowhere' } })
  const { stdout } = await facelatch(['doctor', '--json', '--config', home.config])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((row) => JSON.parse(row) as { check: string; level: string; what: string; remedy?: string })
    .filter(({ check }) => check === 'host')
}

t.test('a helper that answers', async (t) => {
  const host = simulateHost(t, () => undefined)
  t.match(await said(t, host.folders), [{ level: 'ok', what: /answers: restarting nvargus-daemon for/ }])
  t.same(host.asked, ['ping'], 'and nothing was restarted')
  const reboots = { source: 'v4l2:/dev/video9', rebootMinutes: 10 }
  t.match(await said(t, host.folders, reboots), [{ what: /binding the USB device anew, rebooting/ }])
})

t.test('one that says no, one that is deaf, and none', async (t) => {
  const refusing = simulateHost(t, () => 'it has no rights')
  t.match(await said(t, refusing.folders), [{ level: 'fault', what: /it has no rights/, remedy: /systemctl status/ }])
  const requests = join(temporaryDirectory(t), 'requests')
  mkdirSync(requests)
  const deaf = { requests, answers: requests }
  t.match(await said(t, deaf), [{ level: 'fault', what: /no answer within 10 s/, remedy: /enable --now/ }])
  t.match(await said(t, { requests: '/nowhere', answers: '/nowhere' }), [
    { level: 'note', what: /\/nowhere is missing/ },
  ])
})

t.test('nobody is asked where nobody would be', async (t) => {
  const host = simulateHost(t, () => undefined)
  t.same(await said(t, host.folders, { source: 'rtsp://127.0.0.1/door' }), [])
  t.same(await said(t, host.folders, { source: 'v4l2:/dev/video9', recovery: 'reopen' }), [])
  t.same(host.asked, [])
})

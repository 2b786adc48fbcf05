/** A hundred seeded faults of two doors' cameras (`npm run test:chaos` plays a thousand), and what a storm does not reach. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { clip, facelatch, makeHome, recognizersOf, startAppliance } from '../support/appliance.js'
import { cameraStorm } from '../support/camera-storm.js'
import { FailingCamera } from '../support/failing-camera.js'
import { simulateHost } from '../support/host.js'
import { temporaryDirectory, until } from '../support/temp.js'

t.setTimeout(290_000)
t.jobs = 2
for (const seed of [1, 2]) t.test(`fifty faults of a camera, seed ${seed}`, (t) => cameraStorm(t, { rounds: 50, seed }))

t.test('the ladder goes on where it was when the recognizer is killed, and when the supervisor is', async (t) => {
  const camera = await FailingCamera.start(t)
  camera.usually({ kind: 'silent' })
  let helps = false
  const host = simulateHost(t, () => {
    if (helps) camera.usually({ kind: 'well' })
    return helps ? undefined : 'not now'
  })
  const home = makeHome(t, {
    camera: { source: camera.source, recovery: 'nvargus', openSeconds: 1 },
    host: host.folders,
  })
  const first = startAppliance(t, home)
  await until('it was opened', () => camera.opened > 0)
  const [victim] = recognizersOf(first)
  process.kill(victim!, 'SIGKILL')
  await until('the daemon is asked to restart', () => host.asked.length === 1)
  t.not(recognizersOf(first)[0], victim)
  t.ok(camera.opened <= 3, `${camera.opened} openings before it, the one that was killed among them`)
  await until('it is told why it was not', () => /camera_step.*not now/.test(first.log()))
  await first.stop('SIGKILL')

  helps = true
  const [before, opened] = [host.asked.length, camera.opened]
  const second = startAppliance(t, home)
  await until('the camera is well', () => /camera_restored/.test(second.log()))
  t.equal(host.asked.length, before + 1, 'one more restart, and it helped')
  t.ok(camera.opened - opened <= 2, 'no rung was climbed again')
  t.equal(await second.input('exit', 1), '{"ok":true}')
  t.equal(second.lines('lock').at(-1)?.value, 1)
  await second.stop()
})

t.test('a camera that is not plugged in is waited for, and tried when it is', async (t) => {
  const device = join(temporaryDirectory(t), 'video0')
  const appliance = startAppliance(t, makeHome(t, { camera: { source: `v4l2:${device}` } }))
  await until('it is missed', () => /camera_fault.*kind.*absent/.test(appliance.log()))
  const before = appliance.log().length
  await new Promise((resolve) => setTimeout(resolve, 1500))
  t.equal(
    appliance
      .log()
      .slice(before)
      .match(/camera/),
    null,
    'and nothing is tried in vain',
  )
  writeFileSync(device, 'no camera, but there')
  await until('it is tried', () => /camera_fault.*not a device/.test(appliance.log()))
  await appliance.stop()
})

t.test('a camera that is frozen on a known man lets him in no more, however often it is opened', async (t) => {
  const film = clip('cap13_edit2')
  const shown = `gst:filesrc location=${film} ! decodebin ! videoconvert ! video/x-raw,format=RGB`
  const door = async (source: string) => {
    const home = makeHome(t, { camera: { source, frozenSeconds: 1, steadySeconds: 0.2 } })
    const from = ['--camera', '--seconds', '3', '--source', `file:${film}`]
    const { code, stderr } = await facelatch(['people', 'add', 'Alex', ...from, '--config', home.config])
    t.equal(code, 0, stderr)
    return startAppliance(t, home)
  }
  const moving = await door(shown)
  await until('he is let in while he moves', () => moving.log().includes('granted'), 60)
  await moving.stop()
  const still = await door(`${shown} ! imagefreeze is-live=true ! video/x-raw,framerate=15/1`)
  await until('it was opened three times', () => still.log().split('camera_restored').length > 3, 60)
  t.match(still.log(), /camera_fault.*frozen/)
  t.notOk(
    still.lines('lock').some(({ value }) => value === 1),
    'the strike was never powered',
  )
  await still.stop()
})

t.test(
  'a disk that takes nothing keeps no daemon from being restarted, but the machine from being rebooted',
  async (t) => {
    const door = async (settings: object) => {
      const host = simulateHost(t, () => undefined)
      const home = makeHome(t, { camera: settings, host: host.folders })
      mkdirSync(join(home.folder, 'facelatch.db.camera.new'))
      return { host, appliance: startAppliance(t, home) }
    }
    const camera = await FailingCamera.start(t)
    camera.usually({ kind: 'silent' })
    const daemon = await door({ source: camera.source, recovery: 'nvargus', openSeconds: 0.5 })
    await until('the daemon is asked to restart', () => daemon.host.asked.includes('nvargus-restart'), 60)
    t.match(daemon.appliance.log(), /not kept: EISDIR/)
    await daemon.appliance.stop()
    if (uptime() < 600) return
    const machine = await door({ source: hopeless, rebootMinutes: 10 })
    await until('it is told why not', () => /camera_step.*not asked/.test(machine.appliance.log()), 60)
    t.same(machine.host.asked, [])
    await machine.appliance.stop()
  },
)

t.test('a disk that hangs holds up the ladder, and not the exit button', async (t) => {
  const camera = await FailingCamera.start(t)
  camera.usually({ kind: 'silent' })
  const host = simulateHost(t, () => undefined)
  const settings = { source: camera.source, recovery: 'nvargus', openSeconds: 0.5 }
  const home = makeHome(t, { camera: settings, host: host.folders, door: { strikeSeconds: 0.2, guardSeconds: 1 } })
  // Whoever writes into a pipe that nobody reads waits, as for a card that has stopped answering.
  const pipe = join(home.folder, 'facelatch.db.camera.new')
  execFileSync('mkfifo', [pipe])
  const appliance = startAppliance(t, home)
  const strikes = () => appliance.lines('lock').filter(({ value }) => value === 1).length
  await until('the door is guarded', () => appliance.log().includes('guarding the door'))
  for (let presses = 0; presses === 0 || host.asked.length === 0; presses++) {
    const before = strikes()
    t.equal(await appliance.input('exit', 1), '{"ok":true}')
    await until('the strike is powered', () => strikes() > before, 5)
    await appliance.input('exit', 0)
    await until('it is let go', () => appliance.lines('lock').at(-1)?.value === 0, 5)
    if (presses > 100) throw new Error('the ladder does not go on')
  }
  t.equal(appliance.process.exitCode ?? appliance.process.signalCode, null)
  t.match(appliance.log(), /not kept: .* was not written within/)
  closeSync(openSync(pipe, 'r+'))
  await appliance.stop('SIGKILL')
})

t.test("a camera's password stands in no log and no event", async (t) => {
  for (const source of [
    'rtsp://eve:hush@127.0.0.1:9/door',
    'rtsp://127.0.0.1:9/user=eve&password=hush&channel=1',
    'gst:rtspsrc location=rtsp://127.0.0.1:9/door user-id=eve user-pw=hush ! decodebin',
  ]) {
    const appliance = startAppliance(t, makeHome(t, { camera: { source } }))
    await until('it has failed', () => /camera_fault/.test(appliance.log()), 60)
    await appliance.stop()
    t.match(appliance.log(), /guarding the door/)
    t.notMatch(appliance.log(), /hush/, source)
    t.notMatch(JSON.stringify(await appliance.events()), /hush/)
  }
})

/** The element that fails is called what JetPack 6.2 prints when only a reboot helps. */
const hopeless =
  'gst:videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=30/1 ! identity error-after=5 name="NvBufSurfaceFromFd Failed"'

t.test(
  'a reboot is asked for once, and a supervisor that is started again remembers it',
  {
    skip: uptime() < 600 && 'this machine was booted less than ten minutes ago',
  },
  async (t) => {
    const host = simulateHost(t, () => undefined)
    const camera = { source: hopeless, rebootMinutes: 10 }
    const home = makeHome(t, { camera, host: host.folders })
    const first = startAppliance(t, home)
    await until('a reboot is asked for', () => host.asked.length > 0)
    t.same(host.asked, ['reboot'])
    t.equal(first.log().match(/camera_step.*client/g)?.length, 2, 'after two openings')
    const kept = JSON.parse(readFileSync(join(home.folder, 'facelatch.db.camera'), 'utf8'))
    t.match(kept, { reboot: { inRow: 1 } }, 'it was kept before it was asked')
    t.match(kept.boot, /^[0-9a-f-]{36}$/)
    t.equal(await first.input('exit', 1), '{"ok":true}')
    t.equal(first.lines('lock').at(-1)?.value, 1, 'the door works while the machine goes down')
    await first.stop('SIGKILL')

    const second = startAppliance(t, home)
    await until('it backs off instead', () => /camera_step.*back_off/.test(second.log()))
    t.same(host.asked, ['reboot'])
    await second.stop()

    const without = makeHome(t, { camera: { source: hopeless }, host: host.folders })
    const third = startAppliance(t, without)
    await until('it backs off', () => /camera_step.*back_off/.test(third.log()))
    t.same(host.asked, ['reboot'], 'none where nobody wants it')
    await third.stop()
  },
)

/**
 * The way from the supervisor to a helper with more rights: the adapter that asks, and systemd/host-request that does it,
 * run by a real sh. Only `systemctl` and the kernel's folders stand in for a machine's; test/hardware has a real systemd.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openCameraHost } from '../../firmware/adapters/camera-host-systemd.js'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { root } from '../support/appliance.js'
import { memoryLog, type Owner, temporaryDirectory, until } from '../support/temp.js'

const script = join(root, 'systemd/host-request')

function makeHost(t: Owner, { systemctl = '', uptime = 5000, clock = systemClock } = {}) {
  const folder = temporaryDirectory(t)
  const at = (path: string) => join(folder, path)
  for (const path of ['requests', 'answers', 'bin', 'proc/sys/kernel/random', 'sys'])
    mkdirSync(at(path), { recursive: true })
  // It notes what it was told; `systemctl` of the test may answer otherwise.
  const stand = `#!/bin/sh\necho "$*" >>${at('told')}\n${systemctl}\ncase "$1" in start) touch ${at('started')} ;; esac\nexit 0\n`
  writeFileSync(at('bin/systemctl'), stand, { mode: 0o755 })
  writeFileSync(at('proc/uptime'), `${uptime}.17 9999.00\n`)
  writeFileSync(at('proc/sys/kernel/random/boot_id'), 'c0ffee\n')
  const socket = at('argus_socket')
  const variables = {
    PATH: `${at('bin')}:${process.env.PATH}`,
    FACELATCH_HOST_REQUESTS: at('requests'),
    FACELATCH_HOST_ANSWERS: at('answers'),
    FACELATCH_HOST_PROC: at('proc'),
    FACELATCH_HOST_SYS: at('sys'),
    FACELATCH_HOST_ARGUS_SOCKET: socket,
    FACELATCH_HOST_PAUSE_SECONDS: '0.2',
  }
  const run = () =>
    new Promise<string>((resolve, reject) =>
      execFile('sh', [script], { env: variables }, (error, _stdout, stderr) =>
        error ? reject(error) : resolve(stderr),
      ),
    )
  const log = memoryLog()
  const camera = (source: string) => {
    const host = openCameraHost({
      ...{ requests: at('requests'), answers: at('answers'), memory: at('memory'), source, clock, log },
      ...{ proc: at('proc'), sys: at('sys') },
    })
    t.teardown(() => host.close())
    return host
  }
  return {
    ...{ folder, at, run, camera, socket, log },
    request: (name: string, content = '') => writeFileSync(at(`requests/${name}`), content),
    answer: (name: string) => (existsSync(at(`answers/${name}`)) ? readFileSync(at(`answers/${name}`), 'utf8') : ''),
    told: () => (existsSync(at('told')) ? readFileSync(at('told'), 'utf8').trim().split('\n') : []),
    /** As a path unit does. */
    async serve(name: string) {
      await until('it is asked', () => existsSync(at(`requests/${name}`)))
      return run()
    },
  }
}

/** A socket where nvargus-daemon makes its own. */
const listening = (socket: string) => `case "$1" in start) ${process.execPath} -e '
  require("net").createServer().listen("${socket}", () => setTimeout(() => process.exit(0), 5000))' >/dev/null 2>&1 & ;; esac`

t.test('the daemon is stopped, cleared, started, and its socket waited for', async (t) => {
  const socket = join(temporaryDirectory(t), 'argus')
  const host = makeHost(t, { systemctl: listening(socket) })
  symlinkSync(socket, host.socket)
  const asked = host.camera('csi:0').ask('nvargus-restart')
  await host.serve('nvargus-restart')
  t.same(await asked, { ok: true })
  const unit = 'nvargus-daemon.service'
  t.same(host.told(), ['daemon-reload', `stop ${unit}`, `reset-failed ${unit}`, `start ${unit}`])
  t.notOk(existsSync(host.at('requests/nvargus-restart')), 'the request is taken')
})

t.test('a daemon that cannot be stopped, and one that makes no socket, are told', async (t) => {
  const held = makeHost(t, { systemctl: 'case "$1" in stop) exit 1 ;; esac' })
  const asked = held.camera('csi:0').ask('nvargus-restart')
  await held.serve('nvargus-restart')
  t.same(await asked, { ok: false, reason: 'nvargus-daemon cannot be stopped' })
  const mute = makeHost(t)
  mute.request('nvargus-restart')
  await mute.run()
  t.match(mute.answer('nvargus-restart'), /^failed: .*no socket within 10 s/)
})

t.test('the same answer twice is two answers', async (t) => {
  const host = makeHost(t)
  const camera = host.camera('csi:0')
  for (let i = 0; i < 3; i++) {
    const asked = camera.ask('reboot')
    await host.serve('reboot')
    t.same(await asked, { ok: true })
  }
  t.same(host.told(), Array(3).fill('--no-block reboot'))
})

t.test('nobody there to ask', async (t) => {
  const host = makeHost(t)
  const lonely = openCameraHost({
    ...{ requests: host.at('nowhere'), answers: host.at('answers'), memory: host.at('memory') },
    ...{ source: 'csi:0', clock: systemClock, log: host.log, proc: host.at('proc') },
  })
  t.match(await lonely.ask('nvargus-restart'), { ok: false, reason: /no helper is installed/ })
  t.match(await host.camera('csi:0').ask('usb-rebind'), { ok: false, reason: /no USB device/ })
})

t.test('a machine that has just booted is not rebooted, whoever asks', async (t) => {
  const host = makeHost(t, { uptime: 599 })
  const asked = host.camera('csi:0').ask('reboot')
  await host.serve('reboot')
  t.match(await asked, { ok: false, reason: /not been up for 600 s/ })
  t.same(host.told(), [])
})

/** A camera on a hub's port, with what the kernel shows of it, and a disk beside it. */
function plug(host: ReturnType<typeof makeHost>) {
  const devices = host.at('sys/bus/usb/devices')
  mkdirSync(host.at('sys/bus/usb/drivers/usb'), { recursive: true })
  for (const [name, kind] of [
    ['1-2.1', '0e'],
    ['1-2.2', '08'],
  ]) {
    const real = host.at(`sys/devices/usb1/1-2/${name}`)
    mkdirSync(join(real, `${name}:1.0`), { recursive: true })
    mkdirSync(join(devices, `${name}:1.0`), { recursive: true })
    symlinkSync(real, join(devices, name!))
    writeFileSync(join(devices, `${name}:1.0/bInterfaceClass`), `${kind}\n`)
  }
  mkdirSync(host.at('sys/class/video4linux/video7'), { recursive: true })
  symlinkSync(host.at('sys/devices/usb1/1-2/1-2.1/1-2.1:1.0'), host.at('sys/class/video4linux/video7/device'))
  writeFileSync(host.at('video7'), '')
  return (order: 'bind' | 'unbind') => {
    const file = host.at(`sys/bus/usb/drivers/usb/${order}`)
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined
  }
}

t.test('the USB device behind a camera is found, unbound and bound', async (t) => {
  const host = makeHost(t)
  const kernel = plug(host)
  symlinkSync(host.at('video7'), host.at('by-id'))
  const asked = host.camera(`v4l2:${host.at('by-id')}`).ask('usb-rebind')
  await host.serve('usb-rebind')
  t.same(await asked, { ok: true })
  t.equal(kernel('unbind'), '1-2.1')
  t.equal(kernel('bind'), '1-2.1')
})

t.test('a camera that was unbound and not bound again is brought back', async (t) => {
  // Seconds pass in no time.
  const clock = { ...systemClock, now: () => systemClock.now() * 40 }
  const host = makeHost(t, { clock })
  const kernel = plug(host)
  const camera = host.camera(`v4l2:${host.at('video7')}`)
  rmSync(host.at('video7'))
  // The kernel takes the interfaces away with the driver.
  rmSync(host.at('sys/bus/usb/devices/1-2.1:1.0'), { recursive: true })
  const found = await new Promise<string>((resolve) => camera.awaitDevice(resolve))
  t.equal(found, 'nodeless', 'plugged in, and waited for in vain')
  const asked = camera.ask('usb-rebind')
  await host.serve('usb-rebind')
  t.same(await asked, { ok: true })
  t.equal(kernel('bind'), '1-2.1')

  rmSync(host.at('sys/bus/usb/devices/1-2.1'))
  let again = 'nothing'
  camera.awaitDevice((found) => {
    again = found
  })
  await sleep(600)
  t.equal(again, 'nothing', 'one that was pulled out is waited for')
  writeFileSync(host.at('video7'), '')
  await until('it is there', () => again === 'there')
})

t.test('nothing but a camera is rebound, and no name leads elsewhere', async (t) => {
  const host = makeHost(t)
  const kernel = plug(host)
  const bad = [
    '1-2.2',
    '1-2.1:1.0',
    'usb1',
    '../1-2.1',
    '1-2.1/../1-2.1',
    '',
    '1-2.1 1-2.2',
    '-1-2',
    '1-',
    '1-2.',
    '1-9',
  ]
  for (const name of [...bad, '$(touch x)', '1-2.1;reboot', '*', '1..2-1', '1.2-1', `1-${'1'.repeat(200)}`]) {
    host.request('usb-rebind', name)
    const said = await host.run()
    t.match(host.answer('usb-rebind'), /^failed: (that|there) /, JSON.stringify(name))
    t.notOk(name.length > 5 && said.includes(name), 'what was asked is not printed')
  }
  t.equal(kernel('unbind'), undefined)
  t.same(host.told(), [])
})

t.test('links, folders, pipes and strange names are no requests', async (t) => {
  const host = makeHost(t)
  plug(host)
  writeFileSync(host.at('secret'), '1-2.1')
  symlinkSync(host.at('secret'), host.at('requests/usb-rebind'))
  mkdirSync(host.at('requests/nvargus-restart'))
  await new Promise((resolve) => execFile('mkfifo', [host.at('requests/reboot')], resolve))
  host.request('halt')
  host.request('reboot;halt')
  await host.run()
  for (const name of ['usb-rebind', 'nvargus-restart', 'reboot'])
    t.equal(host.answer(name), 'failed: a request is a plain file\n')
  t.same(host.told(), [])
  t.equal(readFileSync(host.at('secret'), 'utf8'), '1-2.1')
  t.ok(existsSync(host.at('requests/halt')), 'what it does not know it leaves alone')
})

t.test('what is kept survives, and what is damaged is begun anew', async (t) => {
  const host = makeHost(t)
  const memory = { boot: 'c0ffee', climb: 4, cures: 2, reboot: { boot: 'a', at: 5, inRow: 1 } }
  const first = host.camera('csi:0')
  t.equal(first.boot, 'c0ffee')
  t.equal(first.kept, undefined)
  await first.keep(memory)
  t.same(host.camera('csi:0').kept, memory)
  t.same(host.log.lines, [])
  for (const text of [
    '',
    '{',
    '{"boot":1}',
    '{"boot":"a","climb":-1,"cures":0}',
    '{"boot":"a","climb":1,"cures":0,"reboot":{}}',
  ]) {
    writeFileSync(host.at('memory'), text)
    t.equal(host.camera('csi:0').kept, undefined, text)
  }
  t.match(host.log.lines.at(-1), /begun anew/)
})

t.test('a device that is plugged in is noticed', async (t) => {
  const host = makeHost(t)
  const camera = host.camera(`v4l2:${host.at('video9')}`)
  let there = 0
  camera.awaitDevice(() => there++)
  await sleep(400)
  t.equal(there, 0)
  writeFileSync(host.at('video9'), '')
  await until('it is noticed', () => there > 0)
  t.equal(there, 1)
})

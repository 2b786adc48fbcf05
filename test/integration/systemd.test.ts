/** The units under a real systemd, in a container: what the door can rely on, and what the service cannot do. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { eventWords } from '../../firmware/domain/event-words.js'
import { root } from '../support/appliance.js'
import { alive } from '../support/child.js'
import { bootMachine, descendants, eventually, type Machine, named, nspawnMissing } from '../support/nspawn.js'

// The tree may have to be made first.
t.setTimeout(900_000)

const service = 'facelatch.service'
const settings = {
  device: { id: 'door' },
  camera: { source: 'v4l2:/dev/video9' },
  gpio: { driver: 'simulated' },
  mqtt: { url: '' },
  // Long enough for nothing but the end of the supervisor to end it, and a guard that leaves silence to systemd.
  door: { strikeSeconds: 60, guardSeconds: 60 },
}
const config = (more: object = {}) => JSON.stringify({ ...settings, ...more })
const seeing = {
  camera: { source: 'gst:videotestsrc is-live=true pattern=black ! video/x-raw,width=160,height=120,framerate=5/1' },
}
const secret = {
  'facelatch-key': Buffer.alloc(32, 7).toString('base64'),
  'facelatch-mqtt-password': 'open sesame',
  'facelatch-unlock-code': '4711',
}
const folder = '/etc/facelatch/credentials'
const files = {
  '/usr/bin/facelatch':
    '#!/bin/sh\nexec /usr/lib/facelatch/node/bin/node /usr/lib/facelatch/dist/firmware/cli.js "$@"\n',
  '/etc/facelatch/config.json': config(),
  // A stand-in: as long as it runs, it listens where the real one does.
  '/etc/systemd/system/nvargus-daemon.service': `[Service]
ExecStartPre=/bin/rm -f /tmp/argus_socket
ExecStart=/usr/lib/facelatch/node/bin/node -e 'net.createServer().listen("/tmp/argus_socket")'
[Install]
WantedBy=multi-user.target
`,
  // The pause of a crash loop, shortened in proportion.
  '/etc/systemd/system/facelatch.service.d/test.conf': '[Unit]\nStartLimitIntervalSec=15\n',
  '/etc/systemd/system/facelatch-again.timer.d/test.conf': '[Timer]\nOnActiveSec=\nOnActiveSec=17\n',
}

const restarts = async (machine: Machine) => Number(await machine.property(service, 'NRestarts'))
const active = async (machine: Machine) => (await machine.property(service, 'ActiveState')) === 'active'
/** Guarding, by another process than that. */
const guarded = (machine: Machine, not: number) =>
  eventually('the door is guarded again', async () => {
    const pid = await machine.supervisor()
    return pid !== 0 && pid !== not && (await active(machine))
  })
const levels = (machine: Machine) =>
  machine
    .read('/run/facelatch/gpio.jsonl')
    .trim()
    .split('\n')
    .map((row) => JSON.parse(row) as { line: string; value: number })
/** Lines since the strike went off: the guard's own row, and then those of the next start, which claims every output at rest. */
const restedBy = (machine: Machine) => {
  const rows = levels(machine).map(({ line, value }) => `${line} ${value}`)
  const since = rows.slice(rows.lastIndexOf('lock 1'))
  const own = ['lock 0', 'lock 0', 'led 0', 'buzzer 0'].join()
  return since.slice(since.indexOf('lock 0')).join().startsWith(own) ? 'the guard' : since.join()
}
const press = async (machine: Machine) => {
  const code = `const s = net.connect('/run/facelatch/gpio.sock').on('data', () => s.end())
    for (const value of [1, 0]) s.write(JSON.stringify({ line: 'exit', value }) + '\\n')`
  await machine.said('/usr/lib/facelatch/node/bin/node', '-e', code)
  await eventually('the strike is powered', () => levels(machine).findLast(({ line }) => line === 'lock')?.value === 1)
}
/** Runs something as the service is run: in its mount name space, as its user, without a right. */
const asService = async (machine: Machine, ...command: string[]) => {
  const own = await machine.property(service, 'MainPID')
  const become = [
    'setpriv',
    '--reuid=facelatch',
    '--regid=facelatch',
    '--init-groups',
    '--no-new-privs',
    '--bounding-set=-all',
  ]
  return machine.run('nsenter', '--target', own, '--mount', '--', ...become, ...command)
}
const write = async (machine: Machine, name: string, text: string) => {
  const folder = '/run/facelatch/requests'
  const { code } = await asService(
    machine,
    'sh',
    '-c',
    `printf %s '${text}' >${folder}/.new && mv ${folder}/.new ${folder}/${name}`,
  )
  if (code !== 0) throw new Error(`${name} could not be asked`)
}
/** Asks root, as the service does, and waits for what it answers. */
const ask = async (machine: Machine, name: string, text = '') => {
  const answer = `/run/facelatch-host/answers/${name}`
  await machine.run('rm', '-f', answer)
  await write(machine, name, text)
  await eventually(`${name} is answered`, async () => (await machine.run('test', '-e', answer)).code === 0)
  return machine.read(answer).trim()
}
const inSeconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

t.test('systemd', { skip: nspawnMissing() }, async (t) => {
  const executable = ['/usr/bin/facelatch']
  const credentials = Object.fromEntries(
    Object.entries(secret).map(([name, text]) => [`${folder}/${name}`, `${text}\n`]),
  )
  const machine = await bootMachine(t, { ...files, ...credentials }, executable)

  await t.test('boots into guarding, with a camera that is not there', async (t) => {
    await eventually('the door is guarded', () => active(machine))
    t.comment(`boot to READY: ${inSeconds(systemClock.now() - machine.startedAt)}`)
    t.match(await machine.property(service, 'StatusText'), /^door locked, camera /)
    await press(machine)
    t.pass('the exit button opens')
    const entry = await machine.said(
      'journalctl',
      '-o',
      'cat',
      'FACELATCH_EVENT=started',
      '_SYSTEMD_UNIT=facelatch.service',
    )
    t.match(entry, /started/, 'the journal is reached from within the sandbox, and knows whose entry it is')
    const journal = (...how: string[]) => machine.said('journalctl', '-n', '1', ...how, 'FACELATCH_EVENT=exit')
    await eventually('the journal has it', async () => (await journal('-q')) !== '')
    t.match(JSON.parse(await journal('-o', 'json')), {
      MESSAGE_ID: eventWords.exit.messageId,
      PRIORITY: '6',
      FACELATCH_COMPONENT: 'event',
      _SYSTEMD_UNIT: service,
    })
    await machine.said('journalctl', '--update-catalog')
    t.match(await journal('-x'), /Subject: The exit button was pressed/)
    t.equal(await machine.property('default.target', 'Id'), 'facelatch.target')
    machine.write('/etc/facelatch/config.json', config(seeing))
    const before = await machine.supervisor()
    await machine.said('systemctl', 'restart', service)
    await guarded(machine, before)
    await eventually('the camera is live', async () =>
      /camera live/.test(await machine.property(service, 'StatusText')),
    )
  })

  await t.test('out of memory, the recognizer goes first', async (t) => {
    const supervisor = await machine.supervisor()
    const score = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'))
    const all = descendants(supervisor)
    const [guard] = named(all, 'facelatch-guard')
    const recognizers = all.filter((pid) => pid !== guard && score(pid) > 0)
    const lowered = machine.mayLowerScores ? -900 : 0
    if (lowered === 0) t.comment('nobody may lower a score here (CAP_SYS_RESOURCE)')
    t.equal(await machine.property(service, 'OOMScoreAdjust'), '-900')
    t.equal(score(supervisor), lowered)
    t.equal(score(guard!), lowered)
    t.equal(recognizers.length, 1)
    t.equal(score(recognizers[0]!), 800)
    const kept = await restarts(machine)
    process.kill(recognizers[0]!, 'SIGKILL')
    await eventually('there is another', () =>
      descendants(supervisor).some((pid) => !all.includes(pid) && score(pid) > 0),
    )
    t.equal(await machine.supervisor(), supervisor, 'the service goes on')
    t.equal(await restarts(machine), kept)
    const environment = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'utf8')
    const [recognizer] = descendants(supervisor).filter((pid) => pid !== guard)
    t.match(environment(supervisor), /NOTIFY_SOCKET=/)
    t.notMatch(environment(recognizer!), /NOTIFY_SOCKET=|WATCHDOG_/, 'it cannot feed the watchdog')
    t.match(await machine.property(service, 'NotifyAccess'), /^main$/)
  })

  await t.test('a supervisor that hangs is ended by the watchdog, its strike at rest', async (t) => {
    await press(machine)
    const [before, supervisor] = [await restarts(machine), await machine.supervisor()]
    const from = systemClock.now()
    process.kill(supervisor, 'SIGSTOP')
    await guarded(machine, supervisor)
    t.comment(`SIGSTOP to READY again: ${inSeconds(systemClock.now() - from)}`)
    t.equal(await restarts(machine), before + 1)
    t.match(await machine.journal(service), /Watchdog timeout/)
    t.equal(restedBy(machine), 'the guard')
  })

  await t.test('the guard outlives the supervisor in its control group', async (t) => {
    for (let round = 0; round < 5; round++) {
      // So many starts would be a crash loop.
      await machine.said('systemctl', 'reset-failed', service)
      await press(machine)
      const supervisor = await machine.supervisor()
      const [guard] = named(descendants(supervisor), 'facelatch-guard')
      // One that somebody has stopped goes on then.
      if (round === 4) process.kill(guard!, 'SIGSTOP')
      process.kill(supervisor, 'SIGKILL')
      await guarded(machine, supervisor)
      t.equal(restedBy(machine), 'the guard')
      t.notOk(alive(guard!), 'and has left')
    }
  })

  await t.test("credentials are the service's alone", async (t) => {
    const place = '/run/credentials/facelatch.service'
    for (const [name, text] of Object.entries(secret)) {
      const own = await asService(machine, 'cat', `${place}/${name}`)
      t.equal(own.stdout.trim(), text, name)
      const other = await machine.run('setpriv', '--reuid=nobody', '--clear-groups', 'cat', `${place}/${name}`)
      t.not(other.code, 0)
      t.match(other.stderr, /Permission denied/)
      const source = await asService(machine, 'cat', `${folder}/${name}`)
      t.match(source.stderr, /Permission denied/, "the source is root's")
    }
    t.notOk(
      existsSync(`/proc/${machine.init}/root/var/lib/facelatch/facelatch.db.key`),
      'no key was made beside the store',
    )
    const { stdout } = await asService(machine, 'sh', '-c', `CREDENTIALS_DIRECTORY=${place} facelatch config show`)
    t.match(stdout, new RegExp(`${place}/facelatch-unlock-code`), 'stands in for mqtt.codeFile')
  })

  await t.test('writes nothing but its own', async (t) => {
    const allowed = ['/var/lib/facelatch', '/run/facelatch', '/run/facelatch/requests', '/var/cache/facelatch']
    for (const place of allowed)
      t.equal((await asService(machine, 'sh', '-c', `: >${place}/probe && rm ${place}/probe`)).code, 0, place)
    const refused = [
      '/',
      '/etc/facelatch',
      '/usr/lib/facelatch',
      '/tmp',
      '/var/tmp',
      '/var/log',
      '/run',
      '/run/facelatch-host/answers',
      '/opt',
      '/srv',
      '/boot',
    ]
    const own = await machine.property(service, 'MainPID')
    for (const place of refused) {
      const touch = ['touch', `${place}/probe`]
      t.not((await asService(machine, ...touch)).code, 0, `${place}, as its user`)
      // Not for its owner only: there is nothing to be written to.
      t.match(
        (await machine.run('nsenter', '--target', own, '--mount', '--', ...touch)).stderr,
        /Read-only/,
        `${place}, as root`,
      )
    }
    for (const place of ['/root', '/home'])
      t.not((await asService(machine, 'ls', place)).code, 0, `${place} cannot be seen`)
  })

  await t.test('a disk that is read-only is no reason not to guard', async (t) => {
    const place = '/var/lib/facelatch'
    await machine.said('systemctl', 'stop', service)
    await machine.said('systemctl', 'reset-failed', service)
    const freeze = `mount -t tmpfs tmpfs /mnt && cp -a ${place}/. /mnt && mount --bind /mnt ${place} && mount -o remount,ro,bind ${place}`
    await machine.said('sh', '-c', freeze)
    await machine.said('systemctl', 'start', service)
    await guarded(machine, 0)
    await press(machine)
    t.pass('the exit button opens')
    t.match(await machine.journal(service), /read-only/i, 'and it says what is wrong')
    const { stdout, stderr } = await machine.run('facelatch', 'status')
    t.match(stdout, /^door +.*LOCKED/m, `the screen says how it is: ${stderr}`)
    t.match(stdout, /^store +fault/m)
    await machine.said('systemctl', 'stop', service)
    t.equal(await machine.property(service, 'ExecMainStatus'), '1', 'its events are lost')
    t.equal(await machine.property('facelatch-again.timer', 'ActiveState'), 'inactive', 'and it stays stopped')
    await machine.said('umount', place)
    await machine.said('systemctl', 'start', service)
    await guarded(machine, 0)
  })

  await t.test('a disk of its own that did not come is no new store, and no reason not to guard', async (t) => {
    const place = '/var/lib/facelatch'
    machine.write('/etc/fstab', `UUID=1-2 ${place} ext4 noatime,nofail 0 2\n`)
    await machine.said('systemctl', 'restart', service)
    await guarded(machine, 0)
    await press(machine)
    t.pass('the exit button opens')
    const why = `${place} is in /etc/fstab, and nothing is mounted there`
    const { stdout } = await machine.run('facelatch', 'status')
    t.match(stdout, /^door +.*LOCKED/m)
    t.match(stdout, /^store +fault/m)
    t.match((await machine.run('facelatch', 'doctor')).stdout, why)
    t.match(await machine.run('facelatch', 'people', 'list'), { code: 1, stderr: why })
    // Once it comes, in time: systemd starts the door after it.
    machine.write('/etc/systemd/system/var-lib-facelatch.mount', `[Mount]\nWhat=tmpfs\nWhere=${place}\nType=tmpfs\n`)
    await machine.said('systemctl', 'daemon-reload')
    t.match(await machine.property('var-lib-facelatch.mount', 'Before'), service)
    await machine.said('rm', '/etc/fstab', '/etc/systemd/system/var-lib-facelatch.mount')
    await machine.said('systemctl', 'daemon-reload')
    await machine.run('systemctl', 'restart', service)
    await guarded(machine, 0)
    t.match(await machine.run('facelatch', 'people', 'list'), { code: 0 })
  })

  await t.test('doctor asks whether the host answers', async (t) => {
    const host = async () => /^.* host +.*$/m.exec((await machine.run('facelatch', 'doctor')).stdout)?.[0]
    t.equal(await host(), undefined, 'not for a camera that nobody restarts anything for')
    const before = machine.read('/etc/facelatch/config.json')
    machine.write('/etc/facelatch/config.json', config())
    t.match(await host(), /^ok +host +the helper answers/)
    await eventually(
      'the answer is over',
      async () => (await machine.property('facelatch-host.service', 'ActiveState')) === 'inactive',
    )
    await machine.said('systemctl', 'stop', 'facelatch-host.path')
    t.match(await host(), /^FAULT host +.*no answer within 10 s.* → systemctl enable --now facelatch-host\.path/)
    await machine.said('systemctl', 'start', 'facelatch-host.path')
    t.match(await host(), /^ok/)
    machine.write('/etc/facelatch/config.json', before)
    const doctor = async () => (await machine.run('facelatch', 'doctor')).stdout
    const runs = await doctor()
    t.match(runs, /^ok +service +facelatch\.service runs$/m)
    t.notMatch(runs, /not started at boot/, 'facelatch.target does it')
    await machine.said('systemctl', 'stop', service)
    t.match(await doctor(), /^FAULT service +facelatch\.service is inactive: nobody guards the door → systemctl start/m)
    await machine.said('rm', '/etc/systemd/system/default.target')
    t.match(await doctor(), /^note +service +facelatch\.service is not started at boot → systemctl enable/m)
    await machine.said('ln', '-s', '/usr/lib/systemd/system/facelatch.target', '/etc/systemd/system/default.target')
    await machine.said('systemctl', 'reset-failed', service)
    await machine.said('systemctl', 'start', service)
  })

  await t.test('the host does three things for it, and nothing else', async (t) => {
    const main = () => machine.property('nvargus-daemon.service', 'MainPID')
    await machine.said('systemctl', 'start', 'nvargus-daemon.service')
    const daemon = await main()
    t.not(daemon, '0')
    t.not((await asService(machine, 'systemctl', 'restart', 'nvargus-daemon.service')).code, 0, 'no right of its own')
    t.equal(await main(), daemon)
    const from = systemClock.now()
    machine.write(`/etc/systemd/system/${service}.d/later.conf`, '[Unit]\n')
    t.equal(await machine.property(service, 'NeedDaemonReload'), 'yes')
    t.equal(await ask(machine, 'nvargus-restart'), 'done')
    t.equal(await machine.property(service, 'NeedDaemonReload'), 'no', 'devices that came later are open now')
    t.comment(`nvargus-daemon restarted: ${inSeconds(systemClock.now() - from)}`)
    const fresh = await main()
    t.not(fresh, daemon)
    t.not(fresh, '0')
    t.equal(await ask(machine, 'usb-rebind', '../../../etc'), 'failed: that is no name of a USB device')
    t.equal(await ask(machine, 'usb-rebind', '1-2'), 'failed: there is no such USB device')
    await asService(machine, 'sh', '-c', ': >/run/facelatch/requests/poweroff')
    t.equal(await ask(machine, 'nvargus-restart'), 'done', 'what is no request keeps nothing up')
    t.equal(machine.ended(), null, 'and does nothing')
  })

  await t.test('a crash loop is slowed down, and never given up', async (t) => {
    const before = await machine.supervisor()
    machine.write(
      '/etc/systemd/system/facelatch.service.d/crash.conf',
      "[Service]\nExecStart=\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\nExecStopPost=\n",
    )
    await machine.said('systemctl', 'daemon-reload')
    process.kill(before, 'SIGKILL')
    const waiting = async () => (await machine.property('facelatch-again.timer', 'SubState')) === 'waiting'
    await eventually('systemd has had enough', waiting)
    t.match(await machine.journal(service), /Start request repeated too quickly/)
    t.equal(await machine.property(service, 'ActiveState'), 'failed')
    await machine.run('rm', '/etc/systemd/system/facelatch.service.d/crash.conf')
    await machine.said('systemctl', 'daemon-reload')
    await guarded(machine, before)
    t.pass('it is back by itself')

    const [good, bad] = [config(), '{']
    const kept = '/var/lib/facelatch/config.last-good.json'
    machine.write('/etc/facelatch/config.json', bad)
    await machine.said('systemctl', 'restart', service)
    await press(machine)
    t.pass('a broken configuration: the last good one guards the door')
    t.match(await machine.property(service, 'StatusText'), /^THE CONFIGURATION CANNOT BE USED/)
    t.equal(await machine.said('stat', '-c', '%a %U', kept), '600 facelatch')
    const { code, stdout } = await machine.run('facelatch', 'status')
    t.equal(code, 1)
    t.match(stdout, /^PROBLEMS +the configuration \/etc\/facelatch\/config\.json cannot be used: .*the last good one/m)
    for (const then of ['corrected', 'stopped']) {
      machine.write('/etc/facelatch/config.json', bad)
      await machine.said('systemctl', 'stop', service)
      await machine.said('rm', kept)
      await machine.run('systemctl', 'start', service)
      await eventually('it waits', waiting)
      t.equal(await machine.property(service, 'ExecMainStatus'), '2')
      if (then === 'stopped') break
      machine.write('/etc/facelatch/config.json', good)
      await guarded(machine, 0)
      t.pass('a corrected configuration is found, and the timer runs a second time')
    }
    // Who stops a door that waits for its next try does not want it back.
    await machine.said('systemctl', 'stop', service)
    t.equal(await machine.property('facelatch-again.timer', 'ActiveState'), 'inactive')
  })

  await t.test('reboots when it is asked to, and not in a loop', async (t) => {
    machine.write('/etc/facelatch/config.json', config())
    // A machine without secrets starts as well.
    await machine.said('rm', '-r', folder)
    const started = await machine.run('systemctl', 'start', service)
    t.equal(started.code, 0, (await machine.journal(service)).split('\n').slice(-15).join('\n'))
    const after = async (seconds: number) => {
      const text = `[Service]\nEnvironment=FACELATCH_HOST_REBOOT_SECONDS=${seconds}\n`
      machine.write('/etc/systemd/system/facelatch-host.service.d/test.conf', text)
      await machine.said('systemctl', 'daemon-reload')
    }
    await after(1e9)
    t.equal(await ask(machine, 'reboot'), 'failed: the machine has not been up for 1000000000 s')
    await after(1)
    await write(machine, 'reboot', '')
    await eventually('it reboots', () => machine.ended() !== null)
    t.equal(machine.ended(), 133)
  })
})

t.test('the pause after a crash loop is longer than systemd remembers its starts', async (t) => {
  const unit = (name: string) => readFileSync(join(root, 'systemd', name), 'utf8')
  const seconds = (text: string, key: string) => Number(new RegExp(`^${key}=(\\d+)$`, 'm').exec(text)?.[1])
  const [pause, memory] = [
    seconds(unit('facelatch-again.timer'), 'OnActiveSec'),
    seconds(unit(service), 'StartLimitIntervalSec'),
  ]
  t.ok(pause > memory && memory > 0, `${pause} s and ${memory} s`)
})

t.test('exposure', { skip: !existsSync('/usr/bin/systemd-analyze') && 'systemd-analyze is missing' }, async (t) => {
  const limits = { 'facelatch.service': 2.5, 'facelatch-host.service': 2.5 }
  for (const [unit, limit] of Object.entries(limits)) {
    const { stdout, status } = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', `--threshold=${limit * 10}`, join(root, 'systemd', unit)],
      { encoding: 'utf8' },
    )
    t.equal(status, 0, `${unit}: ${/Overall exposure level.*: ([\d.]+)/.exec(stdout)?.[1]}`)
  }
})

/** What systemd would hear, on a socket of our own; python3 listens, since Node knows no Unix datagrams. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openInit } from '../../firmware/adapters/init-systemd.js'
import { findKey } from '../../firmware/adapters/store-key.js'
import { loadConfig } from '../../firmware/config.js'
import { spawnChild } from '../support/child.js'
import { memoryLog, temporaryDirectory, until } from '../support/temp.js'

const listener = `
import socket, sys
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
heard.bind('\\0' + name[1:] if name[0] == '@' else name)
print('listening', flush=True)
while True: print(heard.recv(4096).decode(), flush=True)
`

async function listen(t: Parameters<typeof spawnChild>[0], socket: string) {
  const child = spawnChild(t, ['python3', '-c', listener, socket])
  const heard: string[] = []
  child.stdout!.on('data', (chunk: Buffer) => heard.push(...chunk.toString('utf8').split('\n').filter(Boolean)))
  await until('it listens', () => heard.length > 0)
  return heard
}

for (const kind of ['path', 'abstract'] as const)
  t.test(`tells systemd, at a name that is ${kind}`, async (t) => {
    const folder = temporaryDirectory(t)
    const socket = kind === 'path' ? join(folder, 'notify') : `@${folder}/notify`
    const heard = await listen(t, socket)
    const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '10000000', WATCHDOG_PID: String(process.pid), OTHER: 'stays' }
    const init = openInit(memoryLog(), env)
    t.same(env, { OTHER: 'stays' }, 'no child inherits the way to systemd')
    t.equal(init.watchdogMs, 10_000)
    init.ready()
    init.status('one\nline')
    init.feed()
    init.extend(1_500)
    init.stopping()
    const wanted = ['READY=1', 'STATUS=one line', 'WATCHDOG=1', 'EXTEND_TIMEOUT_USEC=1500000', 'STOPPING=1']
    await until('all is heard', () => heard.length > wanted.length)
    t.same(heard.slice(1), wanted)
  })

t.test('is silent at a terminal, and harmless when systemd does not listen', async (t) => {
  const log = memoryLog()
  t.equal(openInit(log, {}).watchdogMs, undefined)
  openInit(log, {}).ready()
  t.same(log.lines, [])
  const deaf = openInit(log, { NOTIFY_SOCKET: join(temporaryDirectory(t), 'nobody') })
  deaf.ready()
  deaf.feed()
  t.equal(log.lines.length, 1, log.lines.join())
  const other = openInit(log, { NOTIFY_SOCKET: '/nobody', WATCHDOG_USEC: '1', WATCHDOG_PID: '1' })
  t.equal(other.watchdogMs, undefined, 'the watchdog of another process')
})

t.test('credentials stand in for files that the configuration does not name', async (t) => {
  const folder = temporaryDirectory(t)
  const credentials = join(folder, 'credentials')
  mkdirSync(credentials)
  const put = (name: string, text: string) => writeFileSync(join(credentials, name), text)
  put('facelatch-mqtt-password', 'secret\n')
  put('facelatch-unlock-code', '\n')
  put('facelatch-key', '\n')
  const load = (more: object = {}) => loadConfig([], { CREDENTIALS_DIRECTORY: credentials, ...more }).mqtt
  t.equal(load().passwordFile, join(credentials, 'facelatch-mqtt-password'))
  t.equal(load().codeFile, '', 'a blank one is none')
  t.equal(load({ FACELATCH_MQTT_PASSWORD_FILE: '/own' }).passwordFile, '/own')
  t.equal(loadConfig([], {}).mqtt.passwordFile, '')
  t.same(findKey('/db', '', credentials), { path: '/db.key', credential: false })
  put('facelatch-key', `${Buffer.alloc(32).toString('base64')}\n`)
  t.same(findKey('/db', '', credentials), { path: join(credentials, 'facelatch-key'), credential: true })
  chmodSync(join(credentials, 'facelatch-key'), 0)
  t.equal(findKey('/db', '', credentials).credential, true, 'one that cannot be read is not replaced by another')
})

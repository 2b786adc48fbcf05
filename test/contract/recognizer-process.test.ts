/** The recognizer's process where the machine cannot start one: told, tried again, and no end of the supervisor. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { createRecognizerProcess } from '../../firmware/adapters/recognizer-process.js'
import { root } from '../support/appliance.js'
import { run } from '../support/child.js'
import { memoryLog, temporaryDirectory, until } from '../support/temp.js'

t.test('a program that cannot be executed', async (t) => {
  const module = join(temporaryDirectory(t), 'echo.mjs')
  writeFileSync(module, "process.on('message', (message) => process.send(message))")
  const heard: object[] = []
  const lost: string[] = []
  const recognizer = createRecognizerProcess<object, object>(
    {
      ...{ module, greeting: { hello: 1 }, silenceMs: 60_000, delay: () => 20, steadyMs: 60_000 },
      ...{ clock: systemClock, log: memoryLog() },
    },
    { message: (message) => heard.push(message), lost: (reason) => lost.push(reason), said: () => {} },
  )
  const { execPath } = process
  t.teardown(() => {
    process.execPath = execPath
    return recognizer.stop({})
  })
  // The kernel answers ENOTDIR and ENOENT: the one is thrown, the other comes as an event.
  for (const path of [`${module}/node`, '/nowhere/node']) {
    process.execPath = path
    const before = lost.length
    if (before === 0) recognizer.start()
    await until('it is lost again and again', () => lost.length > before + 2)
  }
  process.execPath = execPath
  await until('it runs as soon as it can', () => heard.length > 0)
})

t.test('no descriptors are left for its channels', async (t) => {
  const script = join(temporaryDirectory(t), 'script.mjs')
  const from = (path: string) => JSON.stringify(join(root, 'dist/firmware/adapters', path))
  writeFileSync(
    script,
    `import { ChildProcess } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { systemClock } from ${from('clock-system.js')}
import { createRecognizerProcess } from ${from('recognizer-process.js')}
// Of a child that never was, the number is any process's: with 0, all of this one's group.
ChildProcess.prototype.kill = function () { if (this.pid === undefined) console.log('a signal for nobody knows whom') }
const log = { debug() {}, info() {}, warn() {}, error() {} }
const taken = []
const options = { module: '/dev/null', greeting: {}, silenceMs: 60000, delay: () => 50, steadyMs: 60000, clock: systemClock, log }
const recognizer = createRecognizerProcess(options, { message() {}, said() {}, lost: (reason) => {
  console.log(reason)
  for (const one of taken.splice(0)) closeSync(one)
  recognizer.stop({}).then(() => process.exit(0))
} })
try { for (;;) taken.push(openSync('/dev/null', 'r')) } catch {}
recognizer.start()
`,
  )
  const { code, stdout, stderr } = await run('setsid', [
    '--wait',
    'sh',
    '-c',
    `ulimit -n 64; exec ${process.execPath} ${script}`,
  ])
  t.equal(code, 0, stderr)
  t.match(stdout, /^it cannot be started: |EMFILE/)
  t.notMatch(stdout, /nobody knows whom/)
})

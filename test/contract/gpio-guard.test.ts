/** The guard's process where the machine cannot start one: told once, tried again, and the strike comes to rest all the same. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { firmware, run, script } from '../support/child.js'
import { temporaryDirectory } from '../support/temp.js'

t.test('no descriptors are left for another guard', async (t) => {
  const lines = join(temporaryDirectory(t), 'lines.jsonl')
  const code = `import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from ${firmware('adapters/clock-system.js')}
import { guardLock } from ${firmware('adapters/gpio-guard.js')}
import { createSimulatedGpio } from ${firmware('adapters/gpio-simulated.js')}
const said = []
const log = { debug() {}, info() {}, warn() {}, error: (line) => said.push(line) }
const gpio = await createSimulatedGpio({ log: ${JSON.stringify(lines)}, control: ${JSON.stringify(`${lines}.sock`)}, clock: systemClock, messages: log })
const lock = await guardLock(gpio, { resting: false, maxOnMs: 60000, hangMs: 60000, clock: systemClock, log })
const guard = () => Number(readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim().split(' ')[0])
const taken = []
const take = () => { try { for (;;) taken.push(openSync('/dev/null', 'r')) } catch {} }
const giveBack = () => { for (const one of taken.splice(0)) closeSync(one) }
const endGuard = async () => {
  const pid = guard()
  take()
  process.kill(pid, 'SIGKILL')
  const told = said.length + 2
  for (let i = 0; i < 500 && said.length < told; i++) await sleep(20)
  // And no more often, though it tries ten times a second.
  await sleep(400)
}
lock.write('lock', true)
await endGuard()
giveBack()
for (let i = 0; i < 100 && !(guard() > 0); i++) await sleep(100)
await sleep(1000)
const second = guard()
await endGuard()
await lock.close()
giveBack()
console.log(JSON.stringify({ said, second }))`
  const limited = `ulimit -n 64; exec "$@"`
  const { code: left, stdout, stderr } = await run('setsid', ['--wait', 'sh', '-c', limited, '-', ...script(code)])
  t.equal(left, 0, stderr)
  const { said, second } = JSON.parse(stdout)
  t.ok(second > 0, 'another one stands there as soon as it can')
  const [ended, refused] = [
    /^the guard of the strike ended with SIGKILL/,
    /^the guard of the strike did not start: .*EMFILE$/,
  ]
  t.match(said, [ended, refused, ended, refused])
  t.equal(said.length, 4, 'each told once')
  const levels = readFileSync(lines, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(levels.at(-1), { line: 'lock', value: 0 }, 'closed without a guard, it is at rest')
})

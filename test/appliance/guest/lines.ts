/** What only a real kernel can answer about lines. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { facelatch, makeHome } from '../../support/appliance.js'
import { type BenchKind, benchKinds, driverOf } from '../../support/bench.js'
import { createChips, startKernelBench } from '../../support/bench-kernel.js'
import { claimer, heard, refusal, type Wanted } from '../../support/claimer.js'
import { type Owner, until } from '../../support/temp.js'

const lock = { line: 'lock', text: 'bench-gpio:0' }
const start = (t: Owner, kind: BenchKind, wanted: readonly Wanted[], more?: string, debounceMs?: number) =>
  startKernelBench(t, claimer(kind, wanted, more, debounceMs))

t.test('the character device finds a line by its name, sysfs by its number', async (t) => {
  const exit = { line: 'exit', text: 'bench-gpio:L3' }
  const named = await start(t, 'chardev', [{ ...lock, text: 'bench-gpio:L0' }, exit], '', 0)
  await until('it is claimed', () => named.log().includes('claimed'))
  named.set(3, 1)
  await until('the edge is heard', () => heard(named.log()).length === 1)
  t.same(heard(named.log()), ['heard exit true true'])
})

t.test("sysfs: the kernel's own number, wherever this kernel lets the chip begin", async (t) => {
  // The number is known once the chip is there; made again, it has the same.
  const { base } = createChips()
  const bench = await start(t, 'sysfs', [{ line: 'lock', text: String(base) }], `gpio.write('lock', true)`)
  t.comment(`the chip's first line is GPIO ${base}`)
  t.equal(bench.chips.base, base)
  await until('it is driven', () => bench.chips.level(0) === 1)
})

t.test("a pull is the chip's own", async (t) => {
  const wanted = [lock, { line: 'exit', text: 'bench-gpio:3', pull: 'up', activeLow: true } as const]
  const bench = await start(t, 'chardev', wanted, `console.log('first', gpio.read('exit'))`, 0)
  await until('it is claimed', () => bench.log().includes('first'))
  t.match(bench.log(), 'first false', 'nobody presses the button that is held high')
  t.equal(bench.chips.pull(3), 'pull-up')
  bench.set(3, 0)
  await until('the press is heard', () => heard(bench.log()).length === 1)
  t.same(heard(bench.log()), ['heard exit true true'])
})

for (const kind of benchKinds) {
  t.test(`${driverOf[kind]}: no edge is lost`, async (t) => {
    const bench = await start(t, kind, [lock, { line: 'exit', text: 'bench-gpio:3' }], '', 0)
    await until('it is claimed', () => bench.log().includes('claimed'))
    const edges = 50
    for (let i = 0; i < edges; i++) {
      bench.set(3, i % 2 === 0 ? 1 : 0)
      await until('it is heard', () => heard(bench.log()).length > i)
    }
    const ons = () => heard(bench.log()).map((row) => row.split(' ')[2] === 'true')
    t.equal(ons().length, edges)
    t.ok(
      ons().every((on, i) => on === (i % 2 === 0)),
      'pressed and let go in turn',
    )

    // The program looks away. Slowly: the kernel's own thread has to see each level.
    bench.process.kill('SIGSTOP')
    for (let i = 0; i < 11; i++) {
      bench.set(3, i % 2 === 0 ? 1 : 0)
      await sleep(100)
    }
    bench.process.kill('SIGCONT')
    await until('the last one is heard', () => ons().length > edges && ons().at(-1) === true)
    await sleep(200)
    const missed = ons().slice(edges)
    t.comment(`${driverOf[kind]}: of 11 edges in a pause of the program ${missed.length} came`)
    // sysfs shows levels; the character device queues 16 edges a line.
    if (kind === 'sysfs') t.same(missed, [true])
    else
      t.same(
        missed,
        Array.from({ length: 11 }, (_, i) => i % 2 === 0),
      )
  })

  t.test(`${driverOf[kind]}: a line that another program holds`, async (t) => {
    const claims = claimer(kind, [{ ...lock, text: 'bench-gpio:5' }])
    // The chips first; the program waits until somebody has its line.
    const waits = ['bash', '-c', 'while [[ ! -e /run/held ]]; do sleep 0.05; done; exec "$0" "$@"', ...claims]
    const bench = await startKernelBench(t, waits)
    const holder = spawn('gpioset', ['--mode=signal', 'bench-gpio', '5=1'], { stdio: 'inherit' })
    t.teardown(() => gone(holder))
    await until('it holds the line', () => bench.chips.level(5) === 1)
    const gpio = { driver: driverOf[kind], lines: { lock: 'bench-gpio:5' } }
    // Without models: loading them is the slowest that doctor does, and no matter here.
    const { config } = makeHome(t, { gpio, recognizer: { models: '/nowhere' } })
    const { stdout } = await facelatch(['doctor', '--config', config])
    t.match(stdout, /FAULT gpio +lock "bench-gpio:5": .*held by gpioset → stop that/)
    await once(spawn('touch', ['/run/held']), 'exit')
    t.teardown(() => once(spawn('rm', ['/run/held']), 'exit'))
    await until('it has ended', () => bench.status() !== undefined)
    t.match(refusal(bench.log()), /^refused gpio\.lines\.lock "bench-gpio:5": .* is held by "?gpioset"?; stop that/)
    t.equal(bench.chips.level(5), 1, 'and its line was left alone')
  })

  t.test(`${driverOf[kind]}: what this kernel does with a powered line whose program was killed`, async (t) => {
    const bench = await start(t, kind, [lock], `gpio.write('lock', true)`)
    await until('it is powered', () => bench.chips.level(0) === 1)
    bench.process.kill('SIGKILL')
    await until('it has ended', () => bench.status() !== undefined)
    const released = bench.said().includes('release 0')
    t.comment(
      `${driverOf[kind]}, no guard: the line is ${released ? 'released' : 'still exported'}, and ${bench.chips.level(0) ? 'stays powered' : 'falls to its pull'}`,
    )
    // sysfs keeps it exported as it is: only whoever comes next ends the strike.
    if (kind === 'sysfs') t.same([released, bench.chips.level(0)], [false, 1])
    else t.ok(released)
  })
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

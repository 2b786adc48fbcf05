/**
 * The two adapters of real lines, unmodified, against test/hardware: onoff against a FUSE /sys/class/gpio, the character
 * device's binding against chips simulated behind its system calls. No kernel's GPIO code runs in either; in the machine of
 * test/appliance the same questions go to gpio-sim.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { cli, facelatch, makeHome } from '../support/appliance.js'
import { benchKinds, benchMissing, driverOf, onKernel, runOnBench, startBench } from '../support/bench.js'
import { claimer, heard, refusal, type Wanted } from '../support/claimer.js'
import { until } from '../support/temp.js'

for (const kind of benchKinds)
  t.test(`${kind}: ${driverOf[kind]}`, { skip: benchMissing(kind) }, async (t) => {
    const lock = { line: 'lock', text: 'bench-gpio:0' }

    t.test('an output is at its level from its first moment, and ends where it was left', async (t) => {
      for (const activeLow of [false, true])
        for (const initial of [false, true]) {
          const more = `gpio.write('lock', true); gpio.write('lock', false); await gpio.close(); clearInterval(keep)`
          const bench = await runOnBench(t, kind, claimer(kind, [{ ...lock, activeLow, initial }], more))
          const first = initial !== activeLow ? 1 : 0
          // The bench's line is at 0 before anybody claims it; a FUSE file shows changes only.
          const levels = [0, ...bench.outputs(0).map(({ level }) => level)].filter(
            (level, i, all) => all[i - 1] !== level,
          )
          const on = activeLow ? 0 : 1
          const all = [0, first, on, 1 - on].filter((level, i, list) => list[i - 1] !== level)
          t.same(levels, all, `active low ${activeLow}, at first ${initial}`)
        }
    })

    t.test('one press and one release from bounces', async (t) => {
      const debounceMs = 30
      const wanted = [lock, { line: 'enrol', text: 'bench-gpio:4' }]
      const bench = await startBench(t, kind, claimer(kind, wanted, '', debounceMs))
      await until('it is claimed', () => bench.log().includes('claimed'))
      const told = () => heard(bench.log())
      /** What is heard of these levels, from `rest` on; again where the machine stood still for so long that one of them settled. */
      const play = async (rest: 0 | 1, levels: readonly (0 | 1)[]) => {
        for (;;) {
          const before = told().length
          let [longest, at] = [0, Number.POSITIVE_INFINITY]
          for (const level of levels) {
            bench.set(4, level)
            const now = performance.now()
            longest = Math.max(longest, now - at)
            at = now
            await sleep(1)
          }
          if (levels.at(-1) !== rest) await until('it is heard', () => told().length > before)
          await sleep(150)
          if (longest < debounceMs / 2) return told().slice(before)
          bench.set(4, rest)
          const settled = `heard enrol ${rest === 1} `
          await until('it is at rest', () => (told().at(-1) ?? settled).startsWith(settled))
          await sleep(150)
        }
      }
      const bounces = (last: 0 | 1) => Array.from({ length: 15 }, (_, i) => (i % 2 === 0 ? last : last === 1 ? 0 : 1))
      t.same(await play(0, bounces(1)), ['heard enrol true true'], 'seven bounces are one press')
      t.same(await play(1, bounces(0)), ['heard enrol false false'])
      t.same(await play(0, [1, 0]), [], 'a spike is nothing')
    })

    t.test('every edge comes, in logical levels', async (t) => {
      const wanted = [
        lock,
        { line: 'exit', text: 'bench-gpio:3', activeLow: true },
        { line: 'door', text: 'bench-gpio:2' },
      ]
      const more = `console.log('first', gpio.read('exit'), gpio.read('door'))`
      const bench = await startBench(t, kind, claimer(kind, wanted, more, 0))
      await until('it is claimed', () => bench.log().includes('first true false'))
      for (let i = 0; i < 4; i++) {
        bench.set(3, 1)
        await until('it is heard', () => heard(bench.log()).length === 4 * i + 1)
        bench.set(3, 0)
        await until('it is heard', () => heard(bench.log()).length === 4 * i + 2)
        bench.set(2, 1)
        await until('it is heard', () => heard(bench.log()).length === 4 * i + 3)
        bench.set(2, 0)
        await until('it is heard', () => heard(bench.log()).length === 4 * i + 4)
      }
      const once = ['exit false false', 'exit true true', 'door true true', 'door false false']
      t.same(heard(bench.log()), Array.from({ length: 4 }, () => once.map((row) => `heard ${row}`)).flat())
    })

    t.test('a line that cannot be claimed is one clear error', async (t) => {
      const cases: [Wanted[], RegExp][] = [
        [
          [{ line: 'lock', text: 'bench-gpio:14' }],
          /^refused gpio\.lines\.lock "bench-gpio:14": .*line 14.* is held by .*; stop that/,
        ],
        [[{ line: 'lock', text: 'bench-gpio:99' }], /bench-gpio has the lines 0 to 15/],
        [[{ line: 'lock', text: 'nothing:1' }], /no chip is labelled "nothing"; the chips here are: .*bench-gpio/],
        [[{ line: 'lock', text: 'pin:31' }], /this is no Jetson known here/],
        [[lock, { line: 'exit', text: 'bench-gpio:0' }], /gpio\.lines\.exit .*this is the line of gpio\.lines\.lock/],
      ]
      if (kind === 'sysfs') {
        const text = onKernel ? 'bench-gpio:3' : '503'
        cases.push([[lock, { line: 'exit', text, pull: 'up' }], /sysfs cannot set a pull/])
      } else {
        cases.push([[{ line: 'lock', text: '3' }], /a number alone does not say which chip; set gpio\.chip to one of/])
        cases.push([[{ line: 'lock', text: 'bench-aon:1' }], /is held by "fan-sense"; stop that/])
      }
      // Folders named after lines are JetPack 5's, not the mainline kernel's.
      if (kind === 'sysfs' && !onKernel)
        cases.push([
          [{ line: 'lock', text: '515' }],
          /this kernel calls GPIO 515 .* "PQ\.06", which onoff cannot use; set gpio\.driver/,
        ])
      for (const [wanted, message] of cases) {
        const bench = await runOnBench(t, kind, claimer(kind, wanted))
        t.match(refusal(bench.log()), message)
        t.notOk(bench.log().includes('\n    at '), 'no stack')
      }
    })

    t.test('doctor says where each line is, and who holds it', async (t) => {
      const gpio = {
        driver: onKernel ? driverOf[kind] : 'auto',
        lines: { lock: 'bench-gpio:0', exit: 'bench-gpio:14', led: 'bench-gpio:77' },
      }
      const home = makeHome(t, { gpio })
      const bench = await runOnBench(t, kind, [process.execPath, cli, 'doctor', '--config', home.config])
      const driver = driverOf[kind]
      t.match(bench.log(), new RegExp(`ok .*gpio +lock "bench-gpio:0": .*line 0.*, ${driver}, free`))
      t.match(bench.log(), /FAULT gpio +led "bench-gpio:77": bench-gpio has the lines 0 to 15 → choose one/)
      // sysfs does not say who holds a line that is not exported; the kernel's debug file does.
      if (kind === 'chardev' || onKernel)
        t.match(bench.log(), /FAULT gpio +exit "bench-gpio:14": .*held by fan-sense → stop that/)
    })
  })

t.test('no lines are imagined unasked', async (t) => {
  const run = (gpio: object) => facelatch(['run', '--config', makeHome(t, { gpio }).config])
  t.match(await run({}), { code: 2, stderr: /no lock line is configured; set gpio\.lines\.lock/ })
  t.match(await run({ driver: 'gpiod' }), { code: 2, stderr: /gpio\.driver is "gpiod" without a lock line/ })
  t.match(await run({ lines: { lock: 'gpiochip0:7' } }), {
    code: 2,
    stderr: /"gpio\.lines\.lock" must be .*never gpiochipN/,
  })
})

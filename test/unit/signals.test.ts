import t from 'tap'
import {
  initialSignals,
  patterns,
  type Signal,
  type SignalEvent,
  type SignalTimer,
  stepSignals,
} from '../../firmware/domain/signals.js'

/** LED and buzzer over a hand-cranked clock. */
function makePanel() {
  let state = initialSignals
  let now = 0
  const timers = new Map<SignalTimer, number>()
  const story: string[] = []
  const give = (event: SignalEvent) => {
    const step = stepSignals(state, event)
    state = step.state
    for (const effect of step.effects) {
      if (effect.do === 'timer') timers.set(effect.timer, now + effect.ms)
      else if (effect.do === 'cancel') timers.delete(effect.timer)
      else story.push(`${now} ${effect.do} ${effect.on ? 'on' : 'off'}`)
    }
  }
  return {
    story,
    timers,
    is: (lasting: readonly Signal[], ...moments: Signal[]) => give({ type: 'now', lasting, moments }),
    stop: () => give({ type: 'stop' }),
    wait(ms: number) {
      for (const end = now + ms; ; ) {
        const [next] = [...timers].sort((a, b) => a[1] - b[1])
        if (next === undefined || next[1] > end) {
          now = end
          return
        }
        now = next[1]
        timers.delete(next[0])
        give({ type: 'timeout', timer: next[0] })
      }
    },
    told: () => story.splice(0),
  }
}

t.test('a lasting signal goes on, a moment is shown once and gives way', async (t) => {
  const panel = makePanel()
  panel.is(['ready'])
  panel.wait(5100)
  t.same(panel.told(), ['0 led on', '50 led off', '5000 led on', '5050 led off'])
  panel.is(['ready'], 'unknown')
  panel.wait(700)
  t.same(panel.told(), ['5100 led on', '5180 led off', '5300 led on', '5380 led off', '5780 led on'].concat())
  panel.is([])
  t.same(panel.told(), ['5800 led off'])
  t.equal(panel.timers.size, 0, 'nothing left to wake up for')
})

t.test('the more important is shown; what it hid is not made up for', async (t) => {
  const panel = makePanel()
  panel.is(['collecting', 'ready'])
  panel.wait(600)
  panel.told()
  panel.is(['collecting', 'ready'], 'unknown', 'denied')
  panel.wait(399)
  t.same(panel.told(), [], 'nobody at the door is of interest while somebody is enrolled')
  panel.is(['ready'], 'failed')
  panel.wait(100)
  t.same(panel.told(), ['999 led on', '999 buzzer on', '1099 led off'])
  panel.is(['granted', 'ready'])
  panel.wait(1400)
  t.equal(panel.story.at(-1), '2299 led on', 'then the strike shows')
  panel.wait(10_000)
  t.equal(panel.told().at(-1), '2299 led on', 'for as long as it is on')
  panel.is(['ready'])
  panel.wait(100)
  t.same(panel.told(), ['12549 led off'], 'lit already: the flash of "ready" is its end')
})

t.test('the same moment twice begins anew', async (t) => {
  const panel = makePanel()
  panel.is([], 'denied')
  panel.wait(250)
  panel.is([], 'denied')
  panel.wait(5000)
  t.equal(panel.told().filter((text) => text.endsWith('led on')).length, 4)
  t.equal(panel.timers.size, 0)
})

t.test('stopping leaves both dark and silent', async (t) => {
  const panel = makePanel()
  panel.is(['granted'])
  panel.told()
  panel.stop()
  t.same(panel.told(), ['0 led off', '0 buzzer off'])
  panel.wait(60_000)
  t.same(panel.told(), [])
})

t.test('every pattern can be told from every other, and ends dark where it repeats', async (t) => {
  const shapes = Object.values(patterns).map(({ led }) => JSON.stringify(led))
  t.equal(new Set(shapes).size, shapes.length)
  for (const [signal, { led, lasting, buzzer }] of Object.entries(patterns)) {
    if (led === 'lit') t.ok(lasting, signal)
    else {
      t.equal(led.length % 2, 0, `${signal} has an off for each on`)
      t.ok(led.every((ms) => ms >= 50))
    }
    t.ok(buzzer.reduce((sum, ms) => sum + ms, 0) <= 1000, 'nobody wants to hear more')
  }
})

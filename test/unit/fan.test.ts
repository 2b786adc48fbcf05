import t from 'tap'
import {
  type FanEffect,
  type FanEvent,
  type FanOptions,
  initialFan,
  onCurve,
  stepFan,
} from '../../firmware/domain/fan.js'

const options: FanOptions = {
  curve: [
    [40, 0],
    [50, 30],
    [75, 100],
  ],
  hysteresis: 4,
  staleMs: 10_000,
  stallMs: 10_000,
}

function makeFan() {
  let state = initialFan
  const effects: FanEffect[] = []
  return {
    give(event: FanEvent) {
      const step = stepFan(state, event, options)
      state = step.state
      effects.push(...step.effects)
      return state
    },
    at: (celsius: number | undefined, now = 0, rpm?: number) => ({
      type: 'reading' as const,
      now,
      ...(celsius !== undefined && { celsius }),
      ...(rpm !== undefined && { rpm }),
    }),
    events: () => effects.flatMap((effect) => (effect.do === 'record' ? [effect.event] : [])),
    driven: () => effects.flatMap((effect) => (effect.do === 'drive' ? [effect.percent] : [])).at(-1),
    effects,
  }
}

t.test('straight lines between the points', async (t) => {
  for (const [celsius, percent] of [
    [-10, 0],
    [40, 0],
    [45, 15],
    [50, 30],
    [62.5, 65],
    [75, 100],
    [120, 100],
    [Number.NaN, 100],
  ] as const)
    t.equal(onCurve(options.curve, celsius), percent, `${celsius} °C`)
  t.equal(onCurve([], 20), 100)
})

t.test('up at once, down only when it is cooler by the hysteresis', async (t) => {
  const fan = makeFan()
  const speed = (celsius: number) => fan.give(fan.at(celsius)).percent
  t.equal(speed(50), 30)
  t.equal(speed(55), 44)
  t.equal(speed(54), 44)
  t.equal(speed(51), 44)
  t.equal(speed(49), 38, 'as at 53')
  t.equal(speed(52), 38)
  t.equal(speed(54), 41)
  // A temperature that trembles does not make the fan tremble.
  const speeds = new Set([60, 59, 60, 58, 60, 57, 60].map(speed))
  t.equal(speeds.size, 1)
})

t.test('without a temperature it runs at full speed, says so once, and comes back', async (t) => {
  const fan = makeFan()
  fan.give(fan.at(45))
  t.equal(fan.driven(), 15)
  fan.give(fan.at(undefined))
  t.equal(fan.driven(), 100)
  fan.give({ type: 'stale' })
  t.match(fan.events(), [{ type: 'fan_fault', detail: { fault: 'no temperature' } }])
  t.equal(fan.give(fan.at(45)).percent, 15, 'what was held before means nothing any more')
  t.same(
    fan.events().map(({ type }) => type),
    ['fan_fault', 'fan_restored'],
  )
  t.match(fan.effects.findLast((effect) => effect.do === 'watch') as object, { ms: 10_000 })
})

t.test('a fan that does not turn is an event, and gets all there is', async (t) => {
  const fan = makeFan()
  fan.give(fan.at(60, 70_000, 0))
  fan.give(fan.at(60, 75_000, 0))
  fan.give(fan.at(60, 79_999, 0))
  t.same(fan.events(), [])
  fan.give(fan.at(60, 80_000, 0))
  t.match(fan.events(), [{ type: 'fan_fault', detail: { fault: 'stalled' } }])
  t.equal(fan.driven(), 100)
  fan.give(fan.at(60, 87_000, 1200))
  t.equal(fan.events().at(-1)?.type, 'fan_restored')
  t.equal(fan.driven(), 58)
  fan.give(fan.at(60, 200_000))
  t.equal(fan.events().length, 2, 'without a tachometer nothing is known of turning')
})

t.test(
  'one that stands still at low speed is asked for more first, and is stalled if that does not help',
  async (t) => {
    const fan = makeFan()
    fan.give(fan.at(45, 0, 1000))
    t.equal(fan.driven(), 15)
    fan.give(fan.at(45, 1000, 0))
    fan.give(fan.at(45, 10_999, 0))
    t.equal(fan.driven(), 15)
    fan.give(fan.at(45, 11_000, 0))
    t.equal(fan.driven(), 30, 'what every fan turns with')
    fan.give(fan.at(45, 20_999, 0))
    t.same(fan.events(), [], 'it has its time to start')
    fan.give(fan.at(45, 21_000, 0))
    t.match(fan.events(), [{ type: 'fan_fault', detail: { fault: 'stalled' } }])
    t.equal(fan.driven(), 100)
    fan.give(fan.at(45, 23_000, 1200))
    t.equal(fan.events().at(-1)?.type, 'fan_restored')
    t.equal(fan.driven(), 30, 'and not less again')
    fan.give(fan.at(30, 25_000, 1200))
    fan.give(fan.at(30, 60_000, 0))
    fan.give(fan.at(30, 90_000, 0))
    t.equal(fan.driven(), 0, 'where it is to stand still it may')
    fan.give(fan.at(45, 100_000, 0))
    t.equal(fan.driven(), 15)
    t.equal(fan.events().length, 2)
  },
)

t.test('a fan that cannot be written to is an event until it can', async (t) => {
  const fan = makeFan()
  fan.give({ type: 'driven', reason: 'EACCES' })
  fan.give({ type: 'driven', reason: 'EACCES' })
  fan.give(fan.at(45))
  t.match(fan.events(), [{ type: 'fan_fault', detail: { fault: 'not driven', reason: 'EACCES' } }])
  fan.give({ type: 'driven' })
  t.equal(fan.events().at(-1)?.type, 'fan_restored')
})

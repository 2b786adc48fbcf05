/** The fan's loop: zones in, one speed out, by itself; the door neither waits for it nor knows it. */

import type { NewEvent } from '../domain/events.js'
import { type FanEvent, type FanOptions, initialFan, stepFan } from '../domain/fan.js'
import type { Clock, Log, Pwm, Thermal, Zone } from '../ports.js'

export interface FanPorts {
  readonly thermal: Thermal
  /** Undefined: temperatures are read and told, and the fan is left alone. */
  readonly pwm: Pwm | undefined
  readonly clock: Clock
  readonly log: Log
  readonly record: (event: NewEvent) => void
  /** The retained topic `fan/state`. */
  readonly publish: (payload: string) => void
}

export interface FanControl {
  /** Degrees Celsius of the hottest zone; undefined while none can be read. */
  readonly celsius: number | undefined
  close(): Promise<void>
}

export const hottest = (zones: readonly Zone[]): number | undefined =>
  zones.reduce<number | undefined>(
    (most, { celsius }) => (celsius !== undefined && celsius > (most ?? Number.NEGATIVE_INFINITY) ? celsius : most),
    undefined,
  )

/** Least time between two tellings of a temperature, ms. */
const publishEveryMs = 10_000

/** Reads until it is closed. The fan runs at full speed before the first reading. */
export function startFan(options: FanOptions & { readonly periodMs: number }, ports: FanPorts): FanControl {
  const { thermal, pwm, clock, log } = ports
  let state = initialFan
  let published = { payload: '', news: '', at: Number.NEGATIVE_INFINITY }
  let cancelStale = () => {}
  let cancelNext = () => {}
  let closed = false
  // One write at a time, in order: a slow one must not overtake the next.
  let writing = Promise.resolve()

  const drive = (percent: number) => {
    writing = writing.then(async () => {
      if (closed || pwm === undefined) return
      await pwm.drive(percent).then(
        () => take({ type: 'driven' }),
        (error: Error) => take({ type: 'driven', reason: error.message }),
      )
    })
  }
  const watch = (ms: number) => {
    cancelStale()
    cancelStale = clock.after(ms, () => take({ type: 'stale' }))
  }
  const take = (event: FanEvent): void => {
    if (closed) return
    const step = stepFan(state, event, options)
    state = step.state
    for (const effect of step.effects) {
      if (effect.do === 'drive') drive(effect.percent)
      else if (effect.do === 'watch') watch(effect.ms)
      else if (pwm !== undefined) ports.record(effect.event)
    }
    publish()
  }
  const publish = () => {
    const { celsius, percent, rpm, fault } = state
    const payload = JSON.stringify({
      ...(celsius !== undefined && { celsius: Math.round(celsius) }),
      ...(pwm !== undefined && { percent, ...(rpm !== undefined && { rpm }), ...(fault && { fault }) }),
    })
    // What the fan does is told at once; sensors never say the same twice.
    const news = `${percent} ${fault}`
    const due = news !== published.news || clock.now() - published.at >= publishEveryMs
    if (payload === published.payload || (celsius === undefined && !fault) || !due) return
    published = { payload, news, at: clock.now() }
    ports.publish(payload)
  }
  const round = async (): Promise<void> => {
    const celsius = hottest(await thermal.read())
    const rpm = await pwm?.rpm()
    take({
      type: 'reading',
      now: clock.now(),
      ...(celsius !== undefined && { celsius }),
      ...(rpm !== undefined && { rpm }),
    })
    if (!closed) cancelNext = clock.after(options.periodMs, () => void round())
  }

  drive(state.percent)
  watch(options.staleMs)
  void round()
  if (pwm) log.info(`the fan is driven: ${pwm.place}; it ${pwm.farewell} when facelatch leaves`)
  return {
    get celsius() {
      return state.celsius
    },
    async close() {
      closed = true
      cancelStale()
      cancelNext()
      await writing
      await pwm?.release()
    },
  }
}

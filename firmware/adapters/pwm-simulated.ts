/** A fan that exists only in a file: JSON lines `{at, percent}`, one a change. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Pwm } from '../ports.js'

export function createSimulatedPwm({ log, clock }: { log: string; clock: Pick<Clock, 'wall'> }): Pwm {
  let shown: number | undefined
  mkdirSync(dirname(log), { recursive: true })
  const drive = async (percent: number) => {
    if (percent === shown) return
    appendFileSync(log, `${JSON.stringify({ at: clock.wall().toISOString(), percent })}\n`)
    shown = percent
  }
  return {
    place: `simulated, log ${log}`,
    farewell: 'stays at full speed',
    drive,
    rpm: async () => undefined,
    release: () => drive(100),
  }
}

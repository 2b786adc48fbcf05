/** A program that claims lines with one of the two real drivers, and what it says. */
import { type BenchKind, driverOf } from './bench.js'
import { firmware, script, silentLog } from './child.js'

export interface Wanted {
  readonly line: string
  readonly text: string
  readonly activeLow?: boolean
  readonly pull?: 'up'
  readonly initial?: boolean
}

/** It claims the lines, says what it hears, and then does what `more` says with `gpio`. */
export function claimer(kind: BenchKind, wanted: readonly Wanted[], more = '', debounceMs = 20): string[] {
  const create = kind === 'sysfs' ? 'createOnoffGpio' : 'createGpiodGpio'
  const lines = JSON.stringify(wanted.map((one) => ({ activeLow: false, pull: 'none', initial: false, ...one })))
  return script(`
    import { ${create} } from ${firmware(`adapters/gpio-${driverOf[kind]}.js`)}
    import { parseLine } from ${firmware('domain/lines.js')}
    const lines = ${lines}.map((line) => ({ ...line, name: parseLine(line.text) }))
    const log = ${silentLog}
    let gpio
    try {
      gpio = await ${create}({ lines, chip: '', board: undefined, debounceMs: ${debounceMs}, log })
    } catch (error) {
      console.log('refused', error.message)
      process.exit(1)
    }
    gpio.onInput((line, on) => console.log('heard', line, on, gpio.read(line)))
    const keep = setInterval(() => {}, 1000)
    console.log('claimed')
    ${more}`)
}

export const heard = (log: string) => log.split('\n').filter((row) => row.startsWith('heard'))
export const refusal = (log: string) => log.split('\n').find((row) => row.startsWith('refused')) ?? ''

/**
 * Lines of /sys/class/gpio through npm's onoff: boards and kernels without the character device's second interface. A
 * Jetson has these files up to JetPack 5, and there the character device is the better choice.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Gpio as Line } from 'onoff'
import { type Chip, isPlace, type LineName, type Place, resolveLines } from '../domain/lines.js'
import {
  type GuardableGpio,
  type InputLine,
  isOutput,
  type LineReport,
  type LineSettings,
  type LinesOptions,
  type Log,
  type OutputLine,
} from '../ports.js'

const root = '/sys/class/gpio'

interface SysfsChip extends Chip {
  /** Number of its first line. */
  readonly base: number
}

const readText = (...path: string[]) => readFileSync(join(root, ...path), 'utf8').trim()

function readChips(): SysfsChip[] {
  return readdirSync(root)
    .filter((name) => /^gpiochip\d+$/.test(name))
    .map((name) => ({
      label: readText(name, 'label'),
      base: Number(readText(name, 'base')),
      lines: Number(readText(name, 'ngpio')),
      names: [],
    }))
}

/** Without gpio.chip a number is the kernel's own, which counts through all chips. */
function localName(name: LineName, chips: readonly SysfsChip[], chip: string): LineName {
  if (name.by !== 'number' || chip !== '') return name
  const owner = chips.find(({ base, lines }) => name.number >= base && name.number < base + lines)
  return owner ? { by: 'name', chip: owner.label, line: String(name.number - owner.base) } : name
}

function resolveAll({ lines, board, chip }: LinesOptions) {
  const chips = readChips()
  const local = lines.map((setting) => ({ ...setting, name: localName(setting.name, chips, chip) }))
  return resolveLines(local, { chips, board, chip }, ({ line }) => isOutput(line))
}

const numberOf = ({ chip, offset }: Place<SysfsChip>) => chip.base + offset
const describe = (place: Place<SysfsChip>) => `GPIO ${numberOf(place)} (${place.chip.label} line ${place.offset})`

/** What the kernel's debug file says of a line: ` gpio-17 (PQ.06 |fan ) out hi`. Readable by root, if mounted. */
function holderOf(number: number): string | undefined {
  try {
    const text = readFileSync('/sys/kernel/debug/gpio', 'utf8')
    return new RegExp(`^\\s*gpio-${number}\\s+\\([^|)]*\\|([^)]*?)\\s*\\)`, 'm').exec(text)?.[1]
  } catch {
    return undefined
  }
}

const pullProblem = ({ pull }: LineSettings) =>
  pull === 'none'
    ? undefined
    : 'sysfs cannot set a pull; fit a resistor and take it out of gpio.pullUp and gpio.pullDown'

/** Looks, and exports nothing. */
export function inspectOnoff(options: LinesOptions): LineReport[] {
  return resolveAll(options).map(({ setting, resolved }) => {
    const problem = isPlace(resolved) ? pullProblem(setting) : resolved.problem
    if (!isPlace(resolved) || problem !== undefined) return { settings: setting, problem: problem! }
    const holder = holderOf(numberOf(resolved))
    return { settings: setting, place: describe(resolved), ...(holder && holder !== 'sysfs' && { holder }) }
  })
}

/** @throws Error of one line, for the first line that cannot be claimed. */
export async function createOnoffGpio(options: LinesOptions & { readonly log: Log }): Promise<GuardableGpio> {
  const { log, debounceMs } = options
  // Loaded here: whoever has no such lines needs no native module of its.
  const { Gpio } = await import('onoff')
  const claimed = new Map<OutputLine | InputLine, Line>()
  let lock: number | undefined
  try {
    for (const { setting, resolved } of resolveAll(options)) {
      const where = `gpio.lines.${setting.line} "${setting.text}"`
      const problem = isPlace(resolved) ? pullProblem(setting) : resolved.problem
      if (!isPlace(resolved) || problem !== undefined) throw new Error(`${where}: ${problem}`)
      claimed.set(setting.line, claim(Gpio, setting, resolved, debounceMs, where))
      if (setting.line === 'lock') lock = openSync(join(root, `gpio${numberOf(resolved)}`, 'value'), 'r+')
    }
  } catch (error) {
    for (const [line, held] of claimed) if (!isOutput(line)) held.unexport()
    if (lock !== undefined) closeSync(lock)
    throw error
  }

  const listeners: ((line: InputLine, on: boolean) => void)[] = []
  for (const [line, held] of claimed) {
    if (isOutput(line)) continue
    let level = held.readSync() === 1
    held.watch((error, value) => {
      if (error) return log.error(`gpio.lines.${line} cannot be watched: ${error.message}`)
      // Debouncing ends with the level that bouncing ended with, which may be the one before.
      if ((value === 1) === level) return
      level = value === 1
      for (const listener of listeners) {
        try {
          listener(line, level)
        } catch (failure) {
          log.error('input listener failed', { line, error: failure })
        }
      }
    })
  }
  let open = true

  return {
    lockHandle: { descriptor: lock!, kind: 'sysfs' },
    write(line, on) {
      if (!open) throw new Error(`GPIO: ${line} cannot be driven: the lines were let go`)
      claimed.get(line)?.writeSync(on ? 1 : 0)
    },
    read: (line) => claimed.get(line)?.readSync() === 1,
    onInput: (listener) => listeners.push(listener),
    async close() {
      if (!open) return
      open = false
      // Outputs stay exported: with some kernels a line that is let go floats.
      for (const [line, held] of claimed) if (!isOutput(line)) held.unexport()
      closeSync(lock!)
    },
  }
}

function claim(
  Gpio: typeof import('onoff').Gpio,
  { line, activeLow, initial }: LineSettings,
  place: Place<SysfsChip>,
  debounceMs: number,
  where: string,
): Line {
  const number = numberOf(place)
  const before = new Set(readdirSync(root))
  // "high" and "low" set direction and level in one step, and mean volts: they know nothing of active_low
  // (Documentation/admin-guide/gpio/sysfs.rst).
  const level = initial !== activeLow ? 'high' : 'low'
  let held: Line
  try {
    held = isOutput(line)
      ? new Gpio(number, level, 'none', { activeLow })
      : new Gpio(number, 'in', 'both', { activeLow, debounceTimeout: debounceMs })
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    // Kernels that name lines name the folder after the line (JetPack 5: PQ.06); onoff looks for gpioN only.
    const strange = readdirSync(root).find((name) => !before.has(name))
    if (strange !== undefined && strange !== `gpio${number}`) {
      writeFileSync(join(root, 'unexport'), String(number))
      throw new Error(
        `${where}: this kernel calls ${describe(place)} "${strange}", which onoff cannot use; set gpio.driver to "gpiod"`,
      )
    }
    if (code === 'EBUSY')
      throw new Error(
        `${where}: ${describe(place)} is held by ${holderOf(number) ?? 'the kernel or another program'}; stop that, or choose another line`,
      )
    const remedy = code === 'EACCES' ? 'run as root, or add this user to the group "gpio"' : 'choose another line'
    throw new Error(`${where}: ${describe(place)} cannot be claimed (${code || message}); ${remedy}`)
  }
  // onoff forgives failures with a line that was exported before; a lock must not.
  const wanted = isOutput(line) ? 'out' : 'in'
  if (held.direction() !== wanted || held.activeLow() !== activeLow || (wanted === 'in' && held.edge() !== 'both'))
    throw new Error(
      `${where}: ${describe(place)} was exported by somebody else and cannot be set up; unexport it, or choose another line`,
    )
  return held
}

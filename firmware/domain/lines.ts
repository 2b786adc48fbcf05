/** How a line is named in the configuration, which line of which chip that is, and which driver serves it. */
import { type Board, boards } from './jetson-pins.js'

/**
 * `17`: by number · `tegra234-gpio:PQ.06`: chip label and line name (or its number on that chip) · `pin:31`: pin of a
 * Jetson's header. Never by gpiochipN, which changes with the order in which drivers load.
 */
export type LineName =
  | { readonly by: 'number'; readonly number: number }
  | { readonly by: 'name'; readonly chip: string; readonly line: string }
  | { readonly by: 'pin'; readonly pin: number }

/** Undefined for what is no name of a line. */
export function parseLine(text: string): LineName | undefined {
  if (/^\d{1,5}$/.test(text)) return { by: 'number', number: Number(text) }
  const pin = /^pin:(\d{1,2})$/.exec(text)
  if (pin) return { by: 'pin', pin: Number(pin[1]) }
  // The last colon parts them: labels such as "0-0020:gpio" have colons of their own.
  const name = /^(.+):([^:\s]+)$/.exec(text)
  if (!name || /^gpiochip\d+$/.test(name[1]!) || name[1] === 'pin') return undefined
  return { by: 'name', chip: name[1]!, line: name[2]! }
}

/** A chip as the kernel shows it. */
export interface Chip {
  readonly label: string
  readonly lines: number
  /** By offset; empty texts, or none at all, where lines have no names. */
  readonly names: readonly string[]
}

export interface Place<C extends Chip> {
  readonly chip: C
  readonly offset: number
}

export type Resolved<C extends Chip> = Place<C> | { readonly problem: string }

export interface Machine<C extends Chip> {
  readonly chips: readonly C[]
  readonly board: Board | undefined
  /** `gpio.chip`: whose numbers plain numbers are; "" where there is only one chip to mean. */
  readonly chip: string
}

export const isPlace = <C extends Chip>(resolved: Resolved<C>): resolved is Place<C> => 'chip' in resolved

/** Which line a name means here; or what is wrong with it, as the end of a sentence with its remedy. */
export function resolveLine<C extends Chip>(name: LineName, machine: Machine<C>, use: 'input' | 'output'): Resolved<C> {
  switch (name.by) {
    case 'number':
      return byNumber(name.number, machine)
    case 'name':
      return byName(name.chip, name.line, machine)
    case 'pin':
      return byPin(name.pin, machine, use)
  }
}

const labels = (chips: readonly Chip[]) => chips.map(({ label }) => label).join(', ') || 'none'

function byNumber<C extends Chip>(number: number, { chips, chip }: Machine<C>): Resolved<C> {
  const meant = chip === '' ? chips : chips.filter(({ label }) => label === chip)
  if (meant.length === 0) return { problem: `no chip is labelled "${chip}"; set gpio.chip to one of: ${labels(chips)}` }
  if (meant.length > 1)
    return chip === ''
      ? { problem: `a number alone does not say which chip; set gpio.chip to one of: ${labels(chips)}` }
      : { problem: `several chips are labelled "${chip}"; name the line by label and line name` }
  return onChip(meant[0]!, number)
}

function onChip<C extends Chip>(chip: C, offset: number): Resolved<C> {
  if (offset < chip.lines) return { chip, offset }
  return { problem: `${chip.label} has the lines 0 to ${chip.lines - 1}; choose one of them` }
}

function byName<C extends Chip>(label: string, line: string, { chips }: Machine<C>): Resolved<C> {
  const labelled = chips.filter((chip) => chip.label === label)
  if (labelled.length === 0) return { problem: `no chip is labelled "${label}"; the chips here are: ${labels(chips)}` }
  const found = labelled.flatMap((chip) =>
    chip.names.flatMap((name, offset) => (name === line ? [{ chip, offset }] : [])),
  )
  if (found.length === 1) return found[0]!
  if (found.length > 1) return { problem: `${label} has ${found.length} lines named "${line}"; use its number instead` }
  if (/^\d+$/.test(line) && labelled.length === 1) return onChip(labelled[0]!, Number(line))
  return { problem: `${label} has no line named "${line}"; "facelatch doctor" shows what there is` }
}

function byPin<C extends Chip>(pin: number, { chips, board }: Machine<C>, use: 'input' | 'output'): Resolved<C> {
  if (board === undefined) return { problem: 'this is no Jetson known here; name the line by chip label and line name' }
  const { title, pins, chips: own } = boards[board]
  const entry = pins.get(pin)
  if (!entry) return { problem: `pin ${pin} of a ${title} is no GPIO; use one of ${[...pins.keys()].join(', ')}` }
  if (entry.only !== undefined && entry.only !== use)
    return { problem: `pin ${pin} of a ${title} is ${entry.only} only; choose another pin` }
  const present = chips.filter(({ label }) => own.includes(label))
  if (present.length === 0)
    return { problem: `none of ${own.join(', ')} is here; the chips here are: ${labels(chips)}` }
  for (const chip of present) {
    const offset = entry.name === undefined ? -1 : chip.names.indexOf(`P${entry.name}`)
    if (offset >= 0) return { chip, offset }
  }
  const chip = present.find(({ label }) => label === entry.chip)
  // A line that the kernel gave another name is another line.
  if (chip && entry.offset < chip.lines && !(entry.name && chip.names[entry.offset]))
    return { chip, offset: entry.offset }
  return { problem: `no line is named P${entry.name} here; name the line by chip label and line name` }
}

/** Resolves all of them; two that are the same line are a mistake of the second one. */
export function resolveLines<C extends Chip, S extends { readonly line: string; readonly name: LineName }>(
  settings: readonly S[],
  machine: Machine<C>,
  isOutput: (setting: S) => boolean,
): { readonly setting: S; readonly resolved: Resolved<C> }[] {
  const taken: { readonly line: string; readonly place: Place<C> }[] = []
  return settings.map((setting) => {
    const resolved = resolveLine(setting.name, machine, isOutput(setting) ? 'output' : 'input')
    if (!isPlace(resolved)) return { setting, resolved }
    const other = taken.find(({ place }) => place.chip === resolved.chip && place.offset === resolved.offset)
    if (other) return { setting, resolved: { problem: `this is the line of gpio.lines.${other.line}; choose another` } }
    taken.push({ line: setting.line, place: resolved })
    return { setting, resolved }
  })
}

export type Driver = 'gpiod' | 'onoff' | 'simulated'

export interface DriverFacts {
  readonly asked: 'auto' | Driver
  /** `gpio.lines.lock` is set. */
  readonly lock: boolean
  /** `gpio.simulated.log` or `.control` is set. */
  readonly simulatedKeys: boolean
  /** The machine has a device tree: it is a board, and a door may hang on it. */
  readonly onBoard: boolean
  /** There is a /dev/gpiochipN. */
  readonly chardev: boolean
  /** There is a /sys/class/gpio/export. */
  readonly sysfs: boolean
}

/**
 * A door that is only imagined must be asked for: `auto` takes simulated lines only where their files are named, no
 * real lock line is, and the machine is no board. The character device is preferred: it knows lines by name, sets pulls,
 * and exists on JetPack 5 and later, while sysfs is gone from JetPack 6.
 */
export function chooseDriver(facts: DriverFacts): { readonly driver: Driver } | { readonly problem: string } {
  if (facts.asked === 'simulated') return { driver: 'simulated' }
  if (facts.asked === 'auto' && !facts.lock) {
    if (!facts.simulatedKeys)
      return { problem: 'no lock line is configured; set gpio.lines.lock, or gpio.driver to "simulated" for a trial' }
    if (facts.onBoard)
      return {
        problem: 'a board does not take simulated lines unasked; set gpio.driver to "simulated", or gpio.lines.lock',
      }
    return { driver: 'simulated' }
  }
  if (!facts.lock) return { problem: `gpio.driver is "${facts.asked}" without a lock line; set gpio.lines.lock` }
  if (facts.asked === 'onoff' && !facts.sysfs)
    return {
      problem:
        'gpio.driver is "onoff", but this kernel has no sysfs GPIO (/sys/class/gpio/export); set gpio.driver to "gpiod" or "auto"',
    }
  if (facts.asked !== 'auto') return { driver: facts.asked }
  if (facts.chardev) return { driver: 'gpiod' }
  if (facts.sysfs) return { driver: 'onoff' }
  return {
    problem:
      'this kernel shows no GPIO, neither /dev/gpiochip0 nor /sys/class/gpio; enable it, or set gpio.driver to "simulated" for a trial',
  }
}

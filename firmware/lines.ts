/** Which lines the door has, and which driver serves them: configuration and machine in, one Gpio out. */
import { existsSync, readFileSync } from 'node:fs'
import { createGpiodGpio, hasGpiod, inspectGpiod } from './adapters/gpio-gpiod.js'
import { guardLock } from './adapters/gpio-guard.js'
import { createOnoffGpio, inspectOnoff } from './adapters/gpio-onoff.js'
import { createSimulatedGpio } from './adapters/gpio-simulated.js'
import { UserError } from './app/errors.js'
import type { Config } from './config.js'
import { type DoorOptions, longestStrikeMs } from './domain/door.js'
import { boardOf } from './domain/jetson-pins.js'
import { chooseDriver, type Driver, parseLine } from './domain/lines.js'
import {
  type Clock,
  type Gpio,
  type GuardableGpio,
  inputLines,
  type LineReport,
  type LineSettings,
  type LinesOptions,
  type Log,
  outputLines,
} from './ports.js'

/** The guard lets the strike go this long after the supervisor should have, ms. */
const guardSlackMs = 500

const texts = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\0').filter(Boolean) : []
const readBoard = () => boardOf(texts('/proc/device-tree/compatible'))

/** A contact may lag this much behind the strike's release, ms. */
const graceMs = 1_000

export function doorOptions({ door }: Config): DoorOptions {
  return {
    strikeMs: door.strikeSeconds * 1000,
    ...(door.strikeMode === 'hold' && { holdMs: door.holdSeconds * 1000 }),
    heldOpenMs: door.heldOpenSeconds * 1000,
    graceMs,
    sensor: door.sensor,
    ...(door.boltSensor && { jamMs: door.jamSeconds * 1000 }),
  }
}

/** `""` has its meaning here, so that a configuration shows whether simulated lines were asked for. */
export const simulatedPaths = ({ gpio }: Config) => ({
  log: gpio.simulated.log || '/run/facelatch/gpio.jsonl',
  control: gpio.simulated.control || '/run/facelatch/gpio.sock',
})

/** @throws UserError when no driver can be meant. */
export function driverFor({ gpio }: Config): Driver {
  const chosen = chooseDriver({
    asked: gpio.driver,
    lock: gpio.lines.lock !== '',
    simulatedKeys: gpio.simulated.log !== '' || gpio.simulated.control !== '',
    onBoard: existsSync('/proc/device-tree/compatible'),
    chardev: hasGpiod(),
    sysfs: existsSync('/sys/class/gpio/export'),
  })
  // Without a lock line, or with a driver that no restart brings, the configuration is wrong; without GPIO the kernel is, today.
  if ('problem' in chosen) throw new UserError(chosen.problem, gpio.lines.lock === '' || gpio.driver !== 'auto' ? 2 : 1)
  return chosen.driver
}

function linesOptions({ gpio, door }: Config): LinesOptions {
  const lines = [...outputLines, ...inputLines].flatMap((line): LineSettings[] => {
    const text = gpio.lines[line]
    const name = parseLine(text)
    if (name === undefined) return []
    const pull = gpio.pullUp.includes(line) ? 'up' : gpio.pullDown.includes(line) ? 'down' : 'none'
    // Claimed at rest: who powers it decides later.
    const initial = line === 'lock' && door.failMode === 'safe'
    return [{ line, text, name, activeLow: gpio.activeLow.includes(line), pull, initial }]
  })
  return { lines, chip: gpio.chip, board: readBoard(), debounceMs: gpio.debounceMs }
}

/** What `doctor` shows of real lines. */
export function inspectLines(config: Config, driver: Exclude<Driver, 'simulated'>): LineReport[] {
  const options = linesOptions(config)
  return driver === 'gpiod' ? inspectGpiod(options) : inspectOnoff(options)
}

/** Claims the lines and sets a guard beside the lock. @throws UserError for a line that cannot be claimed. */
export async function openLines(config: Config, clock: Clock, log: Log): Promise<Gpio> {
  const maxOnMs = longestStrikeMs(doorOptions(config)) + guardSlackMs
  const gpio = await claim(config, driverFor(config), clock, log)
  return guardLock(gpio, {
    resting: config.door.failMode === 'safe',
    maxOnMs,
    hangMs: config.door.guardSeconds * 1000,
    clock,
    log,
  })
}

function claim(config: Config, driver: Driver, clock: Clock, log: Log): Promise<GuardableGpio> {
  if (driver === 'simulated') return createSimulatedGpio({ ...simulatedPaths(config), clock, messages: log })
  const options = { ...linesOptions(config), log }
  return driver === 'gpiod' ? createGpiodGpio(options) : createOnoffGpio(options)
}

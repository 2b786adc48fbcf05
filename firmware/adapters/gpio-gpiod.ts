/**
 * Lines of the GPIO character device (kernel 5.10 and later; on a Jetson JetPack 5 and later), through an addon of our own
 * that is system calls and nothing else: libgpiod's two incompatible versions and the tools' text formats stay outside,
 * and the supervisor loads neither GStreamer nor ONNX Runtime for a lock.
 */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { type Chip, isPlace, type Place, resolveLines } from '../domain/lines.js'
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
import { inRoot, nativeRemedy } from '../root.js'

type Native = typeof import('../../native/gpio.js')

interface DeviceChip extends Chip {
  readonly path: string
}

/** A guard of a supervisor that was killed lets its line go within this, ms. */
const handOverMs = 3_000
const handOverEveryMs = 50
/** Consumer of our lines, as `gpioinfo` and `doctor` show it. */
const consumerOf = (line: string) => `facelatch ${line}`

let loaded: Native | undefined
function native(): Native {
  const file = inRoot('build/native/facelatch-gpio.node')
  try {
    loaded ??= createRequire(import.meta.url)(file) as Native
    return loaded
  } catch (error) {
    throw new Error(`cannot load ${file}: ${(error as Error).message.split('\n')[0]}; ${nativeRemedy()}`)
  }
}

const errorName = (error: unknown): string => {
  const { errno } = error as { errno?: number }
  return errno === undefined ? '' : getSystemErrorName(-errno)
}

const chipPaths = (): string[] => {
  const names = readdirSync('/dev').filter((name) => /^gpiochip\d+$/.test(name))
  return names.sort((a, b) => Number(a.slice(8)) - Number(b.slice(8))).map((name) => join('/dev', name))
}

/** Whether this kernel has the interface; true as well where only the right to use it is missing. */
export function hasGpiod(): boolean {
  const paths = chipPaths()
  if (paths.length === 0) return false
  try {
    native().lineInfo(paths[0]!, 0)
    return true
  } catch (error) {
    // Kernels before 5.10 do not know the call.
    return !['EINVAL', 'ENOTTY'].includes(errorName(error))
  }
}

function readChips(): DeviceChip[] {
  const denied: string[] = []
  const chips = chipPaths().flatMap((path) => {
    try {
      const { label, lines } = native().chipInfo(path)
      const names = Array.from({ length: lines }, (_, offset) => native().lineInfo(path, offset).name)
      return [{ path, label, lines, names }]
    } catch (error) {
      if (errorName(error) !== 'EACCES') throw error
      denied.push(path)
      return []
    }
  })
  if (chips.length === 0 && denied.length > 0)
    throw new Error(`${denied[0]} may not be opened; run as root, or add this user to the group "gpio"`)
  return chips
}

const resolveAll = ({ lines, board, chip }: LinesOptions) =>
  resolveLines(lines, { chips: readChips(), board, chip }, ({ line }) => isOutput(line))

const describe = ({ chip, offset }: Place<DeviceChip>) =>
  `${chip.label} line ${offset}${chip.names[offset] ? ` (${chip.names[offset]})` : ''}`

/** Looks, and claims nothing. */
export function inspectGpiod(options: LinesOptions): LineReport[] {
  return resolveAll(options).map(({ setting, resolved }) => {
    if (!isPlace(resolved)) return { settings: setting, problem: resolved.problem }
    const { used, consumer } = native().lineInfo(resolved.chip.path, resolved.offset)
    const place = describe(resolved)
    return { settings: setting, place, ...(used && { holder: consumer || 'a program that gives no name' }) }
  })
}

/** @throws Error of one line, for the first line that cannot be claimed; the others are let go again. */
export async function createGpiodGpio(options: LinesOptions & { readonly log: Log }): Promise<GuardableGpio> {
  const { log, debounceMs } = options
  const descriptors = new Map<OutputLine | InputLine, number>()
  const releaseAll = () => {
    for (const descriptor of descriptors.values()) native().release(descriptor)
    descriptors.clear()
  }
  try {
    for (const { setting, resolved } of resolveAll(options)) {
      const where = `gpio.lines.${setting.line} "${setting.text}"`
      if (!isPlace(resolved)) throw new Error(`${where}: ${resolved.problem}`)
      const descriptor = await claim(setting, resolved, debounceMs, where)
      descriptors.set(setting.line, descriptor)
      log.debug('line claimed', { line: setting.line, place: describe(resolved) })
    }
  } catch (error) {
    releaseAll()
    throw error
  }

  const lock = descriptors.get('lock')!
  const inputs = new Map(
    [...descriptors].flatMap(([line, descriptor]) => (isOutput(line) ? [] : [[descriptor, line] as const])),
  )
  const levels = new Map([...inputs].map(([descriptor, line]) => [line, native().get(descriptor)]))
  const listeners: ((line: InputLine, on: boolean) => void)[] = []
  const stopWatching = native().watch([...inputs.keys()], (descriptor, on) => {
    const line = inputs.get(descriptor)
    if (line === undefined) return
    if (on === undefined) return log.error(`gpio.lines.${line} is gone: its chip was removed`)
    if (levels.get(line) === on) return
    levels.set(line, on)
    for (const listener of listeners) {
      try {
        listener(line, on)
      } catch (error) {
        log.error('input listener failed', { line, error })
      }
    }
  })
  let open = true

  return {
    lockHandle: { descriptor: lock, kind: 'chardev' },
    write(line, on) {
      if (!open) throw new Error(`GPIO: ${line} cannot be driven: the lines were let go`)
      const descriptor = descriptors.get(line)
      if (descriptor !== undefined) native().set(descriptor, on)
    },
    read(line) {
      const descriptor = descriptors.get(line)
      return descriptor !== undefined && native().get(descriptor)
    },
    onInput: (listener) => listeners.push(listener),
    async close() {
      if (!open) return
      open = false
      stopWatching()
      releaseAll()
    },
  }
}

async function claim(
  setting: LineSettings,
  { chip, offset }: Place<DeviceChip>,
  debounceMs: number,
  where: string,
): Promise<number> {
  const { line, activeLow, pull, initial } = setting
  const attempt = () =>
    native().request(chip.path, {
      offset,
      consumer: consumerOf(line),
      output: isOutput(line),
      initial,
      activeLow,
      bias: pull === 'none' ? 'asIs' : pull,
      debounceMicroseconds: debounceMs * 1000,
    })
  for (let waited = 0; ; waited += handOverEveryMs) {
    try {
      return attempt()
    } catch (error) {
      const name = errorName(error)
      if (name !== 'EBUSY') {
        const remedy = name === 'EACCES' ? 'add this user to the group "gpio"' : 'choose another line'
        throw new Error(`${where}: ${describe({ chip, offset })} cannot be claimed (${name || error}); ${remedy}`)
      }
      const { consumer } = native().lineInfo(chip.path, offset)
      // The guard of a supervisor that was killed a moment ago still holds it.
      if (consumer === consumerOf(line) && waited < handOverMs) {
        await sleep(handOverEveryMs)
        continue
      }
      const holder =
        consumer === consumerOf(line) ? 'another facelatch' : consumer ? `"${consumer}"` : 'somebody nameless'
      throw new Error(`${where}: ${describe({ chip, offset })} is held by ${holder}; stop that, or choose another line`)
    }
  }
}

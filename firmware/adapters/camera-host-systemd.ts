/**
 * The camera's host under systemd: requests are files in a folder that a path unit watches, and a helper with the rights
 * that this service lacks answers each with a file of the same name elsewhere (systemd/host-request). Where nobody made
 * the folder there is no helper. Beside it: what is kept over restarts, and whether the camera's device is there.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { HostRequest, LadderMemory } from '../domain/camera-ladder.js'
import { writeDurablyAside } from '../durable-file.js'
import type { CameraHost, Clock, HostAnswer, Log } from '../ports.js'

export interface CameraHostOptions {
  /** Folders of requests and of answers. */
  readonly requests: string
  readonly answers: string
  /** `camera.source` */
  readonly source: string
  /** File of what is kept. */
  readonly memory: string
  readonly clock: Clock
  readonly log: Log
  /** Mount points, for tests. */
  readonly proc?: string
  readonly sys?: string
}

/** A daemon that hangs is killed by systemd after 90 s, its DefaultTimeoutStopSec; starting it takes seconds more. */
const answerMs = 150_000
const lookMs = 100
/** A disk that takes longer hangs. */
const keepMs = 10_000
/** How soon a camera that was plugged in is noticed. */
const deviceMs = 250
/** A camera on the bus has its node within a second or two; one that has none after this gets none. */
const nodelessMs = 10_000

export function openCameraHost(options: CameraHostOptions): CameraHost {
  const { clock, log, memory, proc = '/proc' } = options
  const device = options.source.startsWith('v4l2:') ? options.source.slice('v4l2:'.length) : undefined
  const usb = device === undefined ? undefined : followUsb(device, options.sys ?? '/sys')
  let closed = false
  let keeping: Promise<void> = Promise.resolve()
  const waits = new Set<() => void>()
  const after = (ms: number, callback: () => void) => {
    if (closed) return
    const cancel = clock.after(ms, () => {
      waits.delete(cancel)
      callback()
    })
    waits.add(cancel)
  }
  const later = (ms: number) => new Promise<void>((resolve) => after(ms, resolve))

  async function ask(request: HostRequest): Promise<HostAnswer> {
    const text = request === 'usb-rebind' ? usb?.name() : ''
    if (text === undefined) return { ok: false, reason: 'the camera is no USB device' }
    return askHelper({ ...options, request, text, within: answerMs, later })
  }

  return {
    boot: readFileSync(join(proc, 'sys/kernel/random/boot_id'), 'utf8').trim(),
    kept: recall(memory, log),
    keep(kept) {
      keeping = keeping.catch(() => {}).then(() => writeDurablyAside(memory, `${JSON.stringify(kept)}\n`))
      const late = later(keepMs).then(() =>
        Promise.reject(new Error(`${memory} was not written within ${keepMs / 1000} s`)),
      )
      return Promise.race([keeping, late])
    },
    ask: (request) =>
      ask(request).catch((error: Error) => ({ ok: false, reason: `it cannot be asked: ${error.message}` })),
    awaitDevice(callback) {
      let since: number | undefined
      const look = () => {
        if (device === undefined || existsSync(device)) {
          usb?.name()
          return callback('there')
        }
        since = usb?.isPlugged() ? (since ?? clock.now()) : undefined
        if (since !== undefined && clock.now() - since >= nodelessMs) return callback('nodeless')
        after(deviceMs, look)
      }
      after(0, look)
    },
    close() {
      closed = true
      for (const cancel of waits) cancel()
      waits.clear()
    },
  }
}

export interface Question {
  /** Folders of requests and of answers. */
  readonly requests: string
  readonly answers: string
  /** `ping` is answered and does nothing. */
  readonly request: HostRequest | 'ping'
  readonly text: string
  /** Milliseconds that an answer may take. */
  readonly within: number
  readonly clock: Clock
  readonly later: (ms: number) => Promise<void>
}

/** Asks once and waits. @throws for a folder that cannot be written to. */
export async function askHelper({
  requests,
  answers,
  request,
  text,
  within,
  clock,
  later,
}: Question): Promise<HostAnswer> {
  const [file, answer] = [join(requests, request), join(answers, request)]
  if (!existsSync(requests)) return { ok: false, reason: `no helper is installed: ${requests} is missing` }
  const before = readAnswer(answer)
  // Named only when it is whole: the helper may look at any moment.
  const fresh = join(requests, `.${request}.new`)
  const to = openSync(fresh, 'w', 0o640)
  try {
    writeSync(to, `${text}\n`)
  } finally {
    closeSync(to)
  }
  renameSync(fresh, file)
  for (const end = clock.now() + within; clock.now() < end; await later(lookMs)) {
    // Taken and answered: the file of an answer is new, or says something else, once the request is gone.
    const now = existsSync(file) ? undefined : readAnswer(answer)
    if (now !== undefined && now.id !== before?.id) return now.answer
  }
  rmSync(file, { force: true })
  return { ok: false, reason: `no answer within ${within / 1000} s: is the helper's path unit active?` }
}

/** `done`, or `failed: REASON`. Each answer is a file of its own, so `id` tells two apart that say the same. */
function readAnswer(path: string): { readonly id: string; readonly answer: HostAnswer } | undefined {
  let id: string
  let said: string
  try {
    const { ino, mtimeMs } = statSync(path)
    id = `${ino} ${mtimeMs}`
    said = readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
  const ok = said === 'done'
  return { id, answer: { ok, ...(!ok && { reason: said.replace(/^failed: /, '') || 'the helper gave no reason' }) } }
}

/**
 * The kernel's name of the USB device behind a video node, such as `1-2.1`; remembered, since a device that has fallen
 * off the bus has no node. Documentation/ABI/stable/sysfs-bus-usb: names are BUS-PORT(.PORT)….
 */
function followUsb(device: string, sys: string) {
  let last: string | undefined
  const name = (): string | undefined => {
    try {
      const node = basename(realpathSync(device))
      // …/1-2/1-2.1/1-2.1:1.0: an interface, whose parent is the device.
      const name = basename(dirname(realpathSync(join(sys, 'class/video4linux', node, 'device'))))
      if (/^\d+-\d+(\.\d+)*$/.test(name)) last = name
    } catch {
      // It is not there now.
    }
    return last
  }
  name()
  return { name, isPlugged: () => last !== undefined && existsSync(join(sys, 'bus/usb/devices', last)) }
}

/** What cannot be read is not there: the guard of reboots does not depend on it. */
function recall(path: string, log: Log): LadderMemory | undefined {
  try {
    const { boot, climb, cures, reboot } = JSON.parse(readFileSync(path, 'utf8')) as Partial<LadderMemory>
    const count = (value: unknown) => typeof value === 'number' && Number.isInteger(value) && value >= 0
    if (typeof boot !== 'string' || !count(climb) || !count(cures)) throw new Error('it makes no sense')
    if (reboot !== undefined && (typeof reboot.boot !== 'string' || !count(reboot.inRow) || !(reboot.at >= 0)))
      throw new Error('its reboot makes no sense')
    return { boot, climb: climb!, cures: cures!, ...(reboot && { reboot }) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn(`what was kept of the camera in ${path} is of no use and is begun anew: ${(error as Error).message}`)
    return undefined
  }
}

/**
 * The fan of a board, found in sysfs and driven through it: the fan file of JetPack 4, the hwmon of JetPack 5 and later, or
 * any PWM controller by its address.
 */
import { constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pwm } from '../ports.js'

export type PwmDriver = 'jetson' | 'hwmon' | 'pwmchip'

export interface PwmOptions {
  /** Mount point of sysfs. */
  readonly sysfs: string
  /** Folder of the fan's files, or the controller's address; "" looks in the usual places. */
  readonly path: string
  /** Of a controller. */
  readonly channel: number
  /** Of a controller, ns. */
  readonly periodNs: number
}

/** What of sysfs is the fan. */
export interface FanPlace {
  readonly driver: PwmDriver
  /** The folder of its files; of a controller its pwmchip. */
  readonly folder: string
  readonly tachometer?: string
}

/** JetPack 6 moved the platform's devices below a bus. */
const platforms = ['devices/platform', 'devices/platform/bus@0']
const tachometer = '39c0000.tachometer'
/** An exported channel's files appear when udev has seen it, ms. */
const exportMs = 1_000

const folders = (folder: string, name: RegExp): string[] => {
  try {
    return readdirSync(folder)
      .filter((entry) => name.test(entry))
      .sort()
      .map((entry) => join(folder, entry))
  } catch {
    return []
  }
}
const hwmons = (device: string) => folders(join(device, 'hwmon'), /^hwmon\d+$/)
const present = (file: string | undefined) => (file !== undefined && existsSync(file) ? file : undefined)

/** The fan that the driver means here, or undefined. */
export function findFan(driver: PwmDriver, { sysfs, path }: Pick<PwmOptions, 'sysfs' | 'path'>): FanPlace | undefined {
  const bases = platforms.map((base) => join(sysfs, base))
  const rpm = bases.flatMap((base) => hwmons(join(base, tachometer))).map((hwmon) => join(hwmon, 'rpm'))
  const withTachometer = (folder: string, own: string): FanPlace => {
    const found = [join(folder, own), ...rpm].find((file) => existsSync(file))
    return { driver, folder, ...(found !== undefined && { tachometer: found }) }
  }
  switch (driver) {
    case 'jetson': {
      const folder = path || join(sysfs, 'devices/pwm-fan')
      return existsSync(join(folder, 'target_pwm')) ? withTachometer(folder, 'rpm_measured') : undefined
    }
    case 'hwmon': {
      const looked = path ? [path] : bases.flatMap((base) => hwmons(join(base, 'pwm-fan')))
      const folder = looked.find((candidate) => existsSync(join(candidate, 'pwm1')))
      return folder === undefined ? undefined : withTachometer(folder, 'fan1_input')
    }
    case 'pwmchip': {
      if (path === '') return undefined
      const looked = path.startsWith('/')
        ? [path]
        : bases.flatMap((base) => folders(join(base, `${path}.pwm`, 'pwm'), /^pwmchip\d+$/))
      const folder = looked.find((candidate) => existsSync(join(candidate, 'export')))
      return folder === undefined ? undefined : withTachometer(folder, 'none')
    }
  }
}

/** The first of the boards' own fans that is here. */
export const findAnyFan = (options: Pick<PwmOptions, 'sysfs'>): FanPlace | undefined =>
  findFan('hwmon', { ...options, path: '' }) ?? findFan('jetson', { ...options, path: '' })

/** @throws Error of one line, with its remedy. */
export async function createSysfsPwm(place: FanPlace, options: PwmOptions): Promise<SysfsPwm> {
  const { file, full, enable, given } = await take(place, options)
  const rpm = present(place.tachometer)
  const lastWrites: readonly Write[] = [{ file, text: String(full) }, ...(given ? [given] : [])]
  return {
    place: file,
    farewell: given ? "goes back to the kernel's control" : 'stays at full speed',
    lastWrites,
    async drive(percent) {
      const share = Math.min(100, Math.max(0, percent)) / 100
      await put(file, String(Math.round(full * share)))
      await enable?.()
    },
    async rpm() {
      if (rpm === undefined) return undefined
      const text = await readFile(rpm, 'utf8').catch(() => '')
      return /^\d+\s*$/.test(text) ? Number(text) : undefined
    },
    async release() {
      for (const { file, text } of lastWrites) await put(file, text)
    },
  }
}

export interface Write {
  readonly file: string
  readonly text: string
}

export interface SysfsPwm extends Pwm {
  /** What `release` writes, for whoever must do it when this process cannot. */
  readonly lastWrites: readonly Write[]
}

interface Taken {
  /** Takes a number up to `full`. */
  readonly file: string
  readonly full: number
  /** After each write: a controller that somebody switched off is on again. */
  readonly enable?: () => Promise<void>
  /** Gives the fan back to who had it, after it was set to full speed. */
  readonly given?: Write
}

/** Both of the boards' own drivers count to 255. */
const most = 255

async function take({ driver, folder }: FanPlace, options: PwmOptions): Promise<Taken> {
  if (driver === 'hwmon') return { file: join(folder, 'pwm1'), full: most }
  if (driver === 'pwmchip') return takeChannel(folder, options)
  // The kernel's own control of JetPack 4, where it is there: it would write over what we ask for.
  const control = present(join(folder, 'temp_control'))
  const file = join(folder, 'target_pwm')
  if (control === undefined) return { file, full: most }
  const given = { file: control, text: readFileSync(control, 'utf8').trim() }
  await put(control, '0')
  return { file, full: most, given }
}

/** https://docs.kernel.org/driver-api/pwm.html#using-pwms-with-the-sysfs-interface */
async function takeChannel(folder: string, { channel, periodNs }: PwmOptions): Promise<Taken> {
  const pwm = join(folder, `pwm${channel}`)
  if (!existsSync(pwm)) await put(join(folder, 'export'), String(channel))
  for (let waited = 0; !existsSync(join(pwm, 'period')); waited += 20) {
    if (waited >= exportMs) throw new Error(`${pwm} did not appear; check fan.channel and the pinmux`)
    await sleep(20)
  }
  // A duty longer than the new period would be refused.
  await put(join(pwm, 'duty_cycle'), '0').catch(() => {})
  await put(join(pwm, 'period'), String(periodNs))
  return { file: join(pwm, 'duty_cycle'), full: periodNs, enable: () => put(join(pwm, 'enable'), '1') }
}

async function put(file: string, text: string): Promise<void> {
  try {
    // Never made: a missing file of sysfs is a driver that is gone.
    await writeFile(file, text, { flag: constants.O_WRONLY | constants.O_TRUNC })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const remedy = code === 'EACCES' || code === 'EPERM' ? 'run as root, or set fan.driver to none' : 'check fan.path'
    throw new Error(`the fan cannot be driven: ${file}: ${code}; ${remedy}`, { cause: error })
  }
}

/** Whether NVIDIA's own fan service runs: its control group (version 2 or 1) holds processes. */
export function nvfancontrolRuns(sysfs: string): boolean {
  return ['fs/cgroup', 'fs/cgroup/systemd', 'fs/cgroup/unified'].some((group) => {
    try {
      return /\d/.test(readFileSync(join(sysfs, group, 'system.slice/nvfancontrol.service/cgroup.procs'), 'utf8'))
    } catch {
      return false
    }
  })
}

/** A disk that is to be mounted and is not: its mount point is an empty folder, or one with what was true before it came. */
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { realPath } from './real-path.js'

/**
 * The mount point that `path` is on by /etc/fstab, where nothing is mounted; undefined else. Told by the device of a folder, since
 * systemd's ReadWritePaths= is a mount, too. Bind mounts keep the device, and are not looked at. A line with `noauto` counts: a disk
 * that somebody opens by hand.
 * @param table in the form of fstab(5).
 */
export function awaitedMount(path: string, table = readTable()): string | undefined {
  const target = realPath(resolve(path))
  return mountPoints(table).find((point) => `${target}/`.startsWith(`${point}/`) && !isMounted(point))
}

/** What is wrong there, for a line that goes on with its remedy. */
export const notMounted = (point: string): string => `${point} is in /etc/fstab, and nothing is mounted there`

function mountPoints(table: string): string[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([source = '#', point = '', type = '', options = '']) => {
      const isBound = options.split(',').some((option) => option === 'bind' || option === 'rbind')
      return !source.startsWith('#') && point.startsWith('/') && type !== 'swap' && !isBound
    })
    .map(([, point]) => unescaped(point!))
    .map((point) => realPath(resolve(point)))
    .filter((point) => point !== '/')
}

/** True where it cannot be told: then other faults speak. */
function isMounted(point: string): boolean {
  try {
    const here = statSync(point)
    const above = statSync(dirname(point))
    return here.dev !== above.dev || isWhole(point)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** Whether the root of a file system is mounted there: also one that is mounted above it, too. A bind mount shows a folder of one. */
const isWhole = (point: string): boolean =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .some(([, , , root, at]) => root === '/' && at !== undefined && unescaped(at) === point)

const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))

function readTable(): string {
  try {
    return readFileSync('/etc/fstab', 'utf8')
  } catch {
    return ''
  }
}

/** A disk that is to be mounted and is not: its mount point is an empty folder, or one with what was true before it came. */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * The mount point that `path` is on by /etc/fstab, where nothing is mounted; undefined else. Told by the device of a folder, not by
 * mountinfo: there systemd's ReadWritePaths= is a mount, too. Bind mounts keep the device, and are not looked at.
 * @param table in the form of fstab(5).
 */
export function awaitedMount(path: string, table = readTable()): string | undefined {
  const target = realPath(resolve(path))
  return mountPoints(table).find((point) => `${target}/`.startsWith(`${point}/`) && !isMounted(point))
}

function mountPoints(table: string): string[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([source = '#', point = '', type = '', options = '']) => {
      const isBound = options.split(',').some((option) => option === 'bind' || option === 'rbind')
      return !source.startsWith('#') && point.startsWith('/') && type !== 'swap' && !isBound
    })
    .map(([, point]) => point!.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))))
    .map((point) => resolve(point))
    .filter((point) => point !== '/')
}

/** True where it cannot be told: then other faults speak. */
function isMounted(point: string): boolean {
  try {
    const here = statSync(point)
    const above = statSync(dirname(point))
    return here.dev !== above.dev
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** Links followed as far as there is something. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : resolve(realPath(above), path.slice(above === '/' ? 1 : above.length + 1))
  }
}

function readTable(): string {
  try {
    return readFileSync('/etc/fstab', 'utf8')
  } catch {
    return ''
  }
}

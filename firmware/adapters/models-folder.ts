/** Care of the folder of models. */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Written under such a name and renamed when whole: NAME.PID.tmp, with or without a dot before it. */
const unfinished = /\.(\d+)\.tmp$/

/**
 * Takes away what commands that were killed left half written. What another one writes now stays.
 * @returns names of the files. A folder that is not there, or may not be written, is the command's own to complain about.
 */
export function removeStale(folder: string): string[] {
  try {
    const stale = readdirSync(folder).filter((name) => {
      const pid = unfinished.exec(name)?.[1]
      return pid !== undefined && !isAlive(Number(pid))
    })
    for (const name of stale) rmSync(join(folder, name), { force: true })
    return stale
  } catch {
    return []
  }
}

/** This process has written nothing yet: what has its id is of one before it. */
function isAlive(pid: number): boolean {
  if (pid === process.pid || pid === 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

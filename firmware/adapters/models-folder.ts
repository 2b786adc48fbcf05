/** Care of the folder of models. */
import { readdirSync, rmSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolderAside } from '../durable-file.js'

/** Written under such a name and renamed when whole: NAME.PID.tmp, with or without a dot before it. */
const unfinished = /\.(\d+)\.tmp$/

/**
 * The file appears under its name only when it is whole and on the disk.
 * @param fill writes a file of this name into the folder, and answers what is wrong with it.
 * @returns that: it is left out then.
 */
export async function placeWhole(
  folder: string,
  file: string,
  fill: (temporary: string) => Promise<string | undefined>,
): Promise<string | undefined> {
  const temporary = `.${file}.${process.pid}.tmp`
  const path = join(folder, temporary)
  try {
    const fault = await fill(temporary)
    if (fault !== undefined) return fault
    const written = await open(path, 'r')
    await written.sync().finally(() => written.close())
    await rename(path, join(folder, file))
    await syncFolderAside(path)
    return undefined
  } finally {
    await rm(path, { force: true })
  }
}

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

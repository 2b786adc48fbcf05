/**
 * What a store leaves beside itself, so that one that is gone or empty is not taken for one that never was: whoever presses
 * the enrol button first at a new door is enrolled.
 *
 * A first start makes the file, its header, the tables and only then anything of this; cut off in between, it is still
 * the first start.
 */
import { statSync } from 'node:fs'
import { listBackups, listSetAside } from './store-backup.js'
import { codeOf } from './store-errors.js'
import { forgottenFile } from './store-salvage.js'

/** Whether there was a store at that path. What cannot be looked at counts as yes. */
export function hadStore(path: string, backups: string): boolean {
  try {
    return (
      sizeOf(`${path}.key`) !== undefined ||
      sizeOf(forgottenFile(path)) !== undefined ||
      // A header is on the disk before there is a journal. In this order: another process may be making the file.
      (isFilled(`${path}-wal`) && !isFilled(path)) ||
      listSetAside(path).length > 0 ||
      listBackups(backups).length > 0
    )
  } catch {
    return true
  }
}

/** Bytes; undefined where nothing is. @throws what the file system says else: not seeing a file is not its absence. */
export function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

const isFilled = (path: string) => (sizeOf(path) ?? 0) > 0

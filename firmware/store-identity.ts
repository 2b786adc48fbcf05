/** A store by a word that fits into a socket's name: what processes of this machine agree on. */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** 32 hexadecimal digits, the same for every way to write the path; the file itself may not be there yet. */
export const storeIdentity = (path: string) => createHash('sha256').update(canonical(path)).digest('hex').slice(0, 32)

function canonical(path: string): string {
  const absolute = resolve(path)
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute))
  } catch {
    return absolute
  }
}

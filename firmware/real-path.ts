import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** An absolute path, its links followed as far as there is something. */
export function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const folder = dirname(path)
    return folder === path ? path : join(realPath(folder), path.slice(folder.length))
  }
}

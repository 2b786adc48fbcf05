/** Keeps the door's mode over a restart and a power cut: one word in a file that is replaced, never rewritten. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { awaitedMount, notMounted } from '../awaited-mount.js'
import { writeDurably } from '../durable-file.js'
import type { Log, ModeKeeper } from '../ports.js'

type KeptMode = 'normal' | 'lockdown'

export interface ModeFile extends ModeKeeper {
  readonly kept: KeptMode
  /** The kept mode, where it could not be read at the start and can be now; undefined once another one was set. */
  late(): KeptMode | undefined
}

/** A file that is there and makes no sense counts as lockdown: it may have said so. */
export function openModeFile(path: string, log: Log): ModeFile {
  const first = read(path, log)
  let isUnread = first === undefined
  if (isUnread) log.error(`the kept mode ${path} cannot be read: the door starts in lockdown; set the mode anew`)
  return {
    kept: first ?? 'lockdown',
    keep: (mode) => {
      const point = awaitedMount(path)
      if (point !== undefined) throw new Error(notMounted(point))
      isUnread = false
      writeDurably(path, `${mode}\n`)
    },
    late() {
      const mode = isUnread ? read(path, log) : undefined
      if (mode !== undefined) isUnread = false
      return mode
    },
  }
}

/** Undefined where nobody can tell whether there is a file, and what it says. */
function read(path: string, log: Log): KeptMode | undefined {
  // What lies in the place of a disk may be older than what it says.
  if (awaitedMount(path) !== undefined) return undefined
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A folder that is missing may be mounted later.
    return code === 'ENOENT' && existsSync(dirname(path)) ? 'normal' : undefined
  }
  if (text === 'normal' || text === 'lockdown') return text
  log.error(`the kept mode ${path} is damaged: the door starts in lockdown; set the mode anew, or remove the file`)
  return 'lockdown'
}

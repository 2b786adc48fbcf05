/** Keeps the door's mode over a restart and a power cut: one word in a file that is replaced, never rewritten. */
import { readFileSync } from 'node:fs'
import { writeDurably } from '../durable-file.js'
import type { Log, ModeKeeper } from '../ports.js'

/** A file that is there and makes no sense counts as lockdown: it may have said so. */
export function openModeFile(path: string, log: Log): ModeKeeper & { readonly kept: 'normal' | 'lockdown' } {
  return {
    kept: read(path, log),
    keep: (mode) => writeDurably(path, `${mode}\n`),
  }
}

function read(path: string, log: Log): 'normal' | 'lockdown' {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return 'normal'
    log.error(`the kept mode ${path} cannot be read (${code}): the door starts in lockdown; set the mode anew`)
    return 'lockdown'
  }
  if (text === 'normal' || text === 'lockdown') return text
  log.error(`the kept mode ${path} is damaged: the door starts in lockdown; set the mode anew, or remove the file`)
  return 'lockdown'
}

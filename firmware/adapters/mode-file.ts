/** Keeps the door's mode over a restart and a power cut: one word in a file that is replaced, never rewritten. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Log, ModeKeeper } from '../ports.js'

/** A file that is there and makes no sense counts as lockdown: it may have said so. */
export function openModeFile(path: string, log: Log): ModeKeeper & { readonly kept: 'normal' | 'lockdown' } {
  return {
    kept: read(path, log),
    keep(mode) {
      const fresh = `${path}.new`
      mkdirSync(dirname(path), { recursive: true })
      const file = openSync(fresh, 'w', 0o600)
      try {
        writeSync(file, `${mode}\n`)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(fresh, path)
      // The new name is durable once the folder is.
      const folder = openSync(dirname(path), 'r')
      try {
        fsyncSync(folder)
      } finally {
        closeSync(folder)
      }
    },
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

/**
 * Small files that survive a power cut: replaced, never rewritten. Their folder is not made: one that is missing may be
 * mounted later.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Durable when it returns: the old content or the new one is there, never part of it. Throws what the system says. */
export function writeDurably(path: string, text: string, mode = 0o600): void {
  const fresh = `${path}.new`
  const file = openSync(fresh, 'w', mode)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(fresh, path)
  syncFolder(path)
}

/** A new name is on the disk once its folder is. */
export function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** The same for who cannot wait: a card that hangs for seconds must not hold up the exit button. One at a time. */
export async function writeDurablyAside(path: string, text: string, mode = 0o600): Promise<void> {
  const fresh = `${path}.new`
  const file = await open(fresh, 'w', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, path)
  await syncFolderAside(path)
}

export async function syncFolderAside(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r')
  await folder.sync().finally(() => folder.close())
}

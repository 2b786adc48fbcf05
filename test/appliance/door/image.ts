/** A disk of the machine while it is off, read and changed with e2fsprogs: nothing is mounted. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Owner, temporaryDirectory } from '../../support/temp.js'

/** Puts a file in the place of another. */
export function putFile(t: Owner, image: string, path: string, text: string): void {
  const file = join(temporaryDirectory(t), 'file')
  writeFileSync(file, text, { mode: 0o644 })
  debugfs(image, '-w', `rm ${path}`)
  debugfs(image, '-w', `write ${file} ${path}`)
  if (!debugfs(image, `stat ${path}`).includes('Type: regular')) throw new Error(`${path} could not be written`)
}

export interface Recovered {
  /** A copy of the folder that was asked for, as the next boot will find it. */
  readonly folder: string
  /** What e2fsck had to repair once the journal was replayed; nothing on a file system that keeps its word. */
  readonly repaired: readonly string[]
}

/** What e2fsck says of a whole file system. The sums of free blocks are no part of the journal: the kernel counts anew. */
const usual = /^(Pass \d|Free (blocks|inodes) count wrong|Fix\? yes|.*FILE SYSTEM WAS MODIFIED|.* files \(.* blocks$)/

/** Replays a copy's journal, looks at the whole file system, and takes a folder out of it. */
export function recoverFolder(t: Owner, image: string, path: string): Recovered {
  const place = temporaryDirectory(t)
  const copy = join(place, 'image')
  if (spawnSync('cp', ['--sparse=always', image, copy]).status !== 0) throw new Error('the disk could not be copied')
  // The first run replays the journal, as mounting does; the second one then has nothing to do.
  spawnSync('e2fsck', ['-p', '-E', 'journal_only', copy])
  const { stdout } = spawnSync('e2fsck', ['-f', '-y', copy], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  const repaired = stdout.split('\n').filter((row) => row !== '' && !usual.test(row))
  const folder = join(place, 'found')
  mkdirSync(folder)
  debugfs(copy, `rdump ${path} ${folder}`)
  rmSync(copy)
  return { folder, repaired }
}

function debugfs(image: string, ...command: string[]): string {
  const [request, ...options] = [...command].reverse()
  const { status, stdout, stderr } = spawnSync('debugfs', [...options, '-R', request!, image], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`debugfs ${request}: ${stderr}`)
  return stdout
}

/** What SQLite and the file system say, in words for people: one line with its remedy. */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { awaitedMount, notMounted } from '../awaited-mount.js'
import { StoreError, type StoreErrorCode } from '../ports.js'

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code)

const remedy = 'stop facelatch and run "facelatch store restore"; without a backup, move this file away and begin anew'

/** `reason`: SQLite's, which may have several lines. */
export function corrupt(path: string, reason: string): StoreError {
  const inOneLine = reason.trim().replace(/\s*\n\s*/g, '; ')
  return new StoreError('corrupt', `store ${path}: is damaged (${inOneLine}): ${remedy}`)
}

/** @throws StoreError where its disk is not mounted: what lies in its place is another store or its backups, or would become that. */
export function expectMounted(path: string, what: 'store' | 'backups' = 'store'): void {
  const point = awaitedMount(path)
  if (point === undefined) return
  const remedy = 'mount it, then: systemctl restart facelatch; or take it out of /etc/fstab'
  throw new StoreError('missing', `${what} ${path}: ${notMounted(point)}: ${remedy}`)
}

/** For whoever is just doing that. */
export const withoutRemedy = (message: string): string => message.replace(`: ${remedy}`, '')

/** Codes of SQLite and of the file system; the rest is a fault of the program and stays as it is. */
export function inWords(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error
  const because = (code: StoreErrorCode, text: string) =>
    new StoreError(code, `store ${path}: ${text}`, { cause: error })
  const code = codeOf(error)
  if (code === 'EROFS' || (mayBeFrozen.includes(code) && isFrozen(path)))
    return because('io', 'its file system is read-only: check it and mount it writable again, or correct store.path')
  switch (code) {
    case 'SQLITE_NOTADB':
    case 'SQLITE_CORRUPT':
      return corrupt(path, error.message)
    case 'SQLITE_FULL':
    case 'ENOSPC':
    case 'EDQUOT':
      return because('full', 'the disk is full: make room on it')
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED':
      return because('locked', 'another program keeps it locked: end that program or try again')
    case 'SQLITE_CANTOPEN':
      if (!existsSync(path)) return because('missing', 'is gone: restart facelatch or correct store.path')
      return because(
        'readonly',
        'cannot be opened: let this user write the file, its -wal and -shm and their directory',
      )
    case 'SQLITE_READONLY':
    case 'SQLITE_PERM':
    case 'EACCES':
    case 'EPERM':
      return because('readonly', 'cannot be written: let this user write the file and its directory')
    case 'EISDIR':
    case 'ENOTDIR':
    case 'EEXIST':
      return because('missing', `is no file (${error.message}): correct store.path`)
    case 'ENOENT':
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return because('missing', `cannot be made there (${code}): correct store.path`)
    case 'SQLITE_IOERR':
    case 'EIO':
      // SQLite's shared memory file says nothing better when there is no room for it.
      if (!hasRoom(path)) return because('full', 'the disk is full: make room on it')
      return because('io', `the disk fails (${error.message}): look at the kernel log and replace it`)
    default:
      return code.startsWith('SQLITE_') ? because('io', `${error.message}: report this`) : error
  }
}

/** What SQLite says of a file system that turned read-only, among other things. */
const mayBeFrozen: readonly string[] = ['SQLITE_READONLY', 'SQLITE_CANTOPEN', 'SQLITE_IOERR']

/** ext4 does that to itself after an error: https://docs.kernel.org/admin-guide/ext4.html, `errors=remount-ro` */
function isFrozen(path: string): boolean {
  try {
    accessSync(dirname(path), constants.W_OK)
    return false
  } catch (error) {
    return codeOf(error) === 'EROFS'
  }
}

/** For the least that SQLite needs beside a database: its shared memory file. */
function hasRoom(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize >= 65_536
  } catch {
    return true
  }
}

/** Where a report goes: looked at before an evaluation that takes hours, written after it. */
import { accessSync, constants, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { UserError } from '../app/errors.js'

/** @throws UserError where the report could not be written. */
export function expectReport(file: string | undefined): void {
  if (file === undefined) return
  try {
    const there = statSync(file, { throwIfNoEntry: false })
    if (there?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
    accessSync(there ? file : dirname(file), constants.W_OK)
    if (!there && !statSync(dirname(file)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' })
  } catch (error) {
    throw unwritable(file, error)
  }
}

export function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (error) {
    throw unwritable(file, error)
  }
}

const unwritable = (file: string, error: unknown) =>
  new UserError(`cannot write the report ${file} (${(error as NodeJS.ErrnoException).code}); check --report`)

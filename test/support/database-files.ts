/** What lies in the files of a folder, byte for byte. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Names of the files, at any depth, that hold the bytes; text also as UTF-16. */
export function filesWith(folder: string, wanted: Buffer | string): string[] {
  const needles = typeof wanted === 'string' ? [Buffer.from(wanted, 'utf8'), Buffer.from(wanted, 'utf16le')] : [wanted]
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const file = join(folder, name)
    if (!statSync(file).isFile()) return false
    const bytes = readFileSync(file)
    return needles.some((needle) => bytes.includes(needle))
  })
}

/** Follows the rules file: told once at the start and after each change, when nobody is writing it any more. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { RulesText } from '../ports.js'

/** How often the file is looked at, ms. Polled, since a file that an editor replaces is another file for inotify. */
const everyMs = 500
const mostBytes = 1 << 20

export interface RulesFile {
  /** What it says now. */
  read(): Promise<RulesText>
  /** Calls back after each change; answers how to stop. */
  follow(changed: (file: RulesText) => void): () => void
}

/** The same for a command, which has nothing else to do, and a remedy of its own. */
export function readRulesText(path: string): RulesText {
  try {
    return decode(path, readFileSync(path))
  } catch (error) {
    return { problem: unreadable(path, error) }
  }
}

/** @throws TypeError where it is not UTF-8. */
function decode(path: string, bytes: Buffer): RulesText {
  if (bytes.length > mostBytes) return { problem: `${path} has more than ${mostBytes} bytes; is it the right file?` }
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  return { text, digest: createHash('sha256').update(bytes).digest('hex').slice(0, 16) }
}

function unreadable(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : (code ?? message)
  return `${path} cannot be read (${why})`
}

export function rulesFile(path: string): RulesFile {
  const look = async (): Promise<string> => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
      return [ino, size, mtimeNs, ctimeNs].join(' ')
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? 'unreadable'
    }
  }
  const read = async (): Promise<RulesText> => {
    try {
      return decode(path, await readFile(path))
    } catch (error) {
      return { problem: `${unreadable(path, error)}; correct access.rulesFile or the file` }
    }
  }
  let told: string | undefined
  return {
    async read() {
      told = await look()
      return read()
    },
    follow(changed) {
      let seen = told
      const timer = setInterval(async () => {
        const now = await look()
        // Told only once it looks the same twice: in between somebody may be writing.
        const settled = now === seen
        seen = now
        if (!settled || now === told) return
        told = now
        changed(await read())
      }, everyMs)
      return () => clearInterval(timer)
    },
  }
}

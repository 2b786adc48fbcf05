/** What most contract tests need around them: a directory of their own, a log that can be read, and patience. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log, LogFields } from '../../firmware/ports.js'

/** The part of tap's test that clean-up needs. */
export interface Owner {
  teardown(clean: () => unknown): void
}

/** A fresh directory, gone after the test. Short, since a Unix socket's path may have 107 bytes only. */
export function temporaryDirectory(t: Owner): string {
  const path = mkdtempSync(join(tmpdir(), 'facelatch-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface MemoryLog extends Log {
  /** `warn: message {"key":"value"}`, oldest first; without what is at `debug`. */
  readonly lines: readonly string[]
}

export function memoryLog(): MemoryLog {
  const lines: string[] = []
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      lines.push(`${level}: ${message} ${JSON.stringify(fields)}`)
    }
  return { lines, debug: () => {}, info: at('info'), warn: at('warn'), error: at('error') }
}

/** An emulated processor (test/appliance) on a busy machine loads the nets for minutes. */
const never = process.env.TEST_BENCH === 'gpio-sim' ? 600 : 90

/** Waits for something that other processes do; gives up only when it will never come. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = never): Promise<void> {
  for (let tries = 0; tries < seconds * 100; tries++) {
    if (await holds()) return
    await sleep(10)
  }
  throw new Error(`waited in vain until ${what}`)
}

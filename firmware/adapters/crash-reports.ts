/**
 * What was going on when a part of the program died: one JSON file a crash, without pictures, embeddings, names or
 * passwords, so that it can be sent to whoever mends it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { freemem, loadavg, totalmem, uptime } from 'node:os'
import { join } from 'node:path'
import { withoutPasswords } from '../domain/addresses.js'
import { writeDurably } from '../durable-file.js'

export interface CrashReport {
  readonly path: string
  readonly at: string
  readonly part: string
  readonly reason: string
}

export interface CrashReports {
  /** Synchronous, for a process in its last moment. Never throws. The same crash is written once an hour. */
  write(part: string, reason: string, stack?: string): void
}

export interface CrashReportOptions {
  readonly folder: string
  readonly now: () => Date
  /** What else is worth knowing; names and secrets in it are taken out here. */
  readonly facts: () => object
}

const kept = 10
const sameAgainMs = 3_600_000
const pattern = /^\d{8}T\d{9}Z-[a-z]+\.json$/
/** Values of these fields are people's names, or would be. */
const namesPeople = new Set(['person', 'persons', 'admin', 'admins', 'people_names', 'payload'])

export function createCrashReports({ folder, now, facts }: CrashReportOptions): CrashReports {
  const written = new Map<string, number>()
  removeDrafts(folder)
  return {
    write(part, reason, stack) {
      let draft: string | undefined
      try {
        const at = now()
        const last = written.get(part + reason)
        if (last !== undefined && Math.abs(at.getTime() - last) < sameAgainMs) return
        written.set(part + reason, at.getTime())
        makeFolder(folder)
        const report = { at: at.toISOString(), part, reason, ...(stack && { stack }), machine: machine(), ...facts() }
        const name = `${at.toISOString().replace(/[-:.]/g, '')}-${part}.json`
        const path = join(folder, name)
        draft = `${path}.new`
        writeFileSync(draft, `${JSON.stringify(report, withoutNames, 2)}\n`, { mode: 0o600 })
        renameSync(draft, path)
        // Not the new one: a board that has not got its time yet calls it the oldest.
        const others = files(folder).filter((other) => other !== name)
        for (const old of others.slice(0, 1 - kept)) rmSync(join(folder, old), { force: true })
      } catch {
        // Nothing is worth more than the door that goes on, or the end that is under way.
        if (draft !== undefined) tryTo(() => rmSync(draft!, { force: true }))
      }
    },
  }
}

/** Oldest first. */
export function crashReports(folder: string): CrashReport[] {
  return files(folder).flatMap((name) => {
    const path = join(folder, name)
    try {
      const { at, part, reason } = JSON.parse(readFileSync(path, 'utf8'))
      return [{ path, at, part, reason }]
    } catch {
      return [] // Being written, or cut short with the power.
    }
  })
}

/** What a power cut, or a full disk, left half written. */
function removeDrafts(folder: string): void {
  tryTo(() => {
    for (const name of readdirSync(folder))
      if (name.endsWith('.new') && pattern.test(name.slice(0, -'.new'.length)))
        rmSync(join(folder, name), { force: true })
  })
}

function tryTo(deed: () => void): void {
  try {
    deed()
  } catch {}
}

/** Its parent is the store's own folder. Not `recursive`, which never ends below /proc. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function files(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort()
  } catch {
    return []
  }
}

const withoutNames = (key: string, value: unknown): unknown => {
  if (namesPeople.has(key)) return value === null || typeof value === 'number' ? value : '(left out)'
  return typeof value === 'string' ? withoutPasswords(value) : value
}

const machine = () => ({
  node: process.version,
  arch: process.arch,
  kernel: read('/proc/version'),
  board: read('/proc/device-tree/model'),
  uptimeSeconds: Math.round(uptime()),
  load: loadavg(),
  memory: { total: totalmem(), free: freemem(), ...process.memoryUsage() },
})

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replaceAll('\0', '').trim()
  } catch {
    return undefined
  }
}

/** How the last run ended, as far as the file that it left shows. */
export type LastEnd = 'killed' | 'power_cut' | undefined

/**
 * Leaves a mark that only an orderly end takes away. `lastEnd`: how the run before ended if not in order. Where nothing
 * can be written nothing is known.
 */
export function markRunning(path: string): { readonly lastEnd: LastEnd; clear(): void } {
  const boot = read('/proc/sys/kernel/random/boot_id') ?? ''
  const left = read(path)
  try {
    // On the disk before anything happens: a cut a second later must be told, too.
    writeDurably(path, `${boot}\n`)
  } catch {}
  return {
    lastEnd: left === undefined ? undefined : left === boot ? 'killed' : 'power_cut',
    clear: () => {
      try {
        rmSync(path, { force: true })
      } catch {}
    },
  }
}

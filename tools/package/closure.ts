/** Which npm packages the installed program needs: package-lock.json in, folders of node_modules out. */

export interface LockEntry {
  readonly version?: string
  readonly integrity?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}
export type Lock = Readonly<Record<string, LockEntry>>

/** Dependencies that only build or fetch what the package brings built: dependent, and what it does not need. */
const buildOnly: Readonly<Record<string, readonly string[]>> = {
  sqlite3: ['prebuild-install', 'tar', 'node-addon-api', 'node-gyp'],
  epoll: ['nan'],
}

/** Its library is loaded by the addon; its JavaScript is for tests. */
export const libraryOnly = 'onnxruntime-node'

/** @returns keys of the lock such as `node_modules/mqtt`, sorted. @throws for a dependency that the lock lacks. */
export function closure(lock: Lock, cpu: string): string[] {
  const found = new Set<string>()
  const visit = (name: string, from: string, optional: boolean): void => {
    const key = resolve(lock, name, from)
    const entry = key === undefined ? undefined : lock[key]
    if (key === undefined || entry === undefined) {
      if (optional) return
      throw new Error(
        `package-lock.json has no ${name}, which ${from || 'facelatch'} needs; run: npm install --package-lock-only`,
      )
    }
    if (found.has(key) || !fits(entry, cpu)) return
    found.add(key)
    const skipped = buildOnly[name] ?? []
    const follow = (names: object | undefined, weak: boolean) => {
      for (const next of Object.keys(names ?? {}))
        if (!skipped.includes(next) && !next.startsWith('@types/')) visit(next, key, weak)
    }
    follow(entry.dependencies, false)
    follow(entry.optionalDependencies, true)
  }
  for (const name of Object.keys(lock['']?.dependencies ?? {})) if (name !== libraryOnly) visit(name, '', false)
  return [...found].sort()
}

/** As Node looks for it: beside the dependent first, then ever further out. */
function resolve(lock: Lock, name: string, from: string): string | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const key = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (lock[key]) return key
    if (at === '') return undefined
  }
}

/** Packages for every machine name no processor; of those for WebAssembly, which do neither, none is wanted. */
const fits = ({ os, cpu, libc }: LockEntry, wanted: string): boolean =>
  (os?.includes('linux') ?? true) && (cpu?.includes(wanted) ?? true) && (libc?.includes('glibc') ?? true)

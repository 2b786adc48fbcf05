/** What the package's binaries need of the system, read from the binaries. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import { basename, join } from 'node:path'
import { filesOf } from './contents.js'

/** Which Debian package has a library; Ubuntu 24.04 renamed what 64-bit time_t changed. */
const libraries: Readonly<Record<string, string>> = {
  'libstdc++.so.6': 'libstdc++6',
  'libgcc_s.so.1': 'libgcc-s1',
  'libgstreamer-1.0.so.0': 'libgstreamer1.0-0 (>= 1.14)',
  'libgstapp-1.0.so.0': 'libgstreamer-plugins-base1.0-0 (>= 1.14)',
  'libgstvideo-1.0.so.0': 'libgstreamer-plugins-base1.0-0 (>= 1.14)',
  'libgstbase-1.0.so.0': 'libgstreamer1.0-0 (>= 1.14)',
  'libglib-2.0.so.0': 'libglib2.0-0 | libglib2.0-0t64',
  'libgobject-2.0.so.0': 'libglib2.0-0 | libglib2.0-0t64',
}
const fromGlibc = /^(libc|libm|libdl|libpthread|libresolv|librt|ld-linux-(x86-64|aarch64))\.so\.\d$/

export interface Needs {
  /** For the field Depends. */
  readonly depends: readonly string[]
  /** Least version of glibc. */
  readonly glibc: string
}

/** @throws for a library that neither the package nor a known Debian package has. */
export function needs(tree: string): Needs {
  const files = [...filesOf(tree)].map((path) => join(tree, path)).filter(isElf)
  const own = new Set(files.map((file) => basename(file)))
  const depends = new Set<string>()
  let glibc = '2.17'
  for (const file of files) {
    const said = execFileSync('readelf', ['--wide', '--dynamic', '--version-info', file], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, LC_ALL: 'C' },
    })
    for (const [, library] of said.matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
      if (own.has(library!) || fromGlibc.test(library!)) continue
      const found = libraries[library!]
      if (!found) throw new Error(`${file} needs ${library}; say in tools/package/needs.ts which Debian package has it`)
      depends.add(found)
    }
    for (const [, version] of said.matchAll(/Name: GLIBC_([\d.]+)/g)) if (later(version!, glibc)) glibc = version!
  }
  return { depends: [`libc6 (>= ${glibc})`, ...[...depends].sort()], glibc }
}

function later(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number))
  const at = left!.findIndex((number, index) => number !== (right![index] ?? 0))
  return at !== -1 && left![at]! > (right![at] ?? 0)
}

function isElf(file: string): boolean {
  const head = Buffer.alloc(4)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, head, 0, 4, 0)
  } finally {
    closeSync(descriptor)
  }
  return head.equals(Buffer.from('\x7fELF', 'latin1'))
}

/** From a tree of files to a Debian package: control files filled in, everything owned by root, packed by dpkg-deb. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesOf } from './contents.js'
import { needs } from './needs.js'
import { type Architecture, nodeVersion } from './node.js'

export interface DebOptions {
  readonly root: string
  readonly version: string
  readonly architecture: Architecture
  /** Compresses little, for tests. */
  readonly fast: boolean
  readonly out: string
}

const scripts = ['preinst', 'postinst', 'prerm', 'postrm']

/** @returns sizes in bytes, packed and installed. */
export function packDeb(tree: string, options: DebOptions): { packed: number; installed: number; glibc: string } {
  const { root, version, architecture, fast, out } = options
  const { depends, glibc } = needs(tree)
  const files = [...filesOf(tree)].filter((path) => !path.startsWith('DEBIAN/')).sort()
  const installed = files.reduce((sum, path) => sum + statSync(join(tree, path)).size, 0)
  const values: Record<string, string> = {
    VERSION: version,
    ARCHITECTURE: architecture,
    SIZE: String(Math.ceil(installed / 1024)),
    DEPENDS: depends.join(', '),
    GLIBC: glibc,
    NODE: nodeVersion.split('.')[0]!,
    UNITS: enabledUnits(tree).join(' '),
  }
  const control = join(tree, 'DEBIAN')
  mkdirSync(control, { recursive: true })
  for (const name of ['control', ...scripts]) {
    const text = readFileSync(join(root, 'packaging', name), 'utf8').replace(/@([A-Z]+)@/g, (_, key: string) => {
      const value = values[key]
      if (value === undefined) throw new Error(`packaging/${name} asks for @${key}@, which nobody knows`)
      return value
    })
    writeFileSync(join(control, name), text)
    if (name !== 'control') chmodSync(join(control, name), 0o755)
  }
  writeFileSync(join(control, 'conffiles'), '/etc/facelatch/config.json\n')
  const sums = files
    .filter((path) => !path.startsWith('etc/'))
    .map(
      (path) =>
        `${createHash('md5')
          .update(readFileSync(join(tree, path)))
          .digest('hex')}  ${path}\n`,
    )
  writeFileSync(join(control, 'md5sums'), sums.join(''))
  // What a person's umask left out would be closed to the service.
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', tree])
  execFileSync('dpkg-deb', ['--root-owner-group', ...(fast ? ['-Zgzip', '-z1'] : ['-Zxz']), '--build', tree, out], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return { packed: statSync(out).size, installed, glibc }
}

/** Units that say by [Install] that they are to be enabled. */
function enabledUnits(tree: string): string[] {
  const folder = join(tree, 'usr/lib/systemd/system')
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && readFileSync(join(folder, entry.name), 'utf8').includes('\n[Install]'))
    .map(({ name }) => name)
    .sort()
}

/** The Node runtime inside the package, and other packages of npm that are made for another processor than this one. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Debian's name of an architecture, and Node's. */
export const architectures = { amd64: 'x64', arm64: 'arm64' } as const
export type Architecture = keyof typeof architectures

/**
 * Node 24, kept until April 2028 (nodejs/Release). These npm packages hold the binaries of nodejs.org, with their headers;
 * they ask for glibc 2.28 and kernel 4.18, so for JetPack 5 or later.
 */
export const nodeVersion = '24.21.0'
const nodeIntegrity: Record<Architecture, string> = {
  amd64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  arm64: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
}

/** Folder with `bin/node` and `include/node`. */
export const fetchNode = (architecture: Architecture, cache: string): string =>
  fetchPackage(`node-linux-${architectures[architecture]}`, nodeVersion, nodeIntegrity[architecture], cache)

/** Unpacks a package of npm into the cache, once. @throws when it is not the one whose sha512 is given. */
export function fetchPackage(name: string, version: string, integrity: string, cache: string): string {
  const folder = join(cache, `${name.replace('/', '-')}-${version}`)
  const content = join(folder, 'package')
  if (existsSync(content)) return content
  const fresh = `${folder}.${process.pid}`
  mkdirSync(fresh, { recursive: true })
  try {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', fresh, `${name}@${version}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const archive = join(fresh, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)
    const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
    if (found !== integrity)
      throw new Error(`${name}@${version} has ${found} instead of ${integrity}; check which registry npm uses`)
    execFileSync('tar', ['-xzf', archive, '-C', fresh, '--no-same-owner'])
    rmSync(archive)
    rmSync(folder, { recursive: true, force: true })
    renameSync(fresh, folder)
    return content
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

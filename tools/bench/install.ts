/** The peers' packages: wanted by this benchmark alone, so neither the product nor its set-up installs them. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { inRoot } from '../../firmware/root.js'

/** Beside the other things that are built; tools/bench/packages only names them. */
const folder = inRoot('build/peers')
const source = inRoot('tools/bench/packages')
const stamp = join(folder, 'node_modules/.facelatch-lock')
const lock = 'package-lock.json'

export const peersInstalled = (): boolean =>
  existsSync(stamp) && readFileSync(stamp).equals(readFileSync(join(source, lock)))

/** @throws Error with one line when npm cannot. */
export function installPeers(): void {
  if (peersInstalled()) return
  mkdirSync(folder, { recursive: true })
  for (const file of ['package.json', lock]) copyFileSync(join(source, file), join(folder, file))
  try {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit'], { cwd: folder, stdio: 'pipe' })
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? '').trim()
    throw new Error(`npm ci in ${folder} failed: ${said.split('\n')[0] || (error as Error).message}`)
  }
  copyFileSync(join(source, lock), stamp)
}

/** Absolute path of something in an installed package. */
export const peerFile = (path: string): string => join(folder, 'node_modules', path)

export const requirePeer = <T>(name: string): T => createRequire(join(folder, 'package.json'))(name) as T

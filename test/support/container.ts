/** A Debian tree, untouched below a layer in memory: entered, or booted with its own systemd. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandResult } from './child.js'
import { enter } from './nspawn.js'
import { type Owner, temporaryDirectory, until } from './temp.js'

/** @returns the root of a copy whose changes are gone with the test. */
export function layered(t: Owner, tree: string): string {
  const memory = join(temporaryDirectory(t), 'memory')
  const [up, work, root] = ['up', 'work', 'root'].map((name) => join(memory, name)) as [string, string, string]
  mkdirSync(memory)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4g', 'none', memory])
  t.teardown(() => spawnSync('umount', ['--lazy', memory]))
  for (const path of [up, work, root]) mkdirSync(path)
  execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${tree},upperdir=${up},workdir=${work}`, 'overlay', root])
  t.teardown(() => spawnSync('umount', ['--lazy', root]))
  return root
}

export interface Inside {
  (...command: string[]): Promise<CommandResult>
  /** As the power does, but that the disk keeps what was not flushed. */
  cut(): Promise<void>
}

/** Boots the tree, without a network; `binds` are seen inside, read-only. */
export async function boot(t: Owner, root: string, binds: readonly string[]): Promise<Inside> {
  const options = ['--quiet', '--boot', '--register=no', '--keep-unit', '--private-network', '--console=pipe']
  const machine = spawn('systemd-nspawn', [...options, ...binds.map((bind) => `--bind-ro=${bind}`), '-D', root], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  let complaint = ''
  machine.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk
  })
  let init: string | undefined
  const cut = async () => {
    if (machine.exitCode !== null || machine.signalCode !== null) return
    if (init !== undefined) process.kill(Number(init), 'SIGKILL')
    else machine.kill('SIGKILL')
    await new Promise((resolve) => machine.once('exit', resolve))
  }
  t.teardown(cut)
  const inside = Object.assign((...command: string[]) => enter(Number(init), command), { cut })
  await until('it has booted', async () => {
    if (machine.exitCode !== null) throw new Error(`the container did not start: ${complaint}`)
    const children = `/proc/${machine.pid}/task/${machine.pid}/children`
    init = existsSync(children) ? readFileSync(children, 'utf8').trim().split(' ')[0] || undefined : undefined
    if (init === undefined) return false
    const { stdout } = await inside('systemctl', 'is-system-running')
    return /running|degraded/.test(stdout)
  })
  return inside
}

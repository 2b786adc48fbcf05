/**
 * Lines that exist only in a file and a socket: for the demo, for tests, and for trying rules without a door.
 * Outputs and inputs are written to the log as JSON lines `{at, line, value}`; inputs are set through the control socket
 * by `{"line":"exit","value":1}`, one a line, each answered by `{"ok":true}` or `{"error":"…"}`.
 */
import { closeSync, lstatSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import {
  type Clock,
  type GuardableGpio,
  type InputLine,
  inputLines,
  type Log,
  type OutputLine,
  outputLines,
} from '../ports.js'

export interface SimulatedGpioOptions {
  /** The file that shows the lines; appended to, made when missing. */
  readonly log: string
  /** The Unix socket that moves the inputs. */
  readonly control: string
  readonly clock: Pick<Clock, 'wall'>
  readonly messages: Log
}

/** Bytes of one control line. */
const longestCommand = 4096

/** Outputs and inputs start at 0; the outputs' zeros are logged, so that the log tells one boot from the next. */
export async function createSimulatedGpio(options: SimulatedGpioOptions): Promise<GuardableGpio> {
  const { log, control, clock, messages } = options
  const levels = new Map<string, boolean>([...outputLines, ...inputLines].map((line) => [line, false]))
  const listeners: ((line: InputLine, on: boolean) => void)[] = []
  const sockets = new Set<Socket>()
  let file: number | undefined = openLog(log)

  const record = (line: OutputLine | InputLine, on: boolean): void => {
    if (file === undefined) throw new Error(`simulated GPIO: ${line} cannot be driven: the lines were let go`)
    const text = `${JSON.stringify({ at: clock.wall().toISOString(), line, value: on ? 1 : 0 })}\n`
    try {
      writeSync(file, text)
    } catch (error) {
      throw new Error(`simulated GPIO: ${line} cannot be driven: ${log}: ${(error as Error).message}`, { cause: error })
    }
  }

  const setInput = (line: InputLine, on: boolean): void => {
    if (levels.get(line) === on) return
    record(line, on)
    levels.set(line, on)
    for (const listener of listeners) {
      try {
        listener(line, on)
      } catch (error) {
        messages.error('input listener failed', { line, error })
      }
    }
  }

  const obey = (command: Buffer): object => {
    const parsed = parseCommand(command)
    if ('error' in parsed) return parsed
    try {
      setInput(parsed.line, parsed.on)
      return { ok: true }
    } catch (error) {
      return { error: (error as Error).message }
    }
  }

  // Half open, so that a client which has said all it wants still gets its answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', (error) => messages.debug('control connection failed', { error }))
    splitLines(socket, (command) => {
      const answer =
        command === 'oversized' ? { error: `a line is longer than ${longestCommand} bytes` } : obey(command)
      socket.write(`${JSON.stringify(answer)}\n`)
    })
  })

  try {
    await listen(server, control)
    for (const line of outputLines) record(line, false)
  } catch (error) {
    server.close()
    closeSync(file)
    throw error
  }
  server.on('error', (error) => messages.error('control socket failed', { control, error }))

  return {
    lockHandle: { descriptor: file, kind: 'log' },
    write(line, on) {
      if (levels.get(line) === on && file !== undefined) return
      record(line, on)
      levels.set(line, on)
    },
    read: (line) => levels.get(line) ?? false,
    onInput: (listener) => listeners.push(listener),
    async close() {
      if (file === undefined) return
      closeSync(file)
      file = undefined
      // Closing the server removes its socket from the file system.
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function openLog(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'a')
  } catch (error) {
    const reason = (error as Error).message
    throw new Error(`simulated GPIO: cannot write ${path} (${reason}): correct gpio.simulated.log`, { cause: error })
  }
}

function parseCommand(
  command: Buffer,
): { readonly line: InputLine; readonly on: boolean } | { readonly error: string } {
  let value: unknown
  try {
    value = JSON.parse(command.toString('utf8'))
  } catch {
    return { error: 'not JSON: expected {"line":"exit","value":1}' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { error: 'not an object: expected {"line":"exit","value":1}' }
  }
  const { line: name, value: level } = value as { line?: unknown; value?: unknown }
  const line = inputLines.find((input) => input === name)
  if (line === undefined) {
    const known = `the inputs are ${inputLines.join(', ')}`
    const isOutput = outputLines.some((output) => output === name)
    return { error: isOutput ? `line ${name} is an output: ${known}` : `no such line: ${known}` }
  }
  if (level !== 0 && level !== 1) return { error: 'value must be 0 or 1' }
  return { line, on: level === 1 }
}

/** Calls back for each line, also a last one without newline; for one that is too long, once, and skips the rest of it. */
function splitLines(socket: Socket, callback: (line: Buffer | 'oversized') => void): void {
  let pending: Buffer = Buffer.alloc(0)
  let skipping = false
  socket.on('data', (chunk: Buffer) => {
    let rest = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (!skipping) callback(end > longestCommand ? 'oversized' : rest.subarray(0, end))
      skipping = false
      rest = rest.subarray(end + 1)
    }
    if (!skipping && rest.length > longestCommand) {
      callback('oversized')
      skipping = true
    }
    pending = skipping ? Buffer.alloc(0) : rest
  })
  socket.on('end', () => {
    if (!skipping && pending.length > 0) callback(pending)
    socket.end()
  })
}

/** sun_path of unix(7), less its end; libuv cuts a longer one short and listens somewhere else. */
const longestSocketPath = 107

async function listen(server: Server, path: string): Promise<void> {
  try {
    if (Buffer.byteLength(path) > longestSocketPath)
      throw new Error(`longer than ${longestSocketPath} bytes: shorten it`)
    mkdirSync(dirname(path), { recursive: true })
    await removeStale(path)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // bind happens inside `listen`: with this mask there is no moment when others could connect.
      const mask = process.umask(0o177)
      try {
        server.listen(path, () => {
          server.off('error', reject)
          resolve()
        })
      } finally {
        process.umask(mask)
      }
    })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'EADDRINUSE' ? 'in use by another facelatch: stop it or choose another path' : message
    throw new Error(`simulated GPIO: control socket ${path}: ${reason} (gpio.simulated.control)`, { cause: error })
  }
}

/** A socket that nobody answers was left by a process that was killed; anything else is not ours to remove. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket()) throw new Error('exists and is not a socket: choose another path')
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
  if (alive) throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' })
  unlinkSync(path)
}

/**
 * The recognizer as a child process that may crash, hang or leak: started, listened to, killed when silent, started
 * again with a growing delay. It dies with its supervisor because its channel closes.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { nodeFlags } from '../memory-budgets.js'
import type { Clock, Log } from '../ports.js'
import { followOutput, limitLines } from './recognizer-output.js'

export interface ProcessOptions<In> {
  /** Compiled module to run. */
  readonly module: string
  /** Sent first to every new process. */
  readonly greeting: In
  /** Silence after which the process is killed, ms. */
  readonly silenceMs: number
  /** Delay before restart number `attempt` (from 0) of a row of failures, ms. */
  readonly delay: (attempt: number) => number
  /** A process that lived this long, ms, ends the row of failures. */
  readonly steadyMs: number
  readonly clock: Clock
  readonly log: Log
}

export interface ProcessEvents<Out> {
  message(message: Out): void
  /** The process is gone; the next one starts after `restartMs`. */
  lost(reason: string, restartMs: number): void
  /** A line that a driver in the process printed; of a flood some only. */
  said(line: string): void
}

export interface RecognizerProcess<In> {
  start(): void
  /** False when no process is there to take it. */
  send(message: In): boolean
  readonly pid: number | undefined
  /** Ends the process that is there, if any; the next one starts as after a failure. */
  restart(farewell: In): void
  stop(farewell: In): Promise<void>
}

/** How long a process may take to leave by itself, ms. */
const farewellMs = 2_000
/** proc(5), oom_score_adj: out of memory, the recognizer goes first, and the supervisor starts another. */
const expendable = '800'

export function createRecognizerProcess<In extends object, Out>(
  options: ProcessOptions<In>,
  events: ProcessEvents<Out>,
): RecognizerProcess<In> {
  const { clock, log } = options
  let child: ChildProcess | undefined
  let stopping = false
  let failures = 0
  let startedAt = 0
  let callOff = () => {}

  const watch = (mine: ChildProcess) => {
    callOff()
    callOff = clock.after(options.silenceMs, () => {
      log.warn('the recognizer is silent and is killed', { pid: mine.pid, silenceMs: options.silenceMs })
      mine.kill('SIGKILL')
    })
  }

  const said = limitLines({ clock, log }, events.said)

  const start = () => {
    startedAt = clock.now()
    let mine: ChildProcess | undefined
    let reported = false
    const gone = (reason: string) => {
      if (reported) return
      reported = true
      callOff()
      if (child === mine) child = undefined
      if (stopping) return
      if (clock.now() - startedAt >= options.steadyMs) failures = 0
      const restartMs = options.delay(failures++)
      events.lost(reason, restartMs)
      callOff = clock.after(restartMs, start)
    }
    // Without memory or descriptors fork throws, or gives a process without channels. The door goes on without faces.
    try {
      // Structured clone keeps Float32Array and Buffer as they are; the debugger's port must not be inherited.
      mine = fork(options.module, [], {
        serialization: 'advanced',
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        execArgv: [...nodeFlags],
      })
      child = mine
      listen(mine, gone)
    } catch (error) {
      // One without a pid was never there: Node 20 sends such a child's signals to this process's own group.
      if (mine?.pid !== undefined) mine.kill('SIGKILL')
      gone(`it cannot be started: ${(error as Error).message}`)
    }
  }

  const listen = (mine: ChildProcess, gone: (reason: string) => void) => {
    mine.on('error', (error) => gone(error.message))
    mine.on('exit', (code, signal) => gone(signal ? `killed by ${signal}` : `exit code ${code}`))
    mine.on('message', (message) => {
      if (child !== mine) return
      watch(mine)
      events.message(message as Out)
    })
    followOutput([mine.stdout!, mine.stderr!], said)
    try {
      writeFileSync(`/proc/${mine.pid}/oom_score_adj`, expendable)
    } catch {
      // It has ended already, or this kernel does not tell them apart.
    }
    watch(mine)
    mine.send(options.greeting, () => {})
  }

  return {
    start,
    get pid() {
      return child?.pid
    },
    send(message) {
      if (!child?.connected) return false
      // A process that dies meanwhile is reported by its exit; the callback keeps the error from being thrown.
      child.send(message, () => {})
      return true
    },
    restart(farewell) {
      const mine = child
      if (!mine?.connected) return
      mine.send(farewell, () => {})
      const cancel = clock.after(farewellMs, () => mine.kill('SIGKILL'))
      mine.once('exit', cancel)
    },
    async stop(farewell) {
      stopping = true
      callOff()
      const mine = child
      if (!mine || mine.exitCode !== null || mine.signalCode !== null) return
      const exited = new Promise<void>((resolve) => mine.once('exit', () => resolve()))
      if (mine.connected) mine.send(farewell, () => {})
      const cancel = clock.after(farewellMs, () => mine.kill('SIGKILL'))
      await exited
      cancel()
    },
  }
}

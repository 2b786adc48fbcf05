/**
 * Puts a guard beside the lock line: a small process (native/guard.cc) that has the line's own descriptor and drives it to
 * its resting level when this process is killed, stopped, hangs, or leaves the strike on for too long.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Clock, Gpio, GuardableGpio, Log } from '../ports.js'
import { inRoot, nativeRemedy } from '../root.js'

export interface GuardOptions {
  /** The lock's level when nobody guards the door. */
  readonly resting: boolean
  /** One unlocking never powers the strike for longer, ms. */
  readonly maxOnMs: number
  /** Silence of this process that counts as a hang, ms. It is killed then. */
  readonly hangMs: number
  readonly clock: Clock
  readonly log: Log
  /** The guard's program; the one that the set-up built unless given. */
  readonly program?: string
}

/** The guard is told this many times per `hangMs` that all is well, and at least so often, ms. It answers each time. */
const petsPerHang = 8
const longestPetMs = 1_000
/**
 * A guard that leaves so many without an answer, and for so long, ms, is replaced. Counted as well, since time also passes while
 * this process itself gets no processor.
 */
const petsUnanswered = 3
const answerPatienceMs = 5_000
/**
 * How long the guard may take to say that it is ready, ms: at boot its program comes from a slow card that the whole
 * system reads from, and without it there is no exit button either.
 */
const startPatienceMs = 30_000
/** How long it may take to leave, ms, before it is killed. */
const patienceMs = 2_000
/** A guard that ended is replaced after this, ms. */
const respawnMs = 100

/** @throws Error of one line when the guard cannot be started: without it no strike is powered. */
export async function guardLock(gpio: GuardableGpio, options: GuardOptions): Promise<Gpio> {
  const { clock, log, resting } = options
  let powered = false
  let closing = false
  let guard: ChildProcess | undefined
  /** What it was told since it last answered; undefined until it is ready. */
  let unheard: { readonly since: number; readonly pets: number } | undefined

  const tell = (what: 'p' | '0' | '1') => {
    if (guard?.stdin?.writable) guard.stdin.write(what)
  }

  const start = async (): Promise<void> => {
    unheard = undefined
    const child = await born(spawnGuard(gpio, options))
    guard = child
    // A pipe to a guard that has ended fails; its end is dealt with below.
    child.stdin!.on('error', () => {})
    if (powered) tell('1')
    const ready = new Promise<void>((resolve, reject) => {
      const giveUp = clock.after(startPatienceMs, () => reject(new Error('it does not answer')))
      child.once('error', reject)
      child.once('exit', (code, signal) => reject(new Error(`it ended with ${signal ?? code}`)))
      child.stdout!.on('data', (said: Buffer) => {
        unheard = { since: clock.now(), pets: 0 }
        if (said.includes('r')) resolve()
        if (said.includes('x')) log.error('the strike was on for longer than configured: its guard let it go')
      })
      child.once('exit', giveUp)
    })
    await ready.catch((error: Error) => {
      child.kill('SIGKILL')
      throw didNotStart(`${error.message}; ${nativeRemedy()}`)
    })
    child.once('exit', (code, signal) => {
      if (closing) return
      log.error(`the guard of the strike ended with ${signal ?? code}; starting another`)
      respawn()
    })
  }
  const respawn = (complained?: string) =>
    clock.after(respawnMs, () => {
      if (closing) return
      start().catch(({ message }: Error) => {
        if (message !== complained) log.error(message)
        respawn(message)
      })
    })

  try {
    await start()
  } catch (error) {
    await gpio.close()
    throw error
  }
  const pets = setInterval(
    () => {
      tell('p')
      if (unheard === undefined) return
      const { since, pets } = unheard
      unheard = { since: pets === 0 ? clock.now() : since, pets: pets + 1 }
      if (pets < petsUnanswered || clock.now() - since < answerPatienceMs) return
      log.error('the guard of the strike does not answer; killing it')
      unheard = undefined
      // Its end starts another. The line stays claimed, and as it is: this process has it, too.
      guard!.kill('SIGKILL')
    },
    Math.min(options.hangMs / petsPerHang, longestPetMs),
  )

  return {
    write(line, on) {
      if (line !== 'lock') return gpio.write(line, on)
      powered = on
      // Told before it is on, and after it is off: the guard errs towards letting go.
      if (on) tell('1')
      gpio.write(line, on)
      if (!on) tell('0')
    },
    read: (line) => gpio.read(line),
    onInput: (listener) => gpio.onInput(listener),
    async close() {
      if (closing) return
      closing = true
      clearInterval(pets)
      const child = guard!
      child.stdin!.end()
      // One that somebody has stopped goes on, and leaves as ever.
      child.kill('SIGCONT')
      if (!(await leaves(child, clock))) {
        log.error('the guard of the strike does not leave; killing it')
        child.kill('SIGKILL')
        if (!(await leaves(child, clock))) abandon(child)
      }
      try {
        // Nobody else does: a released line may keep its level.
        if (child.exitCode !== 0) gpio.write('lock', resting)
      } finally {
        await gpio.close()
      }
    },
  }
}

/** Rejects with what the system says where there is no such process: such a child has no pipes, and a signal to it is for others. */
async function born(child: ChildProcess): Promise<ChildProcess> {
  if (child.pid !== undefined) return child
  const [{ code, message }] = (await once(child, 'error')) as [NodeJS.ErrnoException]
  const remedy = code === 'ENOENT' || code === 'EACCES' ? `; ${nativeRemedy()}` : ''
  throw didNotStart(`${message}${remedy}`)
}

const didNotStart = (why: string) => new Error(`the guard of the strike did not start: ${why}`)

/** Whether it has ended, at the latest after `patienceMs`. */
async function leaves(child: ChildProcess, clock: Clock): Promise<boolean> {
  const ended = () => child.exitCode !== null || child.signalCode !== null
  if (ended()) return true
  let cancel = () => {}
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(patienceMs, resolve)
  })
  await Promise.race([once(child, 'exit'), late])
  // A timer left behind would keep the process for as long.
  cancel()
  return ended()
}

/** One that the kernel does not let end, as in a driver that hangs, keeps this process no longer. */
function abandon(child: ChildProcess): void {
  child.unref()
  for (const pipe of [child.stdin, child.stdout]) pipe?.destroy()
}

function spawnGuard({ lockHandle }: GuardableGpio, { resting, maxOnMs, hangMs, program }: GuardOptions): ChildProcess {
  const numbers = [resting ? 1 : 0, Math.round(maxOnMs), Math.round(hangMs), process.pid].map(String)
  return spawn(program ?? inRoot('build/native/facelatch-guard'), [lockHandle.kind, ...numbers], {
    // A session of its own: what signals the supervisor's terminal or group does not reach it.
    detached: true,
    cwd: '/',
    env: {},
    stdio: ['pipe', 'pipe', 'inherit', lockHandle.descriptor],
  })
}

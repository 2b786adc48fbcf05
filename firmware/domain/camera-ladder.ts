/**
 * What to do about a camera that fails, as `step(state, event, options) -> { state, effects }`. It outlives the process
 * that holds the camera: open again (twice), cure what stands behind it (twice), back off, then say that it has failed
 * and go on trying slowly; reboot at last, where that is wanted and the guard allows it. A device that is not there is
 * waited for, but for one that is plugged in and has no node. Frames that flow for `steadyMs` forgive everything before them.
 */
import type { Cure, FaultKind, Help } from './camera-faults.js'
import { type Boot, mayReboot, type RebootRecord, rebooted } from './reboot-guard.js'

export type LadderPhase =
  /** Nobody is there to open it. */
  | 'idle'
  | 'opening'
  | 'live'
  /** Until the next try. */
  | 'pausing'
  /** Clients are ended before what they use is restarted. */
  | 'closing'
  | 'curing'
  | 'settling'
  | 'absent'
  | 'rebooting'
  | 'ended'

/** What is kept over restarts. */
export interface LadderMemory {
  readonly boot: string
  readonly climb: number
  readonly cures: number
  readonly reboot?: RebootRecord
}

export interface LadderState {
  readonly phase: LadderPhase
  /** A recognizer with loaded models is there. */
  readonly client: boolean
  /** Faults since frames were steady. */
  readonly climb: number
  /** Cures since then. */
  readonly cures: number
  /** Frames have flowed for long enough in this session. */
  readonly steady?: boolean
  /** Clients that died in a row before frames were steady. */
  readonly early: number
  /** The process must die before the camera is opened again. */
  readonly kill: boolean
  /** It was said that the camera has failed. */
  readonly failed: boolean
  /** What is asked of the host. */
  readonly asked?: HostRequest
  readonly memory: LadderMemory
}

export type HostRequest = 'nvargus-restart' | 'usb-rebind' | 'reboot'
export type LadderTimer = 'camera-step' | 'camera-steady'
export type LadderStep = 'client' | 'nvargus' | 'usb' | 'back_off' | 'reboot'

export type LadderEvent =
  | { readonly type: 'ready' | 'lost' | 'live' | 'ended' | 'present' | 'nodeless' }
  | { readonly type: 'fault'; readonly kind: FaultKind; readonly help: Help }
  /** The client has let go of the camera, or its driver has not let it. */
  | { readonly type: 'closed'; readonly stuck: boolean }
  | { readonly type: 'answer'; readonly ok: boolean; readonly reason?: string }
  | { readonly type: 'timeout'; readonly timer: LadderTimer }

export type LadderEffect =
  | { readonly do: 'open-camera' | 'close-camera' | 'restart-recognizer' | 'await-device' }
  | { readonly do: 'timer'; readonly timer: LadderTimer; readonly ms: number }
  | { readonly do: 'cancel'; readonly timer: LadderTimer }
  /** Kept before it is asked; a reboot that cannot be kept must not be asked. */
  | { readonly do: 'ask-host'; readonly request: HostRequest; readonly memory: LadderMemory }
  | { readonly do: 'keep-ladder'; readonly memory: LadderMemory }
  | { readonly do: 'fault'; readonly kind: FaultKind }
  | { readonly do: 'restored' }
  | { readonly do: 'step'; readonly step: LadderStep; readonly tries: number; readonly problem?: string }
  | { readonly do: 'failed'; readonly tries: number }

export interface LadderOptions {
  readonly cure: Cure
  /** Least time between two reboots, ms; 0 never reboots. */
  readonly rebootMs: number
  readonly steadyMs: number
}

interface Stepped {
  readonly state: LadderState
  readonly effects: readonly LadderEffect[]
}

const clientTries = 2
const cureTries = 2
/** From this death in a row on. */
const earlyDeaths = 3
const clientDelayMs = [250, 1_000]
const backOffMs = [5_000, 10_000, 20_000, 40_000]
/** A camera that has failed is tried this often, and every tenth time cured again. */
export const slowMs = 60_000
const cureEvery = 10
/** A client that has not let go by then is killed; the native side gives up on a driver after two seconds. */
const closeMs = 4_000
/** A machine that was asked to reboot and is still up after this will not. */
const rebootMs = 180_000
/** What was restarted needs a while before it can be asked: longer, the more often it did not help. */
const settleMs = [1_200, 8_000, 15_000]

/** `kept`: what the last run left behind; of another boot only its reboots count. */
export function initialLadder(boot: string, kept?: LadderMemory): LadderState {
  const same = kept?.boot === boot ? kept : undefined
  const climb = same?.climb ?? 0
  const cures = same?.cures ?? 0
  const memory = { boot, climb, cures, ...(kept?.reboot !== undefined && { reboot: kept.reboot }) }
  return { phase: 'idle', client: false, climb, cures, early: 0, kill: false, failed: false, memory }
}

/** `now`: ms since the machine was booted. */
export function stepLadder(state: LadderState, event: LadderEvent, options: LadderOptions, now: number): Stepped {
  switch (event.type) {
    case 'ready': {
      const there = { ...state, client: true, kill: false }
      return ['idle', 'opening', 'live', 'ended'].includes(state.phase) ? open(there) : { state: there, effects: [] }
    }
    case 'lost':
      return lost({ ...state, client: false, kill: false }, options, now)
    case 'live':
      if (state.phase !== 'opening') return { state, effects: [] }
      return {
        state: { ...state, phase: 'live', steady: false },
        effects: [{ do: 'timer', timer: 'camera-steady', ms: options.steadyMs }, { do: 'restored' }],
      }
    case 'ended':
      return { state: { ...state, phase: 'ended' }, effects: stop }
    case 'fault':
      if (state.phase !== 'opening' && state.phase !== 'live') return { state, effects: [] }
      return fault(state, event.kind, event.help, options, now)
    case 'present':
      return state.phase === 'absent' ? open(state) : { state, effects: [] }
    case 'nodeless':
      // Nothing but binding it again brings it back, or the number that the configuration knows.
      return state.phase === 'absent'
        ? climb({ ...state, climb: state.climb + 1 }, 'cure', options, now)
        : { state, effects: [] }
    case 'closed':
      if (state.phase !== 'closing') return { state, effects: [] }
      return event.stuck ? killClient(state) : ask(state)
    case 'answer':
      return answered(state, event)
    case 'timeout':
      return event.timer === 'camera-steady' ? steady(state) : timeout(state)
  }
}

const stop: readonly LadderEffect[] = [
  { do: 'cancel', timer: 'camera-steady' },
  { do: 'cancel', timer: 'camera-step' },
]
const pause = (ms: number): LadderEffect => ({ do: 'timer', timer: 'camera-step', ms })

function open(state: LadderState): Stepped {
  if (!state.client) return { state: { ...state, phase: 'idle' }, effects: [] }
  if (state.kill) return { state: { ...state, phase: 'idle' }, effects: [{ do: 'restart-recognizer' }] }
  return { state: { ...state, phase: 'opening' }, effects: [{ do: 'open-camera' }] }
}

function lost(state: LadderState, options: LadderOptions, now: number): Stepped {
  // A driver that takes the process down while it opens is the camera's fault; a crash later may be anything's, but one that
  // comes soon after the first frame each time is taken for the camera's, too: nobody else does anything about it.
  if (state.phase === 'opening') return fault(state, 'crash', 'any', options, now)
  if (state.phase === 'live') {
    const early = state.steady ? 0 : state.early + 1
    if (early >= earlyDeaths) return fault({ ...state, early }, 'crash', 'any', options, now)
    return { state: { ...state, early, phase: 'idle' }, effects: stop }
  }
  return state.phase === 'closing' ? ask(state) : { state, effects: [] }
}

function fault(state: LadderState, kind: FaultKind, help: Help, options: LadderOptions, now: number): Stepped {
  const told: LadderEffect[] = [
    { do: 'cancel', timer: 'camera-steady' },
    { do: 'fault', kind },
  ]
  if (help === 'device') return { state: { ...state, phase: 'absent' }, effects: [...told, { do: 'await-device' }] }
  const at = { ...state, kill: help === 'process', climb: state.climb + 1 }
  const { state: next, effects } = climb(at, help, options, now)
  return { state: next, effects: [...told, ...effects] }
}

function climb(state: LadderState, help: Help, options: LadderOptions, now: number): Stepped {
  const curable = options.cure !== 'none' && help !== 'operator' && help !== 'client'
  const start = help === 'cure' && curable ? clientTries + 1 : help === 'operator' ? clientTries + 1 : 1
  const at = { ...state, climb: Math.max(state.climb, start) }
  const tries = at.climb
  if (tries <= clientTries) return wait(at, 'client', clientDelayMs[tries - 1]!)

  const boot = { id: state.memory.boot, now }
  const hopeless = help !== 'operator' && help !== 'client' && mayReboot(options.rebootMs, state.memory.reboot, boot)
  if (help === 'reboot' && hopeless) return reboot(at, boot)
  const later = tries - clientTries - (curable ? cureTries : 0)
  if (later <= 0) return cure(at, options.cure)
  if (later <= backOffMs.length) return wait(at, 'back_off', backOffMs[later - 1]!)

  const said: LadderEffect[] = at.failed ? [] : [{ do: 'failed', tries }]
  const failed = { ...at, failed: true }
  const next = hopeless
    ? reboot(failed, boot)
    : curable && (later - backOffMs.length) % cureEvery === 0
      ? cure(failed, options.cure)
      : { state: { ...failed, phase: 'pausing' } satisfies LadderState, effects: [pause(slowMs)] }
  return { state: next.state, effects: [...said, ...next.effects] }
}

function wait(state: LadderState, step: LadderStep, ms: number): Stepped {
  return { state: { ...state, phase: 'pausing' }, effects: [{ do: 'step', step, tries: state.climb }, pause(ms)] }
}

function cure(state: LadderState, cure: Cure): Stepped {
  const asked: HostRequest = cure === 'usb' ? 'usb-rebind' : 'nvargus-restart'
  const closing: LadderState = { ...state, phase: 'closing', asked, cures: state.cures + 1 }
  if (!state.client) return ask(closing)
  return state.kill ? killClient(closing) : { state: closing, effects: [{ do: 'close-camera' }, pause(closeMs)] }
}

function reboot(state: LadderState, boot: Boot): Stepped {
  const memory: LadderMemory = { ...state.memory, reboot: rebooted(state.memory.reboot, boot) }
  return {
    state: { ...state, phase: 'rebooting', asked: 'reboot', memory },
    effects: [
      { do: 'step', step: 'reboot', tries: state.climb },
      { do: 'ask-host', request: 'reboot', memory },
    ],
  }
}

const killClient = (state: LadderState): Stepped => ({
  state: { ...state, kill: false },
  effects: [{ do: 'restart-recognizer' }, pause(closeMs)],
})

function ask(state: LadderState): Stepped {
  const { climb, cures, asked = 'nvargus-restart' } = state
  const memory = { ...state.memory, climb, cures }
  return {
    state: { ...state, phase: 'curing', memory },
    effects: [
      { do: 'cancel', timer: 'camera-step' },
      { do: 'ask-host', request: asked, memory },
    ],
  }
}

function answered(state: LadderState, { ok, reason }: Extract<LadderEvent, { type: 'answer' }>): Stepped {
  if (state.phase === 'rebooting')
    return {
      state: { ...state, phase: ok ? 'rebooting' : 'pausing' },
      effects: ok ? [pause(rebootMs)] : [...problem('reboot', state, reason), pause(slowMs)],
    }
  if (state.phase !== 'curing') return { state, effects: [] }
  const step: LadderStep = state.asked === 'usb-rebind' ? 'usb' : 'nvargus'
  const ms = ok ? settleMs[Math.min(state.cures, settleMs.length) - 1]! : settleMs[0]!
  const told = ok ? [{ do: 'step', step, tries: state.climb } as const] : problem(step, state, reason)
  return { state: { ...state, phase: 'settling' }, effects: [...told, pause(ms)] }
}

const problem = (step: LadderStep, { climb }: LadderState, reason = 'no reason was given'): LadderEffect[] => [
  { do: 'step', step, tries: climb, problem: reason },
]

function timeout(state: LadderState): Stepped {
  switch (state.phase) {
    case 'closing':
      // It was asked, and then killed: whatever still holds the camera now is not ours to end.
      return state.client ? killClient({ ...state, client: false }) : ask(state)
    case 'pausing':
    case 'settling':
    case 'rebooting':
      return open(state)
    default:
      return { state, effects: [] }
  }
}

function steady(state: LadderState): Stepped {
  if (state.phase !== 'live') return { state, effects: [] }
  const { boot, climb, cures, reboot: last } = state.memory
  const memory: LadderMemory = { boot, climb: 0, cures: 0, ...(last && { reboot: { ...last, inRow: 0 } }) }
  const well = { ...state, climb: 0, cures: 0, early: 0, steady: true, failed: false, memory }
  const dirty = climb > 0 || cures > 0 || (last?.inRow ?? 0) > 0
  return { state: well, effects: dirty ? [{ do: 'keep-ladder', memory }] : [] }
}

/**
 * Enrolling somebody at the door, as `step(state, event) -> { state, effects }`.
 *
 *     idle -button or command, by somebody entitled-> collecting -enough good and different samples-> confirming
 *     confirming -fresh matches-> saving -in one transaction-> saved -> idle
 *     any of them -two faces, another face, a look-alike, time, cancelled, blind-> failed -> idle
 *
 * Entitled is whoever presses the button while an admin was verified a moment ago, or while nobody at all is enrolled; or a
 * command, where they are allowed. The admin gives his authority to another face: his own is waited out.
 */
import type { Sample } from './enrolment.js'
import { type Collection, emptyCollection, type FaceView, look } from './enrolment-collection.js'
import type { NewEvent } from './events.js'
import { nameLook, sameName } from './names.js'

export interface SessionOptions {
  /** Names of those whose presence lets the button enrol; nobody's does when it is empty. */
  readonly admins: readonly string[]
  /** An admin counts as present so long after he was verified, ms. */
  readonly adminMs: number
  /** Nobody enrolled: whoever presses the button is enrolled. */
  readonly firstBoot: boolean
  /** Commands may start an enrolment. */
  readonly remote: boolean
  /** Templates kept. */
  readonly samples: number
  /** Samples are collected for at least this long, ms, */
  readonly collectMs: number
  /** and a session that saves nothing ends after this, ms. */
  readonly limitMs: number
  /** The button held for this long undoes the last enrolment, ms. */
  readonly longPressMs: number
  /** The last enrolment can be undone without an admin for this long, ms. */
  readonly undoMs: number
  /** How long a result is shown, ms. */
  readonly showMs: number
}

export type SessionTimer = 'enrol-hold' | 'enrol-limit' | 'enrol-show'
export type StartedBy = 'button' | 'remote'

export type SessionEvent =
  | { readonly type: 'press'; readonly on: boolean; readonly now: number }
  /** `name` undefined: the next free visitor-N. */
  | { readonly type: 'start'; readonly name?: string }
  | { readonly type: 'cancel' }
  /** Somebody who would be let in was verified in this frame. */
  | { readonly type: 'seen'; readonly person: string; readonly now: number }
  | { readonly type: 'people'; readonly count: number; readonly names?: readonly string[] }
  /** People, rules or mode changed: who was an admin a moment ago must be seen again. */
  | { readonly type: 'doubt' }
  /** There is a picture, judged with this threshold; or there is none any more. */
  | { readonly type: 'sight'; readonly threshold: number }
  | { readonly type: 'blind'; readonly reason: string }
  | { readonly type: 'view'; readonly session: number; readonly faces: readonly FaceView[]; readonly now: number }
  | { readonly type: 'saved'; readonly session: number; readonly person: string; readonly now: number }
  | { readonly type: 'not-saved'; readonly session: number; readonly reason: string }
  | { readonly type: 'undone'; readonly person: string }
  | { readonly type: 'not-undone'; readonly reason: string }
  | { readonly type: 'timeout'; readonly timer: SessionTimer }

/** What is to be saved, and on which conditions that the store must check again. */
export interface Saving {
  readonly session: number
  readonly name?: string
  readonly by: StartedBy
  readonly authority: Authority
  readonly admin?: string
  readonly templates: readonly Sample[]
  readonly threshold: number
}

export type SessionEffect =
  | { readonly do: 'timer'; readonly timer: SessionTimer; readonly ms: number }
  | { readonly do: 'cancel'; readonly timer: SessionTimer }
  /** The recognizer is to send views of this session; none when undefined. */
  | { readonly do: 'watch-faces'; readonly session: number | undefined }
  | { readonly do: 'save-person'; readonly saving: Saving }
  | { readonly do: 'undo-enrolment' }
  | { readonly do: 'refuse'; readonly by: StartedBy; readonly reason: string }
  | { readonly do: 'record'; readonly event: NewEvent }

/** By what right a session runs. */
export type Authority = 'admin' | 'empty' | 'remote'

interface Session extends Omit<Collection, 'phase'> {
  readonly phase: Collection['phase'] | 'saving'
  readonly by: StartedBy
  readonly authority: Authority
  readonly admin?: string
  readonly name?: string
}

export interface SessionState {
  /** Counts the sessions, so that answers to an earlier one are known. */
  readonly session: number
  readonly running?: Session
  readonly result?: { readonly state: 'saved' | 'failed'; readonly person?: string; readonly reason?: string }
  readonly people?: number
  readonly names?: readonly string[]
  /** The embedder's threshold while there is a picture. */
  readonly threshold?: number
  readonly admin?: { readonly person: string; readonly at: number }
  readonly pressedAt?: number
  readonly savedAt?: number
}

export interface SessionStep {
  readonly state: SessionState
  readonly effects: readonly SessionEffect[]
}

export const initialSession: SessionState = { session: 0 }

export type SessionPhase = 'idle' | 'collecting' | 'confirming' | 'saving' | 'saved' | 'failed'
export const sessionPhase = ({ running, result }: SessionState): SessionPhase =>
  running?.phase ?? result?.state ?? 'idle'

export const isAdmin = (admins: readonly string[], person: string) => admins.some((admin) => sameName(admin, person))

export function stepSession(state: SessionState, event: SessionEvent, options: SessionOptions): SessionStep {
  switch (event.type) {
    case 'press':
      return press(state, event, options)
    case 'start':
      return startRemotely(state, event.name, options)
    case 'cancel':
      return cancelRemotely(state, options)
    case 'seen':
      return isAdmin(options.admins, event.person)
        ? still({ ...state, admin: { person: event.person, at: event.now } })
        : still(state)
    case 'people': {
      const next = { ...state, people: event.count, names: event.names ?? [] }
      const overtaken = state.running?.authority === 'empty' && state.running.phase !== 'saving' && event.count > 0
      return overtaken ? fail(next, options, 'somebody was enrolled meanwhile') : still(next)
    }
    case 'doubt': {
      const { admin: _, ...next } = state
      return still(next)
    }
    case 'sight':
      return still({ ...state, threshold: event.threshold })
    case 'blind': {
      const { threshold: _, ...next } = state
      return state.running && state.running.phase !== 'saving' ? fail(next, options, event.reason) : still(next)
    }
    case 'view':
      return event.session === state.session ? view(state, event, options) : still(state)
    case 'saved':
      return saved(state, event, options)
    case 'not-saved':
      return event.session === state.session && state.running ? fail(state, options, event.reason) : still(state)
    case 'undone': {
      const { savedAt: _, ...next } = state
      return still(next)
    }
    case 'not-undone':
      return { state, effects: [{ do: 'refuse', by: 'button', reason: event.reason }] }
    case 'timeout':
      return timeout(state, event.timer, options)
  }
}

const still = (state: SessionState): SessionStep => ({ state, effects: [] })

/** Short: starts or cancels, when it is let go. Long: undoes, while it is held. */
function press(state: SessionState, event: { on: boolean; now: number }, options: SessionOptions): SessionStep {
  if (event.on)
    return {
      state: { ...state, pressedAt: event.now },
      effects: [{ do: 'timer', timer: 'enrol-hold', ms: options.longPressMs }],
    }
  const { pressedAt, ...next } = state
  if (pressedAt === undefined) return still(state)
  const release: SessionEffect = { do: 'cancel', timer: 'enrol-hold' }
  const { state: after, effects } = shortPress(next, pressedAt, options)
  return { state: after, effects: [release, ...effects] }
}

function shortPress(state: SessionState, at: number, options: SessionOptions): SessionStep {
  if (state.running) return cancel(state, options, 'button')
  const admin = presentAdmin(state, at, options)
  if (admin !== undefined) return start(state, options, { by: 'button', authority: 'admin', admin })
  if (state.people === 0 && options.firstBoot) return start(state, options, { by: 'button', authority: 'empty' })
  const reason =
    state.people === undefined
      ? 'the store has not said who is enrolled'
      : options.admins.length === 0
        ? 'nobody is an admin: enrolment.admins'
        : 'no admin was seen just now'
  return { state, effects: [{ do: 'refuse', by: 'button', reason }] }
}

/** A time before the admin was seen is none after it. */
function presentAdmin({ admin }: SessionState, at: number, { adminMs }: SessionOptions): string | undefined {
  return admin !== undefined && at - admin.at <= adminMs && at >= admin.at ? admin.person : undefined
}

function startRemotely(state: SessionState, name: string | undefined, options: SessionOptions): SessionStep {
  const refuse = (reason: string): SessionStep => ({ state, effects: [{ do: 'refuse', by: 'remote', reason }] })
  if (!options.remote) return refuse(commandsAreOff)
  if (state.running) return refuse('somebody is being enrolled already')
  // Else whoever may publish could make himself one who opens the button to others.
  if (name !== undefined && isAdmin(options.admins, name))
    return refuse(`"${name}" is an admin, who is enrolled with "facelatch people add"`)
  // What the store says at the end counts; nobody should stand before the door for that.
  const taken = name !== undefined && state.names?.find((one) => nameLook(one) === nameLook(name))
  if (taken) return refuse(`"${taken}" is enrolled already`)
  return start(state, options, { by: 'remote', authority: 'remote', ...(name !== undefined && { name }) })
}

function cancelRemotely(state: SessionState, options: SessionOptions): SessionStep {
  if (options.remote) return state.running ? cancel(state, options, 'remote') : still(state)
  return { state, effects: [{ do: 'refuse', by: 'remote', reason: commandsAreOff }] }
}

const commandsAreOff = 'enrolling by command is off: enrolment.remote'

type Start = Pick<Session, 'by' | 'authority' | 'admin' | 'name'>

function start(state: SessionState, options: SessionOptions, how: Start): SessionStep {
  if (state.threshold === undefined)
    return { state, effects: [{ do: 'refuse', by: how.by, reason: 'there is no picture to enrol from' }] }
  const session = state.session + 1
  const { result: _, ...rest } = state
  const running: Session = { ...emptyCollection, ...how }
  return {
    state: { ...rest, session, running },
    effects: [
      { do: 'cancel', timer: 'enrol-show' },
      { do: 'timer', timer: 'enrol-limit', ms: options.limitMs },
      { do: 'watch-faces', session },
    ],
  }
}

/** What the store is asked to do is not called back. */
function cancel(state: SessionState, options: SessionOptions, by: StartedBy): SessionStep {
  if (state.running?.phase === 'saving') return still(state)
  return fail(state, options, by === 'button' ? 'cancelled at the button' : 'cancelled by command')
}

function fail(state: SessionState, options: SessionOptions, reason: string): SessionStep {
  const { running, ...rest } = state
  return {
    state: { ...rest, result: { state: 'failed', reason } },
    effects: [
      { do: 'cancel', timer: 'enrol-limit' },
      { do: 'watch-faces', session: undefined },
      { do: 'timer', timer: 'enrol-show', ms: options.showMs },
      {
        do: 'record',
        event: {
          type: 'enrol_failed',
          detail: { reason, by: running!.by, ...(running!.name && { name: running!.name }) },
        },
      },
    ],
  }
}

function view(
  state: SessionState,
  { faces, now }: { faces: readonly FaceView[]; now: number },
  options: SessionOptions,
): SessionStep {
  const { running, threshold, session } = state
  if (!running || running.phase === 'saving' || threshold === undefined) return still(state)
  const { phase, by, authority, admin, name } = running
  const looked = look({ ...running, phase }, faces, {
    now,
    threshold,
    samples: options.samples,
    collectMs: options.collectMs,
    waitsFor: (person) => admin !== undefined && sameName(admin, person),
  })
  if ('failed' in looked) return fail(state, options, looked.failed)
  if ('collection' in looked) return still({ ...state, running: { ...running, ...looked.collection } })
  const { templates } = looked
  const who = { ...(admin !== undefined && { admin }), ...(name !== undefined && { name }) }
  return {
    state: { ...state, running: { ...running, phase: 'saving' } },
    effects: [
      { do: 'watch-faces', session: undefined },
      { do: 'save-person', saving: { session, by, authority, templates, threshold, ...who } },
    ],
  }
}

/** Also one that came after the session was given up: what is stored is stored, and said. */
function saved(
  state: SessionState,
  { session, person, now }: { session: number; person: string; now: number },
  options: SessionOptions,
): SessionStep {
  // Told by the store in a second; until then nobody else must find it empty.
  const next = { ...state, people: Math.max(1, state.people ?? 0), savedAt: now }
  if (session !== state.session) return still(next)
  const { running: _, ...rest } = next
  return {
    state: { ...rest, result: { state: 'saved', person } },
    effects: [
      { do: 'cancel', timer: 'enrol-limit' },
      { do: 'timer', timer: 'enrol-show', ms: options.showMs },
    ],
  }
}

function timeout(state: SessionState, timer: SessionTimer, options: SessionOptions): SessionStep {
  if (timer === 'enrol-show') {
    const { result: _, ...rest } = state
    return still(rest)
  }
  if (timer === 'enrol-limit') return state.running ? fail(state, options, late(state.running)) : still(state)
  const { pressedAt, ...next } = state
  if (pressedAt === undefined) return still(state)
  if (next.running) return cancel(next, options, 'button')
  const refuse = (reason: string): SessionStep => ({ state: next, effects: [{ do: 'refuse', by: 'button', reason }] })
  if (presentAdmin(next, pressedAt, options) !== undefined) return { state: next, effects: [{ do: 'undo-enrolment' }] }
  const fresh = next.savedAt !== undefined && pressedAt - next.savedAt <= options.undoMs
  if (!fresh) return refuse('nobody entitled to undo an enrolment is here')
  // With him gone the next one to press would be the first, and be enrolled.
  return !options.firstBoot || (next.people ?? 0) > 1
    ? { state: next, effects: [{ do: 'undo-enrolment' }] }
    : refuse('the only person enrolled is removed with "facelatch people remove"')
}

function late({ phase, samples }: Session): string {
  if (phase === 'saving') return 'the store does not answer'
  if (phase === 'confirming') return 'time ran out before the face was confirmed'
  return samples.length === 0
    ? 'time ran out: no new face was seen well enough'
    : 'time ran out: too few different pictures of the face'
}

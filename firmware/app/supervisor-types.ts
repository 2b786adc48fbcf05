/** What reaches the supervisor, what it asks to be done, and what it says of itself. */
import type { HostRequest, LadderMemory, LadderTimer } from '../domain/camera-ladder.js'
import type { CommandTimes } from '../domain/commands.js'
import type { DoorOptions, DoorTimer } from '../domain/door.js'
import type { Saving, SessionTimer } from '../domain/enrolment-session.js'
import type { NewEvent } from '../domain/events.js'
import type { Mode } from '../domain/rules.js'
import type { SignalTimer } from '../domain/signals.js'
import type { VisitsOptions } from '../domain/visits.js'
import type { BrokerCommand, FoundDevice, HostAnswer, InputLine, RulesText } from '../ports.js'
import type { RulesState } from './access-control.js'
import type { CameraAccount, CameraCareOptions } from './camera-care.js'
import type { CommandCounts } from './commands.js'
import type { EnrollingOptions, EnrolmentAnswer } from './enrolling.js'
import type { CameraStatus, FromRecognizer, Health } from './messages.js'

/** A configuration that cannot be used, while the last good one guards the door. */
export interface RejectedConfig {
  readonly file: string
  /** What is wrong with it, in one line. */
  readonly reason: string
  /** When the one in use guarded the door for the first time, ISO 8601 UTC. */
  readonly since: string
}

export interface SupervisorOptions {
  readonly door: DoorOptions
  readonly visits: VisitsOptions
  /** A sighting older than this opens nothing, ms. */
  readonly maxSightingAgeMs: number
  readonly remoteUnlock: boolean
  /** A command's own time may differ from ours by this much, ms; 0 does not look at it. */
  readonly commandMaxAgeMs?: number
  /** Whether that is the code of commands that let somebody in; absent where none is asked for. */
  readonly isCode?: (given: string) => boolean
  /** Monotonic, ms: commands sent before it are not obeyed. */
  readonly startedAt?: number
  /** Whether `mode/set` is obeyed. */
  readonly remoteMode: boolean
  /** `access.rulesFile` is set: until it was read once, no face opens. */
  readonly rulesFile: boolean
  /** The mode kept from before the start. */
  readonly mode: Exclude<Mode, 'open'>
  /** The strike's level when nobody guards the door: powered in fail-safe mode. */
  readonly restingStrike: boolean
  readonly snapshots: boolean
  readonly enrolment: EnrollingOptions
  readonly camera: CameraCareOptions
  readonly rejected?: RejectedConfig
}

export type Timer = DoorTimer | SessionTimer | SignalTimer | LadderTimer

export type SupervisorEvent =
  | {
      readonly type: 'boot'
      readonly doorOpen: boolean
      readonly bolted?: boolean
      readonly tampered?: boolean
      /** How the run before ended, where that was not in order. */
      readonly after?: 'killed' | 'power_cut'
    }
  /** Once a second. `wall`: ms since 1970. */
  | { readonly type: 'tick'; readonly now: number; readonly wall: number }
  | { readonly type: 'rules'; readonly file: RulesText }
  /** Without `now` the enrolment button does nothing: it asks who was here a moment ago. */
  | { readonly type: 'input'; readonly line: InputLine; readonly on: boolean; readonly now?: number }
  | { readonly type: 'timeout'; readonly timer: Timer }
  | { readonly type: 'enrolment'; readonly answer: EnrolmentAnswer }
  | { readonly type: 'broker'; readonly connected: boolean }
  | { readonly type: 'recognizer'; readonly message: FromRecognizer; readonly now: number }
  | { readonly type: 'recognizer-lost'; readonly reason: string; readonly restartMs: number }
  /** A driver printed something that is known to mean something. */
  | { readonly type: 'recognizer-said'; readonly line: string }
  /** What became of a request. */
  | { readonly type: 'host'; readonly answer: HostAnswer }
  /** The camera's device was waited for. */
  | { readonly type: 'device'; readonly found: FoundDevice }
  | ({ readonly type: 'command'; readonly command: BrokerCommand } & CommandTimes)
  /** Whether the strike's line could be driven, when that changed. */
  | { readonly type: 'strike'; readonly ok: boolean }
  | { readonly type: 'people'; readonly count: number; readonly names?: readonly string[] }
  /** `lost`: events that were given up while the store failed. */
  | { readonly type: 'store'; readonly ok: boolean; readonly reason?: string; readonly lost?: number }
  /** The mode that was kept, where it could not be read before. */
  | { readonly type: 'mode'; readonly mode: 'normal' | 'lockdown' }
  | { readonly type: 'stop' }

export type Effect =
  | { readonly do: 'strike'; readonly on: boolean }
  | { readonly do: 'led' | 'buzzer'; readonly on: boolean }
  | { readonly do: 'timer'; readonly timer: Timer; readonly ms: number }
  | { readonly do: 'cancel'; readonly timer: Timer }
  /** All of them, and none is set any more: a process that ends waits for no blink. */
  | { readonly do: 'end-timers' }
  | { readonly do: 'watch-faces'; readonly session: number | undefined }
  | {
      readonly do: 'save-person'
      readonly saving: Saving
      readonly embedder: string
      readonly admins: readonly string[]
    }
  | { readonly do: 'undo-enrolment' }
  | { readonly do: 'record'; readonly event: NewEvent; readonly snapshot?: number }
  | { readonly do: 'keep-mode'; readonly mode: Exclude<Mode, 'open'> }
  | { readonly do: 'publish'; readonly topic: string; readonly value: string }
  /** `anew`: to a recognizer that knows nobody; else what has changed. */
  | { readonly do: 'send-gallery'; readonly embedder: string; readonly anew: boolean }
  | { readonly do: 'publish-snapshot'; readonly png: Uint8Array }
  | {
      readonly do: 'publish-health'
      readonly health: Health
      readonly commands: CommandCounts
      readonly camera: CameraAccount
    }
  | { readonly do: 'restart-recognizer' | 'open-camera' | 'close-camera' | 'await-device' }
  /** Kept before it is asked; a reboot that cannot be kept is not asked. */
  | { readonly do: 'ask-host'; readonly request: HostRequest; readonly memory: LadderMemory }
  | { readonly do: 'keep-ladder'; readonly memory: LadderMemory }
  | { readonly do: 'tell'; readonly message: string }
  | { readonly do: 'complain'; readonly message: string }

/** The retained `state` topic. Figures that change by the second stand in the `health` topic. */
export interface StateReport {
  readonly recognizer: 'starting' | 'running' | 'down'
  readonly camera: CameraStatus
  readonly door: string
  readonly people: number
  readonly store: 'ok' | 'fault'
  readonly mode: Mode
  readonly rules: RulesState
  readonly clock: 'ok' | 'untrusted'
  readonly tamper: boolean
  /** The file cannot be used. */
  readonly configuration?: 'last_good'
  readonly engine?: string
  readonly embedder?: string
  readonly threshold?: number
}

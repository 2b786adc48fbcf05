/** The `health` topic: figures that change by the second. */
import type { CameraAccount } from './camera-care.js'
import type { CommandCounts } from './commands.js'
import type { Health, Spread } from './messages.js'
import type { StrikeTimes } from './strike-latency.js'

export interface HealthTopic {
  readonly recognizer: Health
  readonly supervisor: SupervisorHealth
}

export interface SupervisorHealth extends OwnHealth {
  readonly commands: CommandCounts
  readonly camera: CameraAccount
}

/** What only the process itself can measure. */
export interface OwnHealth {
  /** Resident, bytes. */
  readonly peakMemory: number
  readonly eventLoopDelayMs: Spread & { readonly max: number }
  /** Absent while there is none. */
  readonly recognizerPid?: number | undefined
  /** The hottest thermal zone that counts. */
  readonly celsius?: number
  /** None before the first grant. */
  readonly strike?: StrikeTimes | undefined
}

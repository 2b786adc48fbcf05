/** What happened, in the words of the MQTT `event` topic and the audit log. */
export const eventTypes = [
  'known',
  'unknown',
  'spoof',
  'granted',
  'denied',
  'forced',
  'held_open',
  'door_closed',
  'exit',
  'tamper',
  'command',
  'jammed',
  'alarm_ended',
  'mode_changed',
  'rules_loaded',
  'rules_rejected',
  'config_rejected',
  'clock_jumped',
  'clock_untrusted',
  'clock_trusted',
  'enrolled',
  'enrol_failed',
  'removed',
  'renamed',
  'refused',
  'camera_fault',
  'camera_restored',
  'camera_step',
  'camera_failed',
  'recognizer_lost',
  'recognizer_ready',
  'engine_fallback',
  'embedder_fallback',
  'store_fault',
  'fan_fault',
  'fan_restored',
  'store_restored',
  'store_replaced',
  'key_lost',
  'key_replaced',
  'job_failed',
  'started',
  'stopped',
] as const

export type EventType = (typeof eventTypes)[number]

/**
 * Who passed, who was kept out, who may pass from now on, and what was done to the door. These are never given up to
 * make room; everything else is telemetry, of which the oldest goes first.
 */
export const accessEvents: readonly EventType[] = [
  'granted',
  'denied',
  'spoof',
  'exit',
  'forced',
  'held_open',
  'door_closed',
  'tamper',
  'jammed',
  'alarm_ended',
  'mode_changed',
  'command',
  'enrolled',
  'removed',
  'renamed',
]

/** Free fields of an event: JSON scalars only, so that a row reads the same in SQLite, MQTT and a terminal. */
export type Detail = Readonly<Record<string, string | number | boolean | null>>

/** An event as it is made, before the store has given it its place. */
export interface NewEvent {
  readonly type: EventType
  readonly person?: string
  /** Cosine in [-1, 1]. */
  readonly similarity?: number
  readonly track?: number
  readonly detail?: Detail
}

/** A durable event. `id` is unique for ever and the same on every delivery; `seq` orders them without gaps. */
export interface StoredEvent extends NewEvent {
  readonly id: string
  readonly seq: number
  /** Wall clock, ISO 8601 UTC. */
  readonly at: string
}

/** A start says what is out of the ordinary: a mode that was kept, an end before it that was not in order. */
export function startedEvent(mode: string, after: string | undefined): NewEvent {
  const detail = { ...(mode !== 'normal' && { mode }), ...(after !== undefined && { after }) }
  return { type: 'started', ...(Object.keys(detail).length > 0 && { detail }) }
}

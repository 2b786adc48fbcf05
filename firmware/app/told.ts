/** Effects that tell of something, and do nothing else. */
import type { NewEvent } from '../domain/events.js'
import type { EnrolmentAnswer } from './enrolling.js'
import type { Effect, RejectedConfig, SupervisorEvent } from './supervisor-types.js'

/** The store has these events already. */
export const toldBy = (answer: EnrolmentAnswer): Effect[] =>
  answer.type === 'saved' || answer.type === 'undone'
    ? [
        {
          do: 'tell',
          message: `"${answer.person}" was ${answer.type === 'saved' ? 'enrolled' : 'removed again'} at the door`,
        },
      ]
    : []

export const record = (event: NewEvent, snapshot?: number): Effect =>
  snapshot === undefined ? { do: 'record', event } : { do: 'record', event, snapshot }

export const toldOfStore = ({ ok, reason, lost }: Extract<SupervisorEvent, { type: 'store' }>): Effect[] =>
  ok
    ? [record({ type: 'store_restored', ...(lost && { detail: { lost } }) })]
    : [
        { do: 'complain', message: `the store cannot keep events: ${reason}; they are told and wait in memory` },
        record({ type: 'store_fault', detail: { reason: reason ?? 'unknown' } }),
      ]

/** Without the reason: it shows pieces of the file, which may hold passwords, and events go to the home. */
export const toldOfConfig = (rejected: RejectedConfig | undefined): Effect[] =>
  rejected ? [record({ type: 'config_rejected', detail: { file: rejected.file, since: rejected.since } })] : []

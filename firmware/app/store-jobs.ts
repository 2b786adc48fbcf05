/** What is done to the store by night. */
import { mebibytes } from '../domain/units.js'
import type { Clock, Store, StoreCare } from '../ports.js'
import type { Job } from './housekeeping.js'

export interface StoreJobOptions {
  /** Cron expressions; "" for never. */
  readonly schedule: Readonly<Record<'retention' | 'optimize' | 'check' | 'backup', string>>
  /** Events older than this are removed; 0 keeps them for ever. */
  readonly retentionDays: number
}

const day = 86_400_000
/** Two runs this far apart, at most, agree about the time. */
const plausibleDays = 8

export function storeJobs(store: Store & StoreCare, clock: Clock, options: StoreJobOptions): Job[] {
  const jobs: Omit<Job, 'when'>[] = [
    {
      name: 'retention',
      async run(last) {
        await store.sealEvents()
        if (options.retentionDays === 0) return 'the audit log is signed and kept for ever'
        const now = clock.wall().getTime()
        const since = last === undefined ? Number.NaN : now - Date.parse(last.ranAt)
        // A clock that is wrong tonight must not cost the log: removing waits for a second run that agrees with it.
        if (!(since > 0 && since <= plausibleDays * day))
          return 'the audit log is signed; removing old events waits for a second run within 8 days'
        const removed = await store.removeEventsBefore(new Date(now - options.retentionDays * day))
        return `the audit log is signed, ${removed} events were removed for their age`
      },
    },
    {
      name: 'optimize',
      async run() {
        await store.scrub()
        await store.optimize()
        return 'journal and statistics are in order'
      },
    },
    {
      name: 'check',
      async run() {
        await store.checkFile()
        const { count, fault } = await store.verifyEvents()
        if (fault !== undefined) throw new Error(`the audit log is not whole: ${fault}`)
        return `the file is sound, ${count} events are in order`
      },
    },
    {
      name: 'backup',
      async run() {
        const { path, bytes } = await store.backup()
        return `${path.split('/').at(-1)}, ${mebibytes(bytes, 1)}`
      },
    },
  ]
  return jobs.flatMap((job) => {
    const when = options.schedule[job.name as keyof StoreJobOptions['schedule']]
    return when === '' ? [] : [{ ...job, when }]
  })
}

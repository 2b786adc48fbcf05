/**
 * The jobs of the night: when each is due, one at a time, and what became of it.
 *
 * The store notes when a job is due again. A night that was missed, for a power cut or a clock that was set forward, is
 * caught up as soon as that is seen; a note from the future is no reason to wait for that future.
 */
import type { NewEvent } from '../domain/events.js'
import type { Clock, JobRecord, Log, Scheduler, StoreCare } from '../ports.js'

export interface Job {
  readonly name: string
  /** Cron expression. */
  readonly when: string
  /** Answers what it did, in one line. `last`: the run before. */
  run(last: JobRecord | undefined): Promise<string>
}

export interface HousekeepingPorts {
  readonly store: Pick<StoreCare, 'jobs' | 'noteJob'>
  readonly scheduler: Scheduler
  readonly clock: Clock
  readonly log: Log
  readonly record: (event: NewEvent) => void
}

/** How often missed times are looked for, ms. */
const lookMs = 60_000
/** A job that failed is tried again this soon, ms. */
const retryMs = 3_600_000

export class Housekeeping {
  readonly #ports: HousekeepingPorts
  readonly #jobs: readonly Job[]
  readonly #times = new Map<string, ReturnType<Scheduler['schedule']>>()
  readonly #records = new Map<string, JobRecord>()
  readonly #queued = new Set<string>()
  #queue: Promise<void> = Promise.resolve()
  #cancel = () => {}
  #stopped = false

  constructor(jobs: readonly Job[], ports: HousekeepingPorts) {
    this.#jobs = jobs
    this.#ports = ports
  }

  /** `afterMs`: how long missed jobs wait, so that a start has the machine to itself. @throws for an expression that is none. */
  start(afterMs: number): void {
    for (const job of this.#jobs)
      this.#times.set(
        job.name,
        this.#ports.scheduler.schedule(job.when, () => this.#enqueue(job)),
      )
    this.#cancel = this.#ports.clock.after(afterMs, () => void this.#look())
  }

  /** Resolves when the job under way has ended; none begins after it. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel()
    for (const time of this.#times.values()) time.stop()
    await this.#queue
  }

  async #look(): Promise<void> {
    const { clock, store, log } = this.#ports
    try {
      for (const record of await store.jobs())
        if (!this.#records.has(record.name)) this.#records.set(record.name, record)
      for (const job of this.#jobs) if (this.#isDue(job)) this.#enqueue(job)
    } catch (error) {
      log.debug(`cannot look for missed jobs: ${(error as Error).message}`)
    }
    if (!this.#stopped) this.#cancel = clock.after(lookMs, () => void this.#look())
  }

  #isDue({ name }: Job): boolean {
    const record = this.#records.get(name)
    const now = this.#ports.clock.wall().getTime()
    return record === undefined || now >= Date.parse(record.nextAt) || Date.parse(record.ranAt) > now
  }

  #enqueue(job: Job): void {
    if (this.#queued.has(job.name) || this.#stopped) return
    this.#queued.add(job.name)
    this.#queue = this.#queue.then(async () => {
      if (!this.#stopped) await this.#run(job)
      this.#queued.delete(job.name)
    })
  }

  async #run(job: Job): Promise<void> {
    const { clock, store, log, record } = this.#ports
    const ranAt = clock.wall()
    const begun = clock.now()
    const last = this.#records.get(job.name)
    let ok = true
    let said: string
    try {
      said = await job.run(last)
      log.info(`${job.name}: ${said}`, { ms: Math.round(clock.now() - begun) })
    } catch (error) {
      ok = false
      said = (error as Error).message
      log.error(`${job.name} failed: ${said}`)
      // One event for one trouble, however often it is tried again.
      if (last?.ok !== false || last.said !== said)
        record({ type: 'job_failed', detail: { job: job.name, reason: said } })
    }
    const next = this.#times.get(job.name)!.next().getTime()
    const nextAt = new Date(ok ? next : Math.min(next, clock.wall().getTime() + retryMs)).toISOString()
    const note = { name: job.name, ranAt: ranAt.toISOString(), nextAt, ok, said }
    this.#records.set(job.name, note)
    await store.noteJob(note).catch((error: Error) => log.warn(`cannot note that ${job.name} ran: ${error.message}`))
  }
}

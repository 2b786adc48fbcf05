/** What the store cannot do for the door at the moment, for who asks how the door is: the home hears of it as events. */
import type { Clock, Store, StoreCare, StoreReplaced } from '../ports.js'

/** How often the file is read through, ms: damage that a cache hides is not to wait for the night. */
const checkMs = 300_000

/** Without anybody's name: it stands in metrics and crash reports, too. */
export interface StoreAccount {
  /** People with templates that can be opened, of the embedder in use; absent while that is not known. */
  readonly recognisable?: number
  /** Each in one line with its remedy. */
  readonly problems: readonly string[]
}

export interface StoreWatchPorts {
  readonly store: Pick<Store, 'people' | 'galleryRevision' | 'isNew'> &
    Pick<StoreCare, 'keyProblem' | 'jobs' | 'checkFile'>
  readonly clock: Pick<Clock, 'now'>
  /** Whether the file is small enough to be read through while the door is guarded. */
  readonly checks: boolean
  /** When which job is due; "" for never: how it went last is nobody's problem then. */
  readonly schedule: Readonly<Record<string, unknown>>
  /** The one in use; undefined while there is none. */
  readonly embedder: () => string | undefined
}

export class StoreWatch {
  readonly #ports: StoreWatchPorts
  #looking = false
  #checkedAt: number
  #replaced: string | undefined
  /** What `#people` was counted of. */
  #of = ''
  #people: Pick<StoreAccount, 'recognisable' | 'problems'> = { problems: [] }
  report: StoreAccount = { problems: [] }

  constructor(ports: StoreWatchPorts) {
    this.#ports = ports
    this.#checkedAt = ports.clock.now()
  }

  /** Stays until the next start: whoever looks only once a week has to hear of it, and see to the disk. */
  replaced({ aside, backup, lost }: StoreReplaced): void {
    const kept = aside === undefined ? 'was gone' : `was damaged (kept as ${aside})`
    const now = backup === undefined ? 'begun anew for want of a backup' : `restored from ${backup.path}`
    this.#replaced = `the store ${kept} and was ${now}, ${lost} events at least are lost: check the disk; shown until facelatch is started again`
  }

  /** Never rejects. */
  async look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      await this.#check()
      const locked = await this.#ports.store.keyProblem()
      const people = await this.#look(locked)
      const replaced = this.#replaced === undefined ? [] : [this.#replaced]
      this.report = { ...people, problems: [...people.problems, ...replaced, ...(await this.#nights())] }
    } catch (error) {
      this.report = { problems: [`the store cannot be read: ${(error as Error).message}`] }
    }
    this.#looking = false
  }

  async #check(): Promise<void> {
    const { store, clock, checks } = this.#ports
    if (!checks || clock.now() - this.#checkedAt < checkMs) return
    this.#checkedAt = clock.now()
    // A damaged store is replaced by whoever keeps it, and what stays wrong fails below.
    await store.checkFile().catch(() => {})
  }

  /** Counted anew only when something has changed. */
  async #look(locked: string | undefined): Promise<StoreAccount> {
    const { store, embedder: inUse } = this.#ports
    const embedder = inUse()
    const of = `${await store.galleryRevision()} ${embedder} ${locked}`
    if (of === this.#of) return this.#people
    const people = await store.people()
    const known = people.filter(({ templates }) => (embedder === undefined ? false : templates[embedder])).length
    const problems: string[] = []
    if (locked !== undefined) problems.push(`${locked}; until then nobody is recognised, the exit button works`)
    else if (embedder !== undefined && known < people.length)
      problems.push(
        `${people.length - known} of ${people.length} people enrolled ${people.length === 1 ? 'has' : 'have'} no templates that can be used and ${people.length - known === 1 ? 'is' : 'are'} not recognised: "facelatch doctor" names them`,
      )
    if (people.length === 0 && !(await store.isNew()))
      problems.push(
        'the store was damaged and begun anew, and nobody is enrolled any more: put a backup of yours in its place ("facelatch store restore"), or enrol everybody again',
      )
    this.#of = of
    this.#people = { ...(embedder !== undefined && { recognisable: known }), problems }
    return this.#people
  }

  async #nights(): Promise<string[]> {
    const failed = (await this.#ports.store.jobs()).filter(
      ({ name, ok }) => !ok && (this.#ports.schedule[name] ?? '') !== '',
    )
    return failed.map(({ name, said }) => `the nightly ${name} failed: ${said}`)
  }
}

import type { Log, Store } from '../ports.js'

export interface FollowPeoplePorts {
  readonly store: Pick<Store, 'galleryRevision' | 'people'>
  readonly log: Log
  /** Somebody was enrolled, renamed, removed or given other templates; and at the first look. */
  readonly changed: (names: readonly string[]) => void
  /** The store answered, if only that it cannot. */
  readonly answered: () => void
}

/** A look at who is enrolled: other processes, such as the command line, may change that while the door is guarded. */
export function peopleFollower({ store, log, changed, answered }: FollowPeoplePorts): () => Promise<void> {
  let revision = -1
  let complaint: string | undefined
  return async () => {
    try {
      const now = await store.galleryRevision()
      if (now !== revision) {
        const names = (await store.people()).map(({ name }) => name)
        revision = now
        changed(names)
      }
      complaint = undefined
    } catch (error) {
      // Once, and not every second: a disk that is full has no room for that.
      const { message } = error as Error
      if (message !== complaint) log.warn(`cannot look for changed people: ${message}`)
      complaint = message
    }
    answered()
  }
}

/**
 * A store that does not stay broken: for the supervisor, which has a door to guard meanwhile.
 *
 * - A damaged file is set aside, and the newest good backup takes its place; the same where the file is gone and there
 *   are backups. Whoever listens is told, and records it: a store is never silently emptier than it was.
 * - Where the disk is full or read-only, the file or its folder closed to this user or not there, or another program keeps
 *   it locked, opening is tried again and again; whom the file knows is read from it meanwhile, if it can be.
 * - A folder that is missing is not made: it may be one that is mounted later; one whose disk is not mounted is not used.
 *   Where it comes without a store, the one that is begun in it is not new.
 * - A removal that was marked and not made is made: nobody forgotten comes back, in an older file of the store either.
 * - What was last known of people answers while the store does not.
 */
import { dirname } from 'node:path'
import { StoreError, type StoreReplaced } from '../ports.js'
import { removeDrafts, removeRestoring, restoreNewest } from './store-backup.js'
import { codeOf, expectMounted, inWords, withoutRemedy } from './store-errors.js'
import { glance } from './store-glance.js'
import { LastKnown } from './store-last-known.js'
import { readForgotten } from './store-salvage.js'
import { backupFolder, type OpenStore, openStore, type StoreOptions } from './store-sqlite.js'
import { hadStore, sizeOf } from './store-traces.js'

export interface KeptStore extends Omit<OpenStore, 'putBack' | 'continueAfter'> {
  /** Called after each replacement, and at once for those that were made while it was opened. */
  onReplaced(listener: (replaced: StoreReplaced) => void): void
}

type Methods = Omit<OpenStore, 'close' | 'checked' | 'putBack' | 'continueAfter'>

/** Every method there is: the compiler misses the one that is not here. */
const methods: Record<keyof Methods, true> = {
  ...{
    people: true,
    enrol: true,
    removePerson: true,
    renamePerson: true,
    templates: true,
    gallery: true,
    galleryPart: true,
  },
  ...{ lastVisitor: true, galleryRevision: true, append: true, events: true, verifyEvents: true, nextOutgoing: true },
  ...{ outgoingFailed: true, outgoingSent: true, keyProblem: true, backup: true, backups: true },
  ...{ removeEventsBefore: true, sealEvents: true, checkFile: true, optimize: true, scrub: true },
  ...{ isNew: true, markOld: true, rotateKey: true, replaceKey: true, jobs: true, noteJob: true },
}

const reopenMs = 2_000
/** A store that takes longer to open, from a card that fails or after a power cut, is opened beside the door's start, ms. */
const openPatienceMs = 5_000
/** The machine's condition, which may pass. */
const passing: readonly string[] = ['full', 'io', 'locked', 'readonly', 'missing']
/** Of a path that can never name a file. */
const nonsense: readonly string[] = ['EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']
const isCode = (error: unknown, codes: readonly string[]): error is StoreError =>
  error instanceof StoreError && codes.includes(error.code)

/** Rejects with StoreError for what no waiting mends: a path of nonsense, another program's file, a newer facelatch's. */
export async function keepStore(options: StoreOptions): Promise<KeptStore> {
  const { path, log } = options
  const folder = backupFolder(options)
  const wall = () => options.clock?.wall() ?? new Date()
  const known = new LastKnown(path)
  let listener: ((replaced: StoreReplaced) => void) | undefined
  const untold: StoreReplaced[] = []
  let inner: OpenStore | undefined
  let problem: StoreError | undefined
  let replacing: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false
  let answeringFromMemory = false
  let folderWasMissing = false
  const tell = (replaced: StoreReplaced) => {
    log.error(`the store was replaced: ${replaced.reason}`, {
      aside: replaced.aside ?? 'nothing',
      backup: replaced.backup?.path ?? 'none',
    })
    if (listener) listener(replaced)
    else untold.push(replaced)
  }

  /** Where nobody has the file open. */
  const restore = async (reason: string): Promise<OpenStore> => {
    expectMounted(folder, 'backups')
    const { aside, backup, refused } = await restoreNewest(path, folder, wall())
    for (const one of refused) log.error(`a backup cannot be used: ${one}`)
    const opened = await openStore({ ...options, expected: true })
    // An empty store must not let the first one at the button enrol as if the door were new.
    if (!backup) await opened.markOld()
    // First of all: rows about people are numbered, too.
    const lost = await opened.continueAfter(known.lastSeq).catch((error: Error) => {
      log.error(`numbers of lost events may be given again: ${error.message}`)
      return Math.max(0, known.lastSeq - (backup?.seq ?? 0))
    })
    tell({ aside, backup, reason, kept: await putBack(opened), lost })
    return opened
  }

  /** People of this run's memory whom the backup does not know, or by an older name. */
  const putBack = async (store: OpenStore): Promise<number> => {
    try {
      return (await store.putBack({ people: known.people ?? [], galleries: known.galleries })).kept
    } catch (error) {
      log.error(`people in memory could not be put back: ${(error as Error).message}`)
      return 0
    }
  }

  const open = async (): Promise<OpenStore> => {
    try {
      const opened = await openOrRestore()
      await finishForgetting(opened).catch((error: Error) =>
        log.error(`whoever was being removed may still be enrolled: ${error.message}`),
      )
      return opened
    } catch (error) {
      throw inWords(error, path)
    }
  }

  /** On the list and in the store: a power cut ended the removal, or the file was put there from elsewhere. */
  const finishForgetting = async (store: OpenStore): Promise<void> => {
    const forgotten = readForgotten(path)
    if (forgotten.size === 0) return
    for (const { id, name } of await store.people()) {
      if (!forgotten.has(id)) continue
      await store.removePerson(name, [{ type: 'removed', person: name, detail: { reason: 'the removal was cut off' } }])
      log.warn('somebody whose removal was cut off is removed')
    }
  }

  const openOrRestore = async (): Promise<OpenStore> => {
    try {
      expectFolder(path)
    } catch (error) {
      folderWasMissing ||= isCode(error, ['missing'])
      throw error
    }
    const expected = folderWasMissing || hadStore(path, folder)
    if (expected && sizeOf(path) === undefined)
      return await restore(folderWasMissing ? 'its folder was missing, and came without it' : 'the file was gone')
    try {
      return await openStore({ ...options, expected })
    } catch (error) {
      if (!isCode(error, ['corrupt'])) throw error
      return await restore(withoutRemedy(error.message))
    }
  }

  /** Who is known, where nothing can be written. Whoever was removed is removed in the file, or in its journal. */
  const readMeanwhile = async () => {
    try {
      const read = await glance(path, options.keyFile)
      known.learn(read)
      const shut = read.shut > 0 && { shut: read.shut }
      log.warn('the store is read and not written', { people: read.people.length, ...shut })
    } catch (error) {
      log.error(`nobody is known until the store can be opened: ${(error as Error).message}`)
    }
  }

  const openLater = (error: StoreError) => {
    problem = error
    if (!closed) retry = setTimeout(() => takeOnceOpen(open()), reopenMs)
  }

  const takeOnceOpen = (opening: Promise<OpenStore>) =>
    opening.then(
      (store) => {
        if (closed) return store.close()
        inner = store
        known.isOpen()
        log.info('the store is open')
        return undefined
      },
      (again: unknown) => {
        const said = again instanceof StoreError ? again : new StoreError('io', String(again))
        if (said.message !== problem?.message) log.error(said.message)
        openLater(said)
      },
    )

  const replace = async (used: OpenStore, reason: string): Promise<void> => {
    if (inner !== used) return await replacing
    inner = undefined
    problem = new StoreError('corrupt', reason)
    replacing = (async () => {
      await used.close().catch(() => {})
      try {
        inner = await restore(reason)
      } catch (error) {
        log.error(`the store could not be replaced yet: ${(error as Error).message}`)
        openLater(error instanceof StoreError ? error : new StoreError('io', (error as Error).message))
      }
    })()
    await replacing
  }

  const call = async (method: keyof Methods, args: unknown[]): Promise<unknown> => {
    const ask = async (store: OpenStore | undefined) => {
      if (!store) throw problem ?? new StoreError('closed', `store ${path}: used after it was closed`)
      const result = await (store[method] as (...args: unknown[]) => Promise<unknown>)(...args)
      answeringFromMemory = false
      known.remember(method, args, result)
      return result
    }
    const used = inner
    try {
      try {
        return await ask(used)
      } catch (error) {
        if (!used || !isCode(error, ['corrupt'])) throw error
        await replace(used, withoutRemedy(error.message))
        return await ask(inner)
      }
    } catch (error) {
      const last = known.recall(method, args)
      if (!last || !isCode(error, [...passing, 'corrupt'])) throw error
      if (!answeringFromMemory) log.warn(`people are those last known: ${error.message}`)
      answeringFromMemory = true
      return last.answer
    }
  }

  try {
    removeDrafts(folder)
    removeRestoring(path)
  } catch (error) {
    log.warn(`what a killed backup left could not be removed: ${(error as Error).message}`)
  }
  try {
    const opening = open()
    inner = await inTime(opening, openPatienceMs)
    if (!inner) {
      problem = new StoreError('io', `store ${path}: takes long to open: look at the kernel log and at the disk`)
      log.error(problem.message)
      void takeOnceOpen(opening)
    }
  } catch (error) {
    if (!isCode(error, passing) || nonsense.includes(codeOf(error.cause))) throw error
    log.error(error.message)
    if (!isCode(error, ['locked', 'missing'])) await readMeanwhile()
    openLater(error)
  }
  const kept = Object.fromEntries(
    Object.keys(methods).map((name) => [name, (...args: unknown[]) => call(name as keyof Methods, args)]),
  ) as unknown as Methods
  return {
    ...kept,
    checked: inner?.checked ?? true,
    onReplaced(heard) {
      listener = heard
      for (const replaced of untold.splice(0)) heard(replaced)
    },
    async close() {
      closed = true
      clearTimeout(retry)
      await replacing
      await inner?.close()
    },
  }
}

/** @throws StoreError where the store's folder is missing, or is only the place of a disk that is. */
function expectFolder(path: string): void {
  expectMounted(path)
  const folder = dirname(path)
  if (sizeOf(folder) !== undefined) return
  const remedy = 'create it, or mount the disk that it is on'
  throw new StoreError('missing', `store ${path}: its folder ${folder} is missing: ${remedy}`)
}

/** Undefined when it has not come by then. */
async function inTime<T>(what: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined)
  })
  try {
    return await Promise.race([what, late])
  } finally {
    clearTimeout(timer)
  }
}

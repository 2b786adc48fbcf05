/** The door at work while the power may fail: who comes, who is enrolled, and what the outside was told of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../../firmware/evaluation/sequences/random.js'
import type { DoorEvent, DoorHome } from './home.js'
import { becomes, type Machine } from './machine.js'

/** Of the service, in the machine. */
export const state = '/var/lib/facelatch'

/** What was told to the outside, by all boots up to a moment. */
export interface Acknowledged {
  readonly events: ReadonlyMap<string, DoorEvent>
  /** Names whose enrolment was confirmed, and those whose removal was. */
  readonly enrolled: ReadonlySet<string>
  readonly removed: ReadonlySet<string>
  /** Last number known to be written into a file that nobody flushes. */
  readonly canary: number
}

export function acknowledged(home: DoorHome, answers: readonly string[], canary: number): Acknowledged {
  const events = new Map<string, DoorEvent>()
  for (const event of home.events()) if (event.stored !== false) events.set(event.id, event)
  const [enrolled, removed] = [new Set<string>(), new Set<string>()]
  for (const row of answers) {
    const [what, name] = row.split(' ') as [string, string]
    if (what === 'enrolled') enrolled.add(name)
    // Asked for, it may be done although nobody could say so any more.
    if (what === 'removing') enrolled.delete(name)
    if (what === 'removed') removed.add(name)
  }
  return { events, enrolled, removed, canary }
}

export interface Business {
  readonly round: number
  /** How many moments there are, seeded, each up to 60 changes of the disk after the one before. */
  readonly moments: number
  readonly random: Random
  readonly diary: { readonly answers: string[]; canary: number }
}

/** People come, go and are enrolled; `at` is called before a change of the disk, and after the last time nothing changes. */
export async function busy(
  machine: Machine,
  home: DoorHome,
  { round, moments, random, diary }: Business,
  at: (change: number) => void,
): Promise<void> {
  let over = false
  // Numbers of its own for each boot: nobody is asked to be enrolled twice.
  const as = 'setpriv --reuid=facelatch --regid=facelatch --init-groups /usr/lib/facelatch/current/bin/node'
  machine.run(`${as} /opt/facelatch/test/appliance/door/guest/enrol.mjs ${(round + 1) * 1000} 3>/dev/ttyS2`).then(
    ({ stdout }) => {
      if (!over) throw new Error(`the enrolling program ended: ${stdout}`)
    },
    () => {},
  )
  machine.onAcknowledged((row) => diary.answers.push(row))
  const press = async () => {
    const number = diary.canary + 1
    await machine.run(`echo ${number} >>${state}/canary`)
    diary.canary = number
    await machine.press()
    await sleep(200)
  }
  const unlock = async () => {
    await home.unlock()
    await sleep(1200)
  }
  const before = diary.answers.length
  await becomes(machine, 'people are enrolled', () => diary.answers.length > before)
  const from = machine.disk.changes
  const cut = new Promise<void>((resolve) => {
    let next = 1 + Math.floor(random() * 60)
    let left = moments
    machine.server.beforeChange = (count) => {
      if (count - from < next) return true
      at(count - from)
      next += 1 + Math.floor(random() * 60)
      if (--left > 0) return true
      over = true
      resolve()
      return false
    }
  })
  const keep = async (work: () => Promise<void>) => {
    while (!over) await Promise.race([cut, work()])
  }
  await Promise.all([keep(press), keep(unlock)])
}

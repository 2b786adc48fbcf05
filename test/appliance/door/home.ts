/** The home outside the machine: a real broker, and who listens there. */
import { systemClock } from '../../../firmware/adapters/clock-system.js'
import { startMosquitto, watch } from '../../support/mosquitto.js'
import type { Owner } from '../../support/temp.js'

export interface DoorEvent {
  readonly id: string
  readonly seq?: number
  readonly type: string
  readonly person?: string
  readonly replayed?: boolean
  readonly stored?: boolean
  /** Of `started`: how the run before ended, where it was not stopped in order. */
  readonly after?: string
}

export interface DoorHome {
  /** Settings of a door in a machine: 10.0.2.2 there is loopback here. */
  readonly mqtt: { readonly url: string; readonly remoteUnlock: boolean }
  /** Every event that the broker has acknowledged to the door, in the order in which they came. */
  events(): DoorEvent[]
  /** Payloads of a topic below the door's own, oldest first. */
  of(topic: string): string[]
  unlock(): Promise<void>
}

export async function openHome(t: Owner): Promise<DoorHome> {
  const broker = await startMosquitto(t)
  const watcher = await watch(t, broker.url)
  const of = (topic: string) => watcher.of(`facelatch/door/${topic}`)
  return {
    mqtt: { url: `mqtt://10.0.2.2:${broker.port}`, remoteUnlock: true },
    of,
    events: () => of('event').map((text) => JSON.parse(text) as DoorEvent),
    unlock: () =>
      watcher.publish(
        'facelatch/door/lock/set',
        JSON.stringify({ command: 'UNLOCK', at: systemClock.wall().toISOString() }),
      ),
  }
}

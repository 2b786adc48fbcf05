/** What the log is told of events: each once, at once, whatever the store does. */
import t from 'tap'
import { Recorder } from '../../firmware/app/recorder.js'
import type { NewEvent } from '../../firmware/domain/events.js'
import type { Broker, Store } from '../../firmware/ports.js'
import { memoryLog } from '../support/temp.js'

const settle = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

function recording() {
  let broken = false
  let seq = 0
  let retry = () => {}
  const log = memoryLog()
  const store = {
    append: async (event: NewEvent, _: boolean, at: Date, id: string) => {
      if (broken) throw new Error('the disk is full')
      return { ...event, id, at: at.toISOString(), seq: ++seq }
    },
    nextOutgoing: async () => undefined,
  } as unknown as Store
  const broker = { connected: false, onConnection: () => {} } as unknown as Broker
  const after = (_: number, then: () => void) => {
    retry = then
    return () => {}
  }
  const clock = { now: () => 0, wall: () => new Date(0), after }
  let id = 0
  const recorder: Recorder = new Recorder({ store, broker, clock, log, newId: () => `${++id}` }, (ok, reason) =>
    recorder.record(ok ? { type: 'store_restored' } : { type: 'store_fault', detail: { reason: reason ?? '' } }),
  )
  const breaks = (now: boolean) => {
    broken = now
    retry()
  }
  return { recorder, log, breaks }
}

t.test('an event is logged once: with its number, or at once without while the store fails', async (t) => {
  const { recorder, log, breaks } = recording()
  recorder.record({ type: 'started' })
  await settle()
  t.same(log.lines, ['info: started {"seq":1}'])
  breaks(true)
  recorder.record({ type: 'exit', detail: { by: 'button' } })
  await settle()
  recorder.record({ type: 'granted', person: 'Ada' })
  const meanwhile = [
    'info: exit {"stored":false,"by":"button"}',
    'info: store_fault {"stored":false,"reason":"the disk is full"}',
    'info: granted {"stored":false,"person":"Ada"}',
  ]
  t.same(log.lines.slice(1).sort(), [...meanwhile].sort())
  breaks(false)
  await settle()
  await settle()
  t.same(log.lines.slice(4), ['info: store_restored {"seq":5}'], 'and not again')
  t.equal(recorder.close(), 0)
})

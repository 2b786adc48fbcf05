import t from 'tap'
import { type CameraEvent, type CameraState, initialCamera, stepCamera } from '../../firmware/domain/camera-health.js'

const live = { recording: false, backoff: { firstMs: 500, maxMs: 15_000 }, steadyMs: 30_000 }

function run(events: readonly CameraEvent[], options = live) {
  let state: CameraState = initialCamera
  let effects: readonly object[] = []
  for (const event of events) ({ state, effects } = stepCamera(state, event, options))
  return { state, effects }
}

t.test('opens, and says live only when a frame came', async (t) => {
  t.same(run([{ type: 'start' }]).effects, [{ do: 'open' }])
  t.same(run([{ type: 'start' }, { type: 'opened', now: 0 }]).effects, [{ do: 'tell', status: 'live' }])
})

t.test('a fault closes, tells and tries again later, and later still', async (t) => {
  const once: CameraEvent[] = [{ type: 'start' }, { type: 'failed', reason: 'no such device', now: 0 }]
  t.same(run(once).effects, [
    { do: 'close' },
    { do: 'tell', status: 'fault', reason: 'no such device' },
    { do: 'retry', ms: 500 },
  ])
  const twice = [...once, { type: 'retry' }, { type: 'failed', reason: 'no such device', now: 1000 }] as CameraEvent[]
  t.match(run(twice).effects[2], { do: 'retry', ms: 1000 })
  const often = Array.from(
    { length: 20 },
    () => [{ type: 'retry' }, { type: 'failed', reason: 'x', now: 0 }] as CameraEvent[],
  ).flat()
  t.match(run([...once, ...often]).effects[2], { do: 'retry', ms: 15_000 }, 'capped')
})

t.test('frames that flow for a while forgive earlier faults', async (t) => {
  const shaky: CameraEvent[] = [
    { type: 'start' },
    { type: 'failed', reason: 'x', now: 0 },
    { type: 'retry' },
    { type: 'opened', now: 1000 },
  ]
  t.match(run([...shaky, { type: 'failed', reason: 'x', now: 2000 }]).effects[2], { ms: 1000 })
  t.match(run([...shaky, { type: 'failed', reason: 'x', now: 31_000 }]).effects[2], { ms: 500 })
})

t.test('a live source that ends is a fault, a recording that ends has ended', async (t) => {
  const events: CameraEvent[] = [{ type: 'start' }, { type: 'opened', now: 0 }, { type: 'ended', now: 10 }]
  t.match(run(events).effects, [
    { do: 'close' },
    { do: 'tell', status: 'fault', reason: 'the stream ended' },
    { do: 'retry' },
  ])
  t.same(run(events, { ...live, recording: true }).effects, [{ do: 'close' }, { do: 'tell', status: 'ended' }])
})

/** The native addon as JavaScript sees it: cameras on real recordings, faults, and arguments that make no sense. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../firmware/config.js'
import { chooseModels } from '../../firmware/models.js'
import { clip, root } from '../support/appliance.js'

type Native = typeof import('../../native/index.js')
const native = createRequire(import.meta.url)(join(root, 'build/native/facelatch.node')) as Native

async function count(camera: import('../../native/index.js').Camera, limit = Number.POSITIVE_INFINITY) {
  const times: number[] = []
  for (;;) {
    const outcome = await camera.next()
    if (outcome.type !== 'frame') return { times, outcome }
    times.push(outcome.frame.at)
    outcome.frame.release()
    if (times.length >= limit) return { times, outcome }
  }
}

t.test('every frame of a recording comes once, in order, when nobody hurries', async (t) => {
  const camera = await native.Camera.open({ source: `file:${clip('cap12_edit')}`, realtime: false })
  const { times, outcome } = await count(camera)
  t.equal(times.length, 1337)
  t.equal(outcome.type, 'end')
  t.ok(times.every((at, i) => i === 0 || at > times[i - 1]!))
  t.match(camera.stats(), { decoded: 1337, delivered: 1337, dropped: 0 })
  await camera.close()
  await camera.close()
  await t.rejects(camera.next(), { code: 'CLOSED' })
})

t.test('a looped recording goes on counting', async (t) => {
  const source = 'gst:videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48,framerate=25/1'
  const camera = await native.Camera.open({ source, realtime: false, loop: true })
  const { times } = await count(camera, 23)
  t.ok(times.every((at, i) => i === 0 || at > times[i - 1]!))
  await camera.close()
})

t.test('of a live camera the newest frame wins, and the others are counted', async (t) => {
  const source = 'gst:videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=100/1'
  const camera = await native.Camera.open({ source })
  await new Promise((resolve) => setTimeout(resolve, 500))
  const outcome = await camera.next()
  t.equal(outcome.type, 'frame')
  if (outcome.type === 'frame') t.ok(outcome.frame.sequence >= 10, 'it is not the first one')
  const { decoded, delivered, dropped } = camera.stats()
  t.equal(delivered, 1)
  t.ok(dropped >= 5 && dropped <= decoded, `${dropped} of ${decoded} dropped`)
  await camera.close()
})

t.test('stalls and errors are outcomes', async (t) => {
  const slow = await native.Camera.open({
    source: 'gst:videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=1/3',
    stallSeconds: 1,
  })
  t.match(await slow.next(), { type: 'frame' })
  t.match(await slow.next(), { type: 'stall', seconds: Number })
  await slow.close()
  const failing = await native.Camera.open({
    source: 'gst:videotestsrc ! video/x-raw,width=64,height=48 ! identity error-after=6',
    realtime: false,
  })
  const { times, outcome } = await count(failing)
  t.equal(times.length, 5)
  t.match(outcome, { type: 'error', message: /identity/ })
  await failing.close()
})

t.test('a second next, and a next after close', async (t) => {
  const camera = await native.Camera.open({ source: 'gst:videotestsrc is-live=true ! video/x-raw,framerate=1/1' })
  t.match(await camera.next(), { type: 'frame' })
  const first = camera.next()
  const second = camera.next()
  await t.rejects(second, { code: 'BUSY' })
  await camera.close()
  t.match(await first, { type: /frame|end/ })
})

t.test('frames own their pixels until released', async (t) => {
  const pixels = Uint8Array.from({ length: 4 * 3 * 3 }, (_, i) => i)
  const frame = native.Frame.fromRgb(pixels, 4, 3)
  pixels.fill(0)
  t.same([frame.width, frame.height, frame.rgb()[35]], [4, 3, 35])
  frame.release()
  t.throws(() => frame.rgb(), { code: 'CLOSED' })
})

t.test('NV12 frames show the same people as RGB, and stand still and move alike', async (t) => {
  const { options } = await chooseModels(loadConfig([], {}))
  const recognizer = await native.Recognizer.load({ ...options, engine: 'onnxruntime' })
  t.equal(recognizer.pixels, 'rgb', 'the CPU would have to convert')
  const source = { source: `file:${clip('cap12_edit')}`, realtime: false }
  const cameras = [await native.Camera.open(source), await native.Camera.open({ ...source, pixels: 'nv12' })] as const
  const prints = new Set<number>()
  let seen = 0
  for (let at = 0; at < 60; at++) {
    const outcomes = [await cameras[0].next(), await cameras[1].next()]
    const [rgb, nv12] = outcomes.map((outcome) => (outcome.type === 'frame' ? outcome.frame : undefined))
    if (!rgb || !nv12) throw new Error('a camera ended')
    t.same([nv12.width, nv12.height, nv12.at], [rgb.width, rgb.height, rgb.at])
    t.equal(nv12.fingerprint(), nv12.fingerprint())
    prints.add(nv12.fingerprint())
    if (at % 10 === 0) {
      const found = [await recognizer.detect(rgb), await recognizer.detect(nv12)].map(({ faces }) => faces)
      t.equal(found[1]!.length, found[0]!.length)
      const largest = found.map(([face]) => face)
      if (!largest[0] || !largest[1]) continue
      seen++
      const [a, b] = [largest[0].box, largest[1].box]
      t.ok(Math.max(Math.abs(a.x - b.x), Math.abs(a.y - b.y), Math.abs(a.width - b.width)) < 4, `${a.x} ${b.x}`)
      const people = [
        await recognizer.identify(rgb, [largest[0].landmarks], 1),
        await recognizer.identify(nv12, [largest[1].landmarks], 1),
      ].map(({ faces }) => faces[0]!.embedding)
      const cosine = people[0]!.reduce((sum, value, i) => sum + value * people[1]![i]!, 0)
      t.ok(cosine > 0.97, `cosine ${cosine}`)
    }
    t.equal(nv12.rgb().length, rgb.rgb().length)
    rgb.release()
    nv12.release()
  }
  t.ok(seen >= 3, `${seen} faces compared`)
  t.ok(prints.size > 50, `${prints.size} frames told apart`)
  for (const camera of cameras) await camera.close()
  await recognizer.close()
})

t.test('arguments that make no sense are named, and crash nothing', async (t) => {
  const bad = native as unknown as Record<string, Record<string, (...args: unknown[]) => unknown>>
  t.throws(() => bad.Frame!.fromRgb!(new Uint8Array(5), 4, 3), TypeError)
  t.throws(() => bad.Frame!.fromRgb!('pixels', 4, 3), TypeError)
  t.throws(() => bad.Frame!.fromRgb!(new Uint8Array(0), -1, -1), TypeError)
  for (const options of [undefined, null, 5, {}, { source: 5 }, { source: 'file:x', stallSeconds: 'long' }])
    await t.rejects(Promise.resolve().then(() => bad.Camera!.open!(options)))
  for (const options of [undefined, {}, { engine: 'abacus' }])
    await t.rejects(Promise.resolve().then(() => bad.Recognizer!.load!(options)))
})

t.test('an engine for the GPU that cannot be used leaves the work to the CPU, and says why', async (t) => {
  const { options } = await chooseModels(loadConfig([], {}))
  const load = (engine: 'auto' | 'tensorrt' | 'onnxruntime', module: string) =>
    native.Recognizer.load({ ...options, engine, tensorrt: { precision: 'auto', module } })
  const stand = join(root, 'build/native/libtest_module.so')
  const fallen = await load('auto', stand)
  t.match(fallen.engine, /^ONNX Runtime/)
  t.match(fallen.fallback, /layer Conv_1/)
  await fallen.close()
  await t.rejects(load('tensorrt', stand), { code: 'MODEL_LOAD', message: /layer Conv_1/ })
  await t.rejects(load('tensorrt', '/nowhere.so'), { code: 'MODEL_LOAD', message: /this build has no TensorRT/ })
  const asked = await load('onnxruntime', stand)
  t.equal(asked.fallback, null)
  t.same(asked.notes, [])
  await asked.close()
})

// Loads, uses and drops everything the addon has, many times over, and watches what stays: native objects must be gone,
// and memory must not climb. node native/test/leak.mjs [rounds]
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

// glibc gives each thread a heap of its own, up to eight a core: how these fragment hides a leak. One heap shows it.
if (process.env.MALLOC_ARENA_MAX !== '1') {
  const env = { ...process.env, MALLOC_ARENA_MAX: '1' }
  const args = ['--expose-gc', fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  process.exit(spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1)
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const native = createRequire(import.meta.url)(`${root}/build/native/facelatch.node`)
const models = JSON.parse(readFileSync(`${root}/models/manifest.json`, 'utf8')).models
const embedder = models.find((model) => model.name === 'mobilefacenet-192')
const rounds = Number(process.argv[2] ?? 1000)
// Heap and code caches settle in the first half. The smallest thing that can leak, a frame, has 27 kB here.
const allowedBytesPerRound = 4096

const built = (file) => `${root}/models/built/${file}`
const options = {
  engine: 'onnxruntime',
  threads: 1,
  detector: {
    type: 'mtcnn',
    pnet: built('mtcnn-pnet.onnx'),
    rnet: built('mtcnn-rnet.onnx'),
    onet: built('mtcnn-onet.onnx'),
    minFace: 40,
    maxFaces: 4,
    scores: [0.6, 0.7, 0.7],
    factor: 0.709,
  },
  landmarks: built('mtcnn-onet.onnx'),
  embedder: {
    path: built(embedder.files.embedder.file),
    width: embedder.files.embedder.input.width,
    height: embedder.files.embedder.input.height,
    colour: 'rgb',
    mean: embedder.files.embedder.input.mean,
    scale: embedder.files.embedder.input.scale,
    template: embedder.template,
    dimensions: embedder.output.dimensions,
  },
}
const landmarks = [30, 35, 60, 35, 45, 52, 33, 68, 57, 68]

async function useEverything(round) {
  const recognizer = await native.Recognizer.load(options)
  const camera = await native.Camera.open({
    source: 'gst:videotestsrc num-buffers=3 ! video/x-raw,width=96,height=96',
    realtime: false,
  })
  recognizer.setGallery(
    Float32Array.from({ length: embedder.output.dimensions * 10 }, (_, i) => Math.sin(i + round)),
    Int32Array.from({ length: 10 }, (_, i) => i % 4),
  )
  let identified
  for (let outcome = await camera.next(); outcome.type !== 'end'; outcome = await camera.next()) {
    assert.equal(outcome.type, 'frame')
    const [, , answer] = await Promise.all([
      recognizer.detect(outcome.frame),
      recognizer.detect(outcome.frame, [{ x: 10, y: 10, width: 60, height: 60 }]),
      // The dearest of the three: once a round is enough.
      identified === undefined && recognizer.identify(outcome.frame, [landmarks], 3),
    ])
    identified ??= answer
    assert.equal(identified.faces[0].matches.length, 3)
    // Some frames are given back, the others left to the collector.
    if (round % 2 === 0) outcome.frame.release()
  }
  await assert.rejects(native.Recognizer.load({ ...options, embedder: { ...options.embedder, dimensions: 64 } }), {
    code: 'MODEL_LOAD',
  })
  await assert.rejects(native.Camera.open({ source: 'file:/nowhere' }), { code: 'CAMERA_OPEN' })
  // Some are closed, the others left to the collector, too.
  if (round % 3 !== 0) await camera.close()
  if (round % 5 !== 0) await recognizer.close()
}

const none = { frames: 0, cameras: 0, recognizers: 0, stuckPipelines: 0 }

/** Camera threads end a moment after their objects. */
async function settled() {
  for (let tries = 0; tries < 200; tries++) {
    globalThis.gc()
    await turn()
    if (Object.values(native.alive()).every((count) => count === 0)) break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return native.alive()
}

/** Least squares slope of the values, per round. */
function slope(points) {
  const mean = (pick) => points.reduce((sum, point) => sum + pick(point), 0) / points.length
  const x = mean((point) => point[0])
  const y = mean((point) => point[1])
  return (
    points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) /
    points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  )
}

const memory = []
for (let round = 0; round < rounds; round++) {
  await useEverything(round)
  if (round % 10 !== 9) continue
  assert.deepEqual(await settled(), none, `native objects live on after round ${round}`)
  memory.push([round, process.memoryUsage().rss])
  if (round % 100 === 99) console.log(`${round + 1} rounds: ${(memory.at(-1)[1] / 1e6).toFixed(1)} MB`)
}
const climb = slope(memory.slice(memory.length / 2))
console.log(`${rounds} rounds, memory changes by ${climb.toFixed(0)} bytes a round in the second half`)
assert.ok(climb < allowedBytesPerRound, `memory climbs by ${climb.toFixed(0)} bytes a round`)

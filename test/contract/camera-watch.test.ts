/** Cameras made of GStreamer's own parts, which fail as real ones do, under the watch that the recognizer keeps. */
import { PassThrough } from 'node:stream'
import t from 'tap'
import { cameraFault, openCamera, stuckPipelines } from '../../firmware/adapters/recognizer-native.js'
import { followOutput, limitLines } from '../../firmware/adapters/recognizer-output.js'
import { CameraWatch } from '../../firmware/app/camera-watch.js'
import type { CameraFault } from '../../firmware/domain/camera-faults.js'
import type { SessionOptions } from '../../firmware/domain/camera-health.js'
import { memoryLog, type Owner, until } from '../support/temp.js'

const size = 'video/x-raw,format=RGB,width=64,height=48'
/** `snow` is never the same twice, as a sensor's noise. */
const noise = 'videotestsrc is-live=true pattern=snow'

function watchOver(t: Owner, source: string, options: Partial<SessionOptions> = {}) {
  const told: string[] = []
  const faults: CameraFault[] = []
  let frames = 0
  const watch = new CameraWatch({
    session: { recording: false, frozenMs: 500, ...options },
    open: () => openCamera({ source, stallSeconds: 0.5, openSeconds: 1 }),
    faultOf: cameraFault,
    stuck: stuckPipelines,
    begin: () => told.push('begin'),
    frame: async (frame) => {
      frames++
      frame.release()
    },
    tell: (status) => told.push(status),
    fault: (fault) => faults.push(fault),
    closed: (stuck) => told.push(stuck ? 'stuck' : 'closed'),
  })
  t.teardown(() => watch.stop())
  watch.open()
  return { watch, told, faults, frames: () => frames, failed: () => until('it has failed', () => faults.length > 0) }
}

const broken: [name: string, kind: string, source: string, options?: Partial<SessionOptions>][] = [
  ['an element fails', 'error', `gst:${noise} ! ${size},framerate=30/1 ! identity error-after=5`],
  ['the stream ends', 'end', `gst:${noise} num-buffers=5 ! ${size},framerate=30/1`],
  [
    'nothing comes any more',
    'stall',
    `gst:${noise} num-buffers=5 ! ${size},framerate=30/1 ! f. appsrc is-live=true format=time caps=${size},framerate=30/1 ! f. funnel name=f`,
  ],
  [
    'the picture stands still',
    'frozen',
    `gst:videotestsrc num-buffers=1 pattern=smpte ! ${size},framerate=30/1 ! imagefreeze is-live=true`,
  ],
  ['it opens and gives nothing', 'silent', `gst:appsrc is-live=true format=time caps=${size},framerate=30/1`],
  ['a valve shuts it off from the start', 'silent', `gst:${noise} ! ${size},framerate=30/1 ! valve drop=true`],
  [
    'it changes its size',
    'size',
    `gst:concat name=c ${noise} num-buffers=5 ! ${size},framerate=30/1 ! c. ${noise} ! video/x-raw,format=RGB,width=128,height=48,framerate=30/1 ! c. c. ! identity`,
  ],
  [
    'it has another size than was asked',
    'size',
    `gst:${noise} ! ${size},framerate=30/1`,
    { size: { width: 640, height: 480 } },
  ],
  ['there is no such device', 'absent', 'v4l2:/nowhere/video0'],
  ['there is no such element', 'error', 'gst:nosuchelement'],
  ['it is no pipeline', 'refused', 'gst:videotestsrc !! fakesink'],
]
for (const [name, kind, source, options] of broken)
  t.test(`${name}: ${kind}`, async (t) => {
    const { faults, failed } = watchOver(t, source, options)
    await failed()
    t.equal(faults[0]?.kind, kind, faults[0]!.reason)
    t.notMatch(faults[0]?.reason, /\n/)
  })

t.test('a camera that is well goes on, is closed when told, and opened again', async (t) => {
  const { watch, told, faults, frames } = watchOver(t, `gst:${noise} ! ${size},framerate=30/1`)
  await until('pictures come', () => frames() > 20)
  await watch.close()
  t.same(told, ['begin', 'live', 'closed'])
  const before = frames()
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.equal(frames(), before)
  watch.open()
  await until('pictures come again', () => frames() > before)
  // Opened over itself: the newer session counts.
  watch.open()
  await until('a third session', () => told.filter((what) => what === 'live').length === 3)
  t.same(faults, [])
})

t.test('a covered lens is no fault, nor a test picture where nobody asks', async (t) => {
  const dark = watchOver(t, `gst:videotestsrc is-live=true pattern=black ! ${size},framerate=30/1`)
  const still = watchOver(t, `gst:videotestsrc is-live=true pattern=smpte ! ${size},framerate=30/1`, { frozenMs: 0 })
  await until('a second has passed', () => dark.frames() > 30 && still.frames() > 30)
  t.same([...dark.faults, ...still.faults], [])
})

t.test('what drivers print is passed on by the line, and a flood is cut', async (t) => {
  const stream = new PassThrough()
  const log = memoryLog()
  const passed: string[] = []
  let now = 0
  const clock = { now: () => now, wall: () => new Date(), after: () => () => {} }
  followOutput(
    [stream],
    limitLines({ clock, log }, (line) => passed.push(line)),
  )
  stream.write('(Argus) Error: Failed to cre')
  stream.write('ate CaptureSession\r\n\nno rtsp://eve:p@ss@10.0.0.7/door for rtsp://10.0.0.8/a@b\n')
  stream.write(`${'x'.repeat(100_000)}\n`)
  await until('it is read', () => passed.length === 3)
  t.same(passed.slice(0, 2), [
    '(Argus) Error: Failed to create CaptureSession',
    'no rtsp://***@10.0.0.7/door for rtsp://10.0.0.8/a@b',
  ])
  t.equal(passed[2]!.length, 2000)
  for (let i = 0; i < 100_000; i++) stream.write('Session has suffered a critical failure\n')
  stream.write('the last of them\n')
  await new Promise((resolve) => setImmediate(resolve))
  await until('it is all read', () => stream.readableLength === 0)
  t.equal(log.lines.length, 50)
  now = 3_000
  stream.end('later')
  await until('the rest is read', () => passed.at(-1) === 'later')
  t.match(log.lines.slice(50), [/^warn: 99954 lines .* left out/, /later/])
})

import t from 'tap'
import {
  newSession,
  type SessionEvent,
  type SessionOptions,
  type SessionState,
  stepSession,
} from '../../firmware/domain/camera-health.js'

const sensor: SessionOptions = { recording: false, frozenMs: 2000, size: { width: 640, height: 480 } }
const frame = (now: number, fingerprint: number, width = 640, height = 480): SessionEvent => {
  return { type: 'frame', width, height, fingerprint, now }
}

function play(events: readonly SessionEvent[], options: Partial<SessionOptions> = {}) {
  let state = newSession()
  return events.map((event) => {
    const stepped = stepSession(state, event, { ...sensor, ...options })
    state = stepped.state
    return stepped.ended ? 'ended' : (stepped.fault?.kind ?? 'well')
  })
}

t.test('the same picture for a while is a frozen camera, and noise is not', async (t) => {
  t.same(play([frame(0, 7), frame(900, 7), frame(1900, 7), frame(2000, 7)]), ['well', 'well', 'well', 'frozen'])
  t.same(play([0, 1000, 2000, 3000, 4000].map((at) => frame(at, at + 1))), Array(5).fill('well'))
  t.same(play([frame(0, 7), frame(900, 7), frame(1900, 8), frame(2900, 8), frame(3800, 8)]), Array(5).fill('well'))
})

t.test('a picture that was there before proves nothing, in the next session neither', async (t) => {
  const repeats = (state: SessionState, prints: readonly number[]) =>
    prints.map((print, i) => {
      const stepped = stepSession(state, frame(i * 40, print), sensor)
      state = stepped.state
      return stepped.repeated ?? false
    })
  t.same(repeats(newSession(), [1, 1, 2, 2, 1, 3]), [false, true, false, true, true, false])
  t.same(repeats(newSession(), [0, 0]), [false, false], 'pictures without contrast say nothing')
  const frozen = stepSession(newSession(), frame(0, 7), sensor).state
  t.same(repeats(newSession(frozen), [7, 8]), [true, false])
  t.same(play([0, 500, 1000, 1500, 2000, 2500].map((at, i) => frame(at, 1 + (i % 3)))).at(-1), 'well')
  t.same(play(Array.from({ length: 9 }, (_, i) => frame(i * 500, 1 + (i % 3)))).at(-1), 'frozen', 'round its buffers')
})

t.test('a few frames are no proof, however long they took', async (t) => {
  t.same(play([frame(0, 7), frame(9000, 7), frame(18_000, 7), frame(27_000, 7)]), ['well', 'well', 'well', 'frozen'])
})

t.test('a covered lens is not a frozen camera', async (t) => {
  t.same(play([0, 1000, 2000, 3000, 4000].map((at) => frame(at, 0))), Array(5).fill('well'))
})

t.test('who does not ask for it is not told', async (t) => {
  t.same(
    play(
      [0, 1000, 2000, 3000, 4000].map((at) => frame(at, 7)),
      { frozenMs: 0 },
    ),
    Array(5).fill('well'),
  )
})

t.test('a picture of another size than was asked for is a fault', async (t) => {
  t.same(play([frame(0, 1, 1280, 720)]), ['size'])
  t.match(stepSession(newSession(), frame(0, 1, 1280, 720), sensor).fault, { reason: /1280x720 .* 640x480/ })
})

t.test('a source with a size of its own must keep it', async (t) => {
  const { size: _, ...own } = sensor
  let { state } = stepSession(newSession(), frame(0, 1, 320, 240), own)
  ;({ state } = stepSession(state, frame(40, 2, 320, 240), own))
  t.equal(stepSession(state, frame(80, 3, 640, 240), own).fault?.kind, 'size')
})

t.test('what the camera itself says', async (t) => {
  t.same(play([{ type: 'stall', seconds: 5.04 }]), ['stall'])
  t.same(play([{ type: 'error', message: 'lost camera csi:0: the stream ended by itself' }]), ['end'])
  t.same(play([{ type: 'error', message: 'it burns' }]), ['error'])
  t.same(play([{ type: 'end' }]), ['end'], 'a live source that ends is a fault')
  t.same(play([{ type: 'end' }], { recording: true }), ['ended'], 'a recording that ends has ended')
})

import t from 'tap'
import { framesTogether } from '../../firmware/domain/liveness.js'
import { attack, attackKinds, type Raster } from '../../firmware/evaluation/attacks.js'
import { judged, liveness, operatingPoint, type Presentation } from '../../firmware/evaluation/liveness.js'

/** A subject whose every frame has these log-odds, for `count` frames. */
const shows = (subject: string, kind: string, odds: number, count = 40): Presentation => ({
  subject,
  kind,
  frames: Array.from({ length: count }, (_, i) => ({ odds: [odds + 0.01 * (i % 10), odds] })),
})
const share = (odds: number) => 1 / (1 + Math.exp(-odds))

t.test('frames are judged in groups of as many as the door fuses; what is left over is not', async (t) => {
  t.equal(judged([shows('a', 'live', 3, 39)]).length, 3)
  t.equal(judged([shows('a', 'live', 3, framesTogether - 1)]).length, 0)
  t.equal(judged([shows('a', 'live', 3, 39)], 1).length, 39)
})

t.test('the operating point lets one frame in a hundred of pictures through', async (t) => {
  const frames = judged([shows('a', 'live', 5), shows('a', 'print', -8, 99), { ...shows('b', 'print', 1, 1) }], 1)
  const point = operatingPoint(frames)
  t.ok(point > share(-8) && point < share(1), `${point}`)
  const two = judged([shows('a', 'live', 5), shows('a', 'print', -8, 98), { ...shows('b', 'print', 1, 2) }], 1)
  t.ok(operatingPoint(two) > share(1))
})

t.test('nobody is measured at an operating point that his own pictures chose', async (t) => {
  // The third subject's prints look more alive than the others': chosen without him, the point lets them pass.
  const subjects = [shows('a', 'print', -8), shows('b', 'print', -8), shows('c', 'print', -2)]
  const all = [...subjects, ...['a', 'b', 'c'].map((name) => shows(name, 'live', 4))]
  const { single, fused } = liveness(all, 0.5)
  t.equal(single.best.apcer.print?.count, 0)
  t.equal(single.crossValidated.apcer.print?.count, 40)
  t.match(fused.crossValidated.apcer.print, { count: 4, of: 12 })
  t.equal(fused.crossValidated.bpcer.count, 0)
  t.equal(fused.inUse.apcer.print?.count, 0)
  const [low, high] = single.crossValidated.bySubject.apcer
  t.ok(low === 0 && high === 1, 'three subjects, one of them wholly wrong: next to nothing is known')
  t.same(liveness(all, 0.5), { single, fused }, 'the same draws every time')
})

t.test('kinds of attack have rates of their own, and living faces theirs', async (t) => {
  const all = ['a', 'b'].flatMap((name) => [
    shows(name, 'print', -8),
    shows(name, 'screen', 3),
    shows(name, 'live', name === 'a' ? 4 : -6),
  ])
  const { inUse } = liveness(all, 0.5).fused
  t.match(inUse.apcer, { print: { count: 0, of: 8 }, screen: { count: 8, of: 8 } })
  t.match(inUse.bpcer, { count: 4, of: 8 })
})

const alike = (a: Raster, b: Raster) => Buffer.compare(a.rgb, b.rgb) === 0

t.test('rendered attacks: the same seed, the same frames; a plane that moves', async (t) => {
  const still = { rgb: new Uint8Array(100 * 100 * 3).map((_, i) => (i * 37) % 256), width: 100, height: 100 }
  const room = { rgb: new Uint8Array(100 * 100 * 3).fill(200), width: 100, height: 100 }
  for (const kind of attackKinds) {
    const [first, second] = attack(kind, still, room, 7, 2)
    t.same([first!.width, first!.height], [640, 480])
    t.ok(alike(attack(kind, still, room, 7, 1)[0]!, first!), kind)
    t.notOk(alike(attack(kind, still, room, 8, 1)[0]!, first!), 'another seed')
    t.notOk(alike(second!, first!), 'it moves')
    const middle = (240 * 640 + 320) * 3
    t.notSame([...first!.rgb.subarray(middle, middle + 3)], [140, 140, 140], 'the picture is in the middle')
  }
})

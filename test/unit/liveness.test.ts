import t from 'tap'
import { movesAsPlane } from '../../firmware/domain/flatness.js'
import { enrollable, framesTogether, fuse, heeding, Liveness } from '../../firmware/domain/liveness.js'
import type { FollowedTrack, Link } from '../../firmware/domain/tracker.js'
import type { Answer, Verdict } from '../../firmware/domain/types.js'
import { Visits } from '../../firmware/domain/visits.js'
import { Votes } from '../../firmware/domain/votes.js'
import { faceAt, frameSize, normal, seeded, square } from '../support/scenes.js'

/** Log-odds of two nets of what they take for a living face, and for a picture. */
const alive = [4, 5]
const flat = [-9, -12]

const says = (track: number, liveness: readonly number[]): Answer => ({
  track,
  embedding: new Float32Array(4),
  quality: 0.8,
  candidates: [{ person: 'anna', similarity: 0.8 }],
  liveness,
})
const track = (id: number, link: Link = 'firm'): FollowedTrack => {
  const face = faceAt(square(300, 240, 90))
  return { id, state: 'confirmed', box: face.box, face, hits: 5, firstSeen: 0, lastSeen: 0, link }
}

/** Shows one track these frames, 100 ms apart from `from` on; the verdict after each. */
function show(liveness: Liveness, frames: readonly (readonly number[])[], from = 0, id = 1) {
  return frames.map((odds, i) => {
    liveness.add([says(id, odds)], from + 100 * i)
    return liveness.verdict(id)
  })
}
const many = (odds: readonly number[], n = framesTogether) => Array<readonly number[]>(n).fill(odds)

t.test('fusing', async (t) => {
  const fused = (frames: readonly (readonly number[])[]) => fuse(frames.map((odds) => ({ odds })))
  t.ok(Math.abs(fused([[2, -2]]) - 0.5) < 1e-12)
  t.ok(fused([[30, 30]]) < 1 && fused([[-30, -30]]) > 0, 'never so sure that nothing counts any more')
  t.ok(fused([...many(alive, 5), ...many(flat, 5)]) < 0.01, 'what looks alive does not outvote what does not')
  t.equal(fused([[Number.NaN, 1], ...many(alive)]), 0)
  t.equal(fused([alive]), fused(many(alive)), 'one frame and many are on one scale')
})

/**
 * Landmarks of a face of 90 pixels whose nose stands out by `depth` eye distances, turned about the upright and the level axis
 * (radians), seen from afar; `noise`: of the detector, pixels.
 */
function turned(yaw: number, pitch: number, depth: number, noise: () => number): number[] {
  const eyes = 34
  const face = [
    [-0.5, -0.57, 0],
    [0.5, -0.57, 0],
    [0, 0, depth],
    [-0.4, 0.57, 0],
    [0.4, 0.57, 0],
  ] as const
  return face.flatMap(([x, y, z]) => {
    const across = x * Math.cos(yaw) + z * Math.sin(yaw)
    const away = -x * Math.sin(yaw) + z * Math.cos(yaw)
    return [300 + eyes * across + noise(), 240 + eyes * (y * Math.cos(pitch) - away * Math.sin(pitch)) + noise()]
  })
}

t.test('a plane that is tilted gives itself away, a head that turns does not', async (t) => {
  const random = seeded(5)
  const noise = () => 0.5 * normal(random)
  const flagged = (yaw: number, pitch: number, depth: number) => {
    let count = 0
    for (let run = 0; run < 200; run++) {
      const phase = 6 * random()
      const window = Array.from({ length: framesTogether }, (_, i) =>
        turned(yaw * Math.sin(phase + i / 2), pitch * Math.sin(phase + i / 3), depth, noise),
      )
      if (movesAsPlane(window)) count++
    }
    return count
  }
  const head = 0.55
  for (const [yaw, pitch] of [
    [0, 0],
    [0.1, 0.1],
    [0.5, 0],
    [0, 0.5],
    [0.9, 0.3],
  ] as const)
    t.equal(flagged(yaw, pitch, head), 0, `a head, ${yaw} and ${pitch}`)
  t.equal(flagged(0.2, 0.1, 0), 0, 'a photo that is held still shows nothing')
  t.ok(flagged(0.9, 0, 0) > 190, 'a photo that is waved')

  const window = Array.from({ length: framesTogether }, (_, i) => ({
    odds: alive,
    landmarks: turned(0.9 * Math.sin(i), 0, 0, noise),
  }))
  t.equal(fuse(window), 0, 'whatever the nets say')
  t.equal(movesAsPlane([[], [Number.NaN], ...Array(9).fill(Array(10).fill(5))]), false, 'landmarks that are none')
})

t.test('decided with the tenth frame, not before', async (t) => {
  t.same(show(new Liveness(0.1), many(alive)), [...Array(framesTogether - 1).fill('undecided'), 'live'])
  t.same(show(new Liveness(0.1), many(flat)), [...Array(framesTogether - 1).fill('undecided'), 'spoof'])
  const same = new Liveness(0.1)
  for (let i = 0; i < 50; i++) same.add([says(1, alive)], 5)
  t.equal(same.verdict(1), 'undecided', 'one frame counts once')
  const old = new Liveness(0.1)
  show(old, many(alive, framesTogether - 1))
  show(old, [alive], 60_000)
  t.equal(old.verdict(1), 'undecided', 'a minute ago is too long ago')
  const odd = new Liveness(0.1)
  show(odd, many([Number.NaN, Number.NaN]))
  t.equal(odd.verdict(1), 'spoof', 'not a number is no life')
})

t.test('a face that looked alive and turns into a picture is a picture', async (t) => {
  const liveness = new Liveness(0.1)
  show(liveness, many(alive))
  const after = show(liveness, many(flat), 2000)
  t.equal(after.at(-1), 'spoof')
  t.ok(after.indexOf('spoof') < 5)
})

t.test('whoever was a picture has to look alive for longer each time', async (t) => {
  const liveness = new Liveness(0.1)
  let at = 0
  const needed = () => {
    show(liveness, many(flat, 200), at)
    const verdicts = show(liveness, many(alive, 300), at + 20_000)
    at += 100_000
    return verdicts.indexOf('live')
  }
  t.ok(needed() >= framesTogether * 2 - 1)
  t.ok(needed() >= framesTogether * 4 - 1)
})

t.test('a photo that looks alive in some frames is a photo', async (t) => {
  for (const share of [2, 3]) {
    const frames = Array.from({ length: 600 }, (_, i) => (i % share === 0 ? flat : alive))
    t.notOk(show(new Liveness(0.1), frames).includes('live'), `flat in one frame of ${share}`)
  }
  const mostly = [...many(alive, 9), flat]
  t.equal(show(new Liveness(0.1), mostly).at(-1), 'live', 'one odd frame in ten')
})

t.test('it belongs to one face', async (t) => {
  const known = () => {
    const liveness = new Liveness(0.1)
    liveness.see([track(1), track(2)])
    show(liveness, many(alive))
    show(liveness, many(alive), 0, 2)
    return liveness
  }
  const other = known()
  t.equal(other.verdict(3), 'undecided', 'not of another track')

  for (const kind of ['split', 'moved', 'merged'] as const) {
    const liveness = known()
    liveness.follow([{ kind, from: 1, to: 2 }])
    t.same([liveness.verdict(1), liveness.verdict(2)], ['undecided', 'undecided'], kind)
  }
  const away = known()
  away.see([track(1, 'resumed'), track(2)])
  t.equal(away.verdict(1), 'undecided', 'who was away may be somebody else')
  t.equal(away.verdict(2), 'live')
  away.see([track(1)])
  t.equal(away.verdict(2), 'undecided', 'who is gone is forgotten')
  const next = known()
  next.reset()
  t.equal(next.verdict(1), 'undecided')
})

const anna: Verdict = { kind: 'known', person: 'anna', similarity: 0.8, votes: 5 }
const nobody: Verdict = { kind: 'unknown', similarity: 0.1, votes: 5 }

t.test('what a verdict is worth', async (t) => {
  t.same(heeding(anna, 'undecided', 'require'), { kind: 'undecided' })
  t.same(heeding(anna, 'spoof', 'require'), { ...anna, kind: 'spoof' })
  t.same(heeding(anna, 'live', 'require'), anna)
  t.same(heeding(nobody, 'undecided', 'require'), nobody, 'a stranger is one, alive or not')
  t.equal(heeding(nobody, 'spoof', 'require').kind, 'spoof')
  t.same(heeding(anna, 'undecided', 'warn'), anna)
  t.same(heeding(anna, 'spoof', 'warn'), { ...anna, looksFlat: true })
  for (const liveliness of ['undecided', 'live', 'spoof'] as const) t.same(heeding(anna, liveliness, 'off'), anna)
})

t.test('who may be enrolled from a picture of the camera', async (t) => {
  for (const liveliness of ['undecided', 'live', 'spoof'] as const) {
    t.equal(enrollable(liveliness, 'require'), liveliness === 'live', liveliness)
    t.ok(enrollable(liveliness, 'off') && enrollable(liveliness, 'warn'))
  }
})

/** Votes, liveness and visits as the pipeline and the supervisor join them: what a film of frames comes to. */
function film(frames: readonly (readonly number[])[], mode: 'off' | 'warn' | 'require') {
  const votes = new Votes(0.4)
  const liveness = new Liveness(0.1)
  const visits = new Visits({ rearmMs: 20_000 })
  const told: string[] = []
  const grants: number[] = []
  frames.forEach((odds, i) => {
    const at = 60 * i
    liveness.see([track(1)])
    const due = votes.due([track(1)], at, frameSize, (id) => liveness.pending(id)).map(({ id }) => says(id, odds))
    votes.add(due, at)
    liveness.add(due, at)
    const verdict = heeding(votes.verdict(1, at), liveness.verdict(1), mode)
    const { events, grants: granted } = visits.see([{ track: 1, verdict, verified: due.length > 0 }], at)
    told.push(...events.map(({ type, person }) => `${type} ${person}`))
    if (granted.length > 0) grants.push(i)
  })
  return { told, grants }
}

t.test('require', async (t) => {
  t.same(film(many(flat, 500), 'require'), { told: ['spoof anna'], grants: [] }, 'a photo never, however long')
  const { told, grants } = film(many(alive, 60), 'require')
  t.same(told, ['known anna'])
  t.same(grants, [framesTogether - 1], 'not before life is decided, and then at once')
  const turns = film(
    Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? flat : alive)),
    'require',
  )
  t.same(turns, { told: ['spoof anna'], grants: [] }, 'a photo in turns with a face')
})

t.test('warn and off', async (t) => {
  const warned = film(many(flat, 60), 'warn')
  t.same(warned.told, ['known anna', 'spoof anna'])
  t.equal(warned.grants.length, 1)
  t.same(film(many(flat, 60), 'off').told, ['known anna'])
})

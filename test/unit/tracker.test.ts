import t from 'tap'
import { defaultTrackerOptions, Tracker } from '../../firmware/domain/tracker.js'
import type { Answer, Face } from '../../firmware/domain/types.js'
import {
  faceAt,
  followedBy,
  frameTimes,
  idsOf,
  mistaken,
  type Person,
  picture,
  play,
  type Random,
  randomLooks,
  type Spot,
  seeded,
  square,
  threshold,
} from '../support/scenes.js'

const face = (x: number, side = 80, y = 200): Face => faceAt(square(x, y, side))

const answer = (track: number, embedding: Float32Array): Answer => ({ track, embedding, quality: 0.9, candidates: [] })

/** A tracker that has seen these faces in frames 66 ms apart, the last one at 990 ms. */
function watching(faces: readonly Face[], options = {}) {
  const tracker = new Tracker(threshold, options)
  for (let i = 0; i < 16; i++) tracker.update(faces, i * 66, { kind: 'sweep' })
  return tracker
}

function person(name: string, random: Random, path: (at: number) => Spot | undefined, enrolled = true): Person {
  return { name, looks: randomLooks(random), enrolled, path }
}

t.test('a track is tentative, then confirmed, then lost, then gone', async (t) => {
  const tracker = new Tracker(threshold)
  const states: string[] = []
  const look = (faces: readonly Face[], at: number) => {
    const track = tracker.update(faces, at)[0]
    states.push(`${track?.state ?? 'gone'}${track?.face === undefined ? '' : ' seen'}`)
    return track
  }
  look([face(100)], 0)
  const second = look([face(102)], 66)
  t.match(second, { id: 1, hits: 2, firstSeen: 0, lastSeen: 66, link: 'firm' })
  tracker.remember([answer(1, randomLooks(seeded(1)))], 66)
  look([], 132)
  t.match(look([], 3000), { lastSeen: 66, hits: 2 })
  look([], 66 + defaultTrackerOptions.lostMs + 1)
  t.same(states, ['tentative seen', 'confirmed seen', 'lost', 'lost', 'gone'])
  t.equal(tracker.update([face(100)], 10_000)[0]?.id, 2, 'ids are not used again')
})

t.test('a tentative track bears one missed frame, not two', async (t) => {
  const tracker = new Tracker(threshold)
  tracker.update([face(100)], 0)
  t.equal(tracker.update([], 66)[0]?.state, 'tentative')
  t.equal(tracker.update([], 132).length, 0)
})

t.test('what was never looked at closely is forgotten when motion loses it', async (t) => {
  const tracker = watching([face(100)])
  t.equal(tracker.update([], 990 + 1400).length, 1)
  t.equal(tracker.update([], 990 + 1600).length, 0)
})

t.test('time has to advance; a new session starts over with new ids', async (t) => {
  const tracker = watching([face(100)])
  t.throws(() => tracker.update([], 990), { name: 'RangeError', message: /reset\(\)/ })
  t.throws(() => tracker.update([], Number.NaN), RangeError)
  tracker.reset()
  t.same(tracker.plan(0), { kind: 'sweep' })
  t.match(tracker.update([face(100)], 0), [{ id: 2, state: 'tentative' }])
})

t.test('tracks handed out do not change afterwards', async (t) => {
  const tracker = new Tracker(threshold)
  const first = tracker.update([face(100)], 0)
  const before = JSON.stringify(first)
  tracker.update([face(140)], 66)
  tracker.update([], 132)
  t.equal(JSON.stringify(first), before)
})

t.test('plan', async (t) => {
  t.test('sweeps every frame while nobody is there, or as rarely as told', async (t) => {
    const tracker = new Tracker(threshold)
    for (const at of [0, 33, 66]) {
      t.same(tracker.plan(at), { kind: 'sweep' })
      tracker.update([], at)
    }
    const idle = new Tracker(threshold, { idleSweepIntervalMs: 100 })
    const kinds = [0, 33, 66, 99, 132].map((at) => {
      const plan = idle.plan(at)
      idle.update([], at)
      return plan
    })
    const rest = { kind: 'refine', boxes: [] }
    t.same(kinds, [{ kind: 'sweep' }, rest, rest, rest, { kind: 'sweep' }])
  })

  t.test('refines the predicted boxes between sweeps', async (t) => {
    const tracker = new Tracker(threshold)
    const kinds: string[] = []
    for (let i = 0; i < 32; i++) {
      const plan = tracker.plan(i * 50)
      kinds.push(plan.kind)
      if (plan.kind === 'refine') {
        const expected = 100 + 3 * i
        const box = plan.boxes[0]!
        t.ok(Math.abs(box.x + box.width / 2 - expected) < 8, `frame ${i}`)
      }
      tracker.update([face(100 + 3 * i)], i * 50)
    }
    t.same(
      kinds.flatMap((kind, i) => (kind === 'sweep' ? [i] : [])),
      [0, 8, 16, 24],
      'every 400 ms',
    )
  })

  t.test('sweeps after a miss, and when it cannot say where to look', async (t) => {
    const tracker = watching([face(100), face(400)])
    t.equal(tracker.plan(1056).kind, 'refine')
    tracker.update([face(100)], 1056)
    t.equal(tracker.plan(1122).kind, 'sweep')
    tracker.update([face(100), face(400)], 1122)
    t.equal(tracker.plan(1188).kind, 'refine')
    const rare = watching([face(100)], { sweepIntervalMs: 100_000 })
    t.equal(rare.plan(1056).kind, 'refine')
    t.equal(rare.plan(990 + 700).kind, 'sweep', 'after a pause')
  })

  t.test('a refining frame does not put off the next sweep', async (t) => {
    const tracker = watching([face(100)])
    for (let at = 1056; at < 1390; at += 66) tracker.update([face(100)], at, { kind: 'refine', boxes: [] })
    t.equal(tracker.plan(1400).kind, 'sweep')
  })
})

t.test('duplicates', async (t) => {
  const tracker = watching([face(100), face(105, 84)])
  t.equal(tracker.tracks.length, 1, 'two detections of one face make one track')

  const two = watching([face(100), face(150)])
  t.equal(two.tracks.length, 2)
  const after = two.update([face(126, 80), face(124, 80)], 1056)
  t.equal(after.filter((track) => track.face !== undefined).length, 1, 'refined boxes that fell onto one face')
  t.equal(after.filter((track) => track.state === 'lost').length, 1)
  t.equal(watching([{ ...face(100), box: { ...face(100).box, width: Number.NaN } }]).tracks.length, 0, 'nonsense')
})

t.test('links say how sure the continuation is', async (t) => {
  const link = (tracker: Tracker, faces: readonly Face[], at: number) => tracker.update(faces, at)[0]?.link
  t.equal(link(watching([face(100)]), [face(102)], 1056), 'firm')
  t.equal(link(watching([face(100), face(160)]), [face(110), face(165)], 1056), 'contested')
  t.equal(link(watching([face(100)]), [face(105)], 990 + 700), 'resumed', 'the stream paused')
  const away = watching([face(100)])
  away.update([], 1056)
  t.equal(link(away, [face(100)], 1122), 'contested', 'a short miss')
  t.equal(link(away, [face(100)], 1188), 'firm')
  away.update([], 1254)
  t.equal(link(away, [face(100)], 1188 + 200), 'resumed', 'a longer one')
  const jumped = watching([face(100)])
  t.equal(link(jumped, [face(210)], 990 + 550), 'resumed', 'moved without overlap')
  t.equal(jumped.tracks.length, 1)
})

t.test('at most maxTracks faces are followed', async (t) => {
  const crowd = Array.from({ length: 10 }, (_, i) => face(30 + 60 * i, 40))
  t.equal(watching(crowd, { maxTracks: 4 }).tracks.length, 4)
})

t.test('remember', async (t) => {
  const random = seeded(5)
  const anna = randomLooks(random)
  const boris = randomLooks(random)
  const clara = randomLooks(random)
  const knowing = (...who: Float32Array[]) => {
    const tracker = watching(who.map((_, i) => face(100 + 120 * i)))
    for (let i = 0; i < 3; i++)
      tracker.remember(
        who.map((looks, k) => answer(k + 1, picture(looks, random))),
        990,
      )
    return tracker
  }

  t.test('the same face is kept', async (t) => {
    const { answers, moves } = knowing(anna).remember([answer(1, picture(anna, random))], 990)
    t.same(moves, [])
    t.equal(answers[0]?.track, 1)
  })

  t.test('another face gets another id, and the old one waits without a face', async (t) => {
    const tracker = knowing(anna)
    tracker.update([face(101)], 1056)
    const { answers, moves } = tracker.remember([answer(1, picture(boris, random))], 1056)
    t.same(moves, [{ kind: 'split', from: 1, to: 2 }])
    t.equal(answers[0]?.track, 2)
    t.match(tracker.tracks, [
      { id: 1, state: 'lost', lastSeen: 990, hits: 16 },
      { id: 2, state: 'confirmed', firstSeen: 1056, hits: 1 },
    ])
    const next = tracker.update([face(102)], 1122)
    t.equal(next.find((track) => track.face !== undefined)?.id, 2, 'the old track does not take the face back')
    const beside = tracker.update([face(102), face(135)], 1188).filter((track) => track.face !== undefined)
    t.same(
      beside.map(({ id }) => id),
      [2, 3],
      'nor another face that comes there',
    )
  })

  t.test('one odd picture: the next one gives the id back', async (t) => {
    const tracker = knowing(anna)
    tracker.update([face(101)], 1056)
    tracker.remember([answer(1, randomLooks(random))], 1056)
    tracker.update([face(101)], 1122)
    const { moves } = tracker.remember([answer(2, picture(anna, random))], 1122)
    t.same(moves, [{ kind: 'moved', from: 2, to: 1 }])
    t.match(tracker.tracks, [{ id: 1, state: 'confirmed', lastSeen: 1122 }])
    t.equal(tracker.tracks.length, 1)
  })

  t.test('two faces that changed places get their ids back', async (t) => {
    const tracker = knowing(anna, boris)
    tracker.update([face(100), face(220)], 1056)
    const swapped = [answer(1, picture(boris, random)), answer(2, picture(anna, random))]
    const { answers, moves } = tracker.remember(swapped, 1056)
    t.same(moves, [
      { kind: 'moved', from: 1, to: 2 },
      { kind: 'moved', from: 2, to: 1 },
    ])
    t.same(
      answers.map(({ track }) => track),
      [2, 1],
    )
    t.match(tracker.tracks, [
      { id: 1, face: { box: { x: 180 } }, hits: 17 },
      { id: 2, face: { box: { x: 60 } }, hits: 17 },
    ])
  })

  t.test('seen of one of the two only: split, and the other is to be verified', async (t) => {
    const tracker = knowing(anna, boris)
    tracker.update([face(100), face(220)], 1056)
    t.match(tracker.remember([answer(1, picture(boris, random))], 1056).moves, [{ kind: 'split', from: 1, to: 3 }])
    const next = tracker.update([face(100), face(220)], 1122)
    t.equal(next.find(({ id }) => id === 2)?.link, 'resumed')
  })

  const returning = (looks: Float32Array, x = 120, at = 3200, side = 80) => {
    const tracker = knowing(anna)
    tracker.update([], 1056)
    tracker.update([face(x, side)], at)
    tracker.update([face(x, side)], at + 66)
    return tracker.remember([answer(2, picture(looks, random))], at + 66).moves
  }

  t.test('who comes back by looks gets the id back', async (t) => {
    t.same(returning(anna), [{ kind: 'merged', from: 2, to: 1 }])
    t.same(returning(clara), [], 'a stranger in the same place does not')
    t.same(returning(anna, 120, 990 + defaultTrackerOptions.lostMs + 10), [], 'too late')
    t.same(returning(anna, 4000), [], 'too far')
    t.same(returning(anna, 120, 3200, 300), [], 'too large')
  })

  t.test('not when two lost tracks look alike', async (t) => {
    const twin = picture(anna, random, 0.97)
    const tracker = knowing(anna, twin)
    tracker.update([], 1056)
    tracker.update([face(120)], 3200)
    t.same(tracker.remember([answer(3, picture(anna, random, 0.9))], 3200).moves, [])
  })

  t.test('not when two newcomers claim it', async (t) => {
    const tracker = knowing(anna)
    tracker.update([], 1056)
    tracker.update([face(120), face(300)], 3200)
    const both = [answer(2, picture(anna, random, 0.9)), answer(3, picture(anna, random, 0.9))]
    t.same(tracker.remember(both, 3200).moves, [])
  })

  t.test('not while the other is in view', async (t) => {
    const tracker = knowing(anna)
    tracker.update([face(100), face(300)], 1056)
    t.same(tracker.remember([answer(2, picture(anna, random))], 1056).moves, [])
  })

  t.test('answers for tracks that are gone or out of sight are left out', async (t) => {
    const tracker = knowing(anna)
    tracker.update([], 1056)
    t.same(tracker.remember([answer(1, picture(anna, random)), answer(99, anna)], 1056), { answers: [], moves: [] })
  })

  t.test('pictures that all but contradict do not wear the memory down', async (t) => {
    const tracker = knowing(anna)
    const blurred = picture(anna, random, 0.45)
    for (let i = 1; i <= 10; i++) {
      tracker.update([face(100)], 990 + 66 * i)
      t.same(tracker.remember([answer(1, picture(blurred, random, 0.95))], 990 + 66 * i).moves, [])
    }
    t.same(tracker.remember([answer(1, picture(anna, random))], 1650).moves, [])
    t.match(tracker.remember([answer(1, picture(boris, random))], 1650).moves, [{ kind: 'split' }])
  })
})

t.test('scenes', async (t) => {
  const runs = 150

  t.test('two people cross: ids stay or split, nobody is called somebody else for long', async (t) => {
    let kept = 0
    let changed = 0
    let longest = 0
    let wrong = 0
    for (let seed = 0; seed < runs; seed++) {
      const random = seeded(seed)
      const speed = 0.12 + 0.2 * random()
      const scenes = play({
        people: [
          person('anna', random, (at) => ({ x: 60 + speed * at, y: 200, side: 90 })),
          person('boris', random, (at) => ({ x: 580 - speed * at, y: 210, side: 80 })),
        ],
        frames: frameTimes(15, 0, 500 / speed, random),
        seed,
      })
      const names = [...followedBy(scenes).values()]
      if (idsOf(scenes, 'anna').length === 1 && idsOf(scenes, 'boris').length === 1) kept++
      if (names.some((list) => list.length > 1)) changed++
      const errors = mistaken(scenes)
      wrong += errors.length
      longest = Math.max(longest, errors.length > 0 ? errors.at(-1)!.at - errors[0]!.at : 0)
      const last = scenes.at(-1)!
      for (const [track, verdict] of last.verdicts)
        t.match(verdict, { kind: 'known', person: last.truth.get(track) }, `seed ${seed}`)
    }
    t.comment(`${kept}/${runs} kept both ids throughout, ${changed} had an id on two faces, ${wrong} wrong frames`)
    t.ok(kept > 0.8 * runs, `${kept} kept`)
    t.ok(longest <= 300, `${longest} ms`)
  })

  t.test('hidden for a second and back: the same id', async (t) => {
    let same = 0
    for (let seed = 0; seed < runs; seed++) {
      const random = seeded(seed)
      const speed = 0.1 * random()
      const path = (at: number) => (at > 2000 && at < 3000 ? undefined : { x: 150 + speed * at, y: 200, side: 80 })
      const scenes = play({ people: [person('anna', random, path)], frames: frameTimes(15, 0, 4500, random), seed })
      if (scenes.at(-1)!.truth.has(1)) same++
      t.same(mistaken(scenes), [])
    }
    t.comment(`${same}/${runs} came back under their id`)
    t.ok(same > 0.97 * runs)
  })

  t.test('a stranger where a known person was: no identity is inherited', async (t) => {
    for (const pause of [70, 200, 400, 1000, 2000, 3500]) {
      let wrong = 0
      let longest = 0
      for (let seed = 0; seed < runs; seed++) {
        const random = seeded(seed)
        const gone = 3000 + 900 * random()
        const spot = { x: 300, y: 200, side: 80 }
        const scenes = play({
          people: [
            person('anna', random, (at) => (at < gone ? spot : undefined)),
            person('stranger', random, (at) => (at > gone + pause ? spot : undefined), false),
          ],
          frames: frameTimes(15, 0, gone + pause + 3000, random),
          seed,
        })
        const errors = mistaken(scenes)
        if (errors.length > 0) wrong++
        longest = Math.max(longest, errors.length > 0 ? errors.at(-1)!.at - gone - pause : 0)
      }
      t.comment(`${pause} ms later: ${wrong}/${runs} called anna at first, at most ${longest.toFixed(0)} ms`)
      t.ok(longest <= (pause === 70 ? 1100 : 300), 'never beyond the first verification')
      if (pause > 300) t.equal(wrong, 0, 'after a noticed absence never at all')
    }
  })

  t.test('walking up', async (t) => {
    for (let seed = 0; seed < 20; seed++) {
      const random = seeded(seed)
      const path = (at: number) => ({ x: 320 + 20 * Math.sin(at / 400), y: 240, side: 100 / (3.5 - (1.2 * at) / 1000) })
      const frames = frameTimes(15, 0, 2400, random)
      const scenes = play({ people: [person('anna', random, path)], frames, seed, missed: 0.1 })
      t.same([...followedBy(scenes).keys()], [1], `seed ${seed}`)
    }
  })

  t.test('two frames a second', async (t) => {
    const slow = (seed: number, speed: number) => {
      const random = seeded(seed)
      const path = (at: number) => ({ x: 80 + speed * at, y: 200, side: 90 })
      return play({ people: [person('anna', random, path)], frames: frameTimes(2, 0, 5000, random), seed })
    }
    for (let seed = 0; seed < 20; seed++) {
      t.same(idsOf(slow(seed, 0.02), 'anna'), [1], 'hardly moving')
      const walking = slow(seed, 0.1)
      t.same(new Set(idsOf(walking, 'anna')).size, 1, `over half a face a frame, seed ${seed}`)
      t.match([...walking.at(-1)!.verdicts.values()], [{ kind: 'known', person: 'anna' }])
    }
  })

  t.test('a pause of ten seconds ends everything', async (t) => {
    const random = seeded(7)
    const frames = [...frameTimes(15, 0, 2000), ...frameTimes(15, 12_000, 14_000)]
    const path = () => ({ x: 300, y: 200, side: 80 })
    const scenes = play({ people: [person('anna', random, path)], frames, seed: 7 })
    t.same(idsOf(scenes, 'anna'), [1, 2])
    t.match(
      scenes.find(({ at }) => at >= 12_000),
      { plan: { kind: 'sweep' }, verdicts: new Map([[2, { kind: 'undecided' }]]) },
    )
  })

  t.test('a face that is missed in every second frame keeps its id', async (t) => {
    const random = seeded(8)
    const frames = frameTimes(15, 0, 6000)
    const path = (at: number) => (Math.round((at * 15) / 1000) % 2 === 0 ? { x: 300, y: 200, side: 80 } : undefined)
    const scenes = play({ people: [person('anna', random, path)], frames, seed: 8 })
    t.same(idsOf(scenes, 'anna'), [1])
    t.match(scenes.at(-1)!.tracks, [{ id: 1 }])
  })

  t.test('sixteen faces milling about, one in twenty missed', async (t) => {
    const random = seeded(9)
    const people = Array.from({ length: 16 }, (_, i) => {
      const [phase, x, y] = [random() * 6, 60 + 160 * (i % 4), 60 + 115 * Math.floor(i / 4)]
      const path = (at: number) => ({
        x: x + 20 * Math.sin(at / 700 + phase),
        y: y + 12 * Math.cos(at / 500 + phase),
        side: 50,
      })
      return person(`p${i}`, random, path, i % 2 === 0)
    })
    const scenes = play({ people, frames: frameTimes(15, 0, 10_000, random), seed: 9, missed: 0.05 })
    t.equal(followedBy(scenes).size, 16, 'one id each')
    t.same(mistaken(scenes), [])
    const last = scenes.at(-1)!
    for (const [track, verdict] of last.verdicts) {
      const enrolled = people.find(({ name }) => name === last.truth.get(track))!.enrolled
      t.equal(verdict.kind, enrolled ? 'known' : 'unknown', last.truth.get(track)!)
    }
  })

  t.test('sixty-four faces are followed in little time', async (t) => {
    const faces = Array.from({ length: 64 }, (_, i) => face(40 + 75 * (i % 8), 40, 30 + 55 * Math.floor(i / 8)))
    const tracker = new Tracker(threshold)
    const from = performance.now()
    for (let i = 0; i < 50; i++) {
      tracker.plan(i * 66)
      tracker.update(faces, i * 66, { kind: 'sweep' })
    }
    const each = (performance.now() - from) / 50
    t.comment(`${each.toFixed(2)} ms a frame`)
    t.equal(tracker.tracks.length, 64)
    t.ok(each < 40)
  })

  t.test('the same frames give the same tracks', async (t) => {
    const run = () => {
      const random = seeded(10)
      const people = [0, 1, 2].map((i) =>
        person(`p${i}`, random, (at) => ({ x: 320 + 200 * Math.sin(at / 600 + 2 * i), y: 200, side: 70 + 10 * i })),
      )
      return play({ people, frames: frameTimes(20, 0, 5000, random), seed: 10, missed: 0.1 })
    }
    t.same(run(), run())
  })
})

import { createHash } from 'node:crypto'
import t from 'tap'
import { type Company, planSequences, planStrangers } from '../../firmware/evaluation/sequences/cast.js'
import { briefFormat, type Kind, kinds, write } from '../../firmware/evaluation/sequences/script.js'
import { playScript } from '../../firmware/evaluation/sequences/sequence.js'
import type { Still } from '../../firmware/evaluation/sequences/sprite.js'
import { writeAvi } from '../../tools/sequences/avi.js'

/** A still whose face is of one colour, so that the drawn face can be found again. */
function still(person: string, colour: readonly [number, number, number]): Still {
  const [width, height] = [120, 130]
  const rgb = new Uint8Array(3 * width * height)
  for (let i = 0; i < rgb.length; i++) rgb[i] = colour[i % 3]!
  return { person, rgb, width, height, face: { x: 40, y: 40, width: 40, height: 50 } }
}

const stills = [still('anna', [255, 0, 255]), still('ben', [0, 255, 0])]
const cast = (kind: Kind, seed: number) => stills.slice(0, write(kind, seed, briefFormat).roles.length)
const framesOf = (kind: Kind, seed: number) => [...playScript(write(kind, seed, briefFormat), cast(kind, seed))]

function digest(kind: Kind, seed: number): string {
  const hash = createHash('sha256')
  for (const { pixels, truth, at } of playScript(write(kind, seed, briefFormat), cast(kind, seed)))
    hash.update(pixels).update(JSON.stringify([at, truth]))
  return hash.digest('hex')
}

t.test('the same seed gives the same bytes, another one others', async (t) => {
  for (const kind of kinds) {
    t.equal(digest(kind, 7), digest(kind, 7), kind)
    t.not(digest(kind, 7), digest(kind, 8), kind)
  }
})

t.test('time advances by the frame rate, and the format is what was asked for', async (t) => {
  for (let seed = 0; seed < 30; seed++) {
    const { width, height, fps, frames } = write('pan', seed)
    t.same([width, height], [640, 480])
    t.ok(fps >= 15 && fps <= 25 && frames / fps >= 1.9 && frames / fps <= 4.1)
  }
  const frames = framesOf('pan', 3)
  t.same(
    frames.slice(0, 3).map(({ at, index }) => [at, index]),
    [
      [0, 0],
      [100, 1],
      [200, 2],
    ],
  )
})

t.test('the face is drawn where the truth says', async (t) => {
  const script = { ...write('approach', 5), grain: 0, gain: () => 1, shutter: 0 }
  for (const { pixels, truth, width } of playScript(script, [stills[0]!])) {
    const [face] = truth
    const { x, y, width: w, height: h } = face!.box
    const at = (u: number, v: number) => 3 * (Math.floor(v) * width + Math.floor(u))
    for (const [u, v] of [
      [x + w / 2, y + h / 2],
      [x + 0.1 * w, y + 0.5 * h],
      [x + 0.9 * w, y + 0.5 * h],
      [x + 0.5 * w, y + 0.1 * h],
    ] as const)
      t.same([...pixels.subarray(at(u, v), at(u, v) + 3)], [255, 0, 255])
    t.equal(face!.visible, 1)
  }
})

t.test('an approach grows', async (t) => {
  for (let seed = 0; seed < 10; seed++) {
    const { roles, frames, fps } = write('approach', seed)
    const [first, last] = [roles[0]!.path(0)!, roles[0]!.path((frames - 1) / fps)!]
    t.ok(last.side > 2 * first.side)
    t.ok(Math.abs(last.x - 320) < 0.15 * 640)
  }
})

t.test('who crosses behind is hidden for a while, who crosses in front is not', async (t) => {
  for (let seed = 0; seed < 2; seed++) {
    const hidden = new Map<string, number>()
    for (const { truth } of playScript(write('crossing', seed), stills))
      for (const { person, visible } of truth) hidden.set(person, Math.min(hidden.get(person) ?? 1, visible))
    const [least, most] = [...hidden.values()].sort((a, b) => a - b)
    t.ok(least! < 0.3, `seed ${seed}: ${least}`)
    t.equal(most, 1)
  }
})

t.test('what passes in front hides a part of the face, and is gone again', async (t) => {
  for (let seed = 0; seed < 2; seed++) {
    const shares = [...playScript(write('occlusion', seed), [stills[0]!])].map(({ truth }) => truth[0]!.visible)
    t.ok(Math.min(...shares) < 0.8, `seed ${seed}: ${Math.min(...shares)}`)
    t.ok(shares[0]! > 0.9 && shares.at(-1)! > 0.9)
  }
})

t.test('who leaves is out of view, or out of the picture, and comes back', async (t) => {
  const shares = [...playScript(write('return', 2), [stills[0]!])].map(({ truth }) => truth[0]?.visible ?? 0)
  t.equal(shares[0], 1)
  t.ok(shares.includes(0))
  t.ok(shares.at(-1)! > 0.9)
})

t.test('a hand-over: never both, the second where the first was', async (t) => {
  for (let seed = 0; seed < 10; seed++) {
    const { roles, frames, fps } = write('hand-over', seed)
    t.same(
      roles.map(({ part }) => part),
      ['resident', 'stranger'],
    )
    const who = Array.from({ length: frames }, (_, i) => roles.map(({ path }) => path(i / fps) !== undefined))
    t.notOk(who.some(([a, b]) => a && b))
    t.ok(who[0]![0] && who.at(-1)![1])
  }
})

t.test('too few stills are refused', async (t) => {
  t.throws(() => [...playScript(write('beside', 1), [stills[0]!])], RangeError)
})

const company: Company = {
  residents: new Map([
    ['anna', ['anna/6.jpg', 'anna/7.jpg']],
    ['ben', ['ben/6.jpg']],
  ]),
  strangers: new Map([
    ['eve', ['eve/1.jpg']],
    ['mallory', ['mallory/1.jpg']],
    ['trudy', ['trudy/1.jpg']],
  ]),
}
const told = (plans: ReturnType<typeof planSequences>) =>
  plans.map(({ script: { kind, seed }, cast }) => [kind, seed, cast])

t.test('a plan follows from its seed: kinds in turn, everybody in one role at a time', async (t) => {
  const plans = planSequences(company, 9, 2 * kinds.length)
  t.same(
    plans.map(({ script }) => script.kind),
    [...kinds, ...kinds],
  )
  t.same(told(plans), told(planSequences(company, 9, 2 * kinds.length)))
  t.notSame(told(plans), told(planSequences(company, 10, 2 * kinds.length)))
  for (const { script, cast } of plans) {
    t.same(
      cast.map(({ part }) => part),
      script.roles.map(({ part }) => part),
    )
    t.equal(new Set(cast.map(({ person }) => person)).size, cast.length)
    for (const { part, person, picture } of cast)
      t.ok((part === 'resident' ? company.residents : company.strangers).get(person)!.includes(picture))
  }
  t.throws(() => planSequences({ ...company, strangers: new Map() }, 1, 1, ['stranger']), RangeError)
})

t.test('every stranger plays before any plays again', async (t) => {
  const names = planStrangers(company, 4, 6).map(({ cast }) => cast[0]!.person)
  t.same(new Set(names.slice(0, 3)).size, 3)
  t.same(new Set(names.slice(3)).size, 3)
})

t.test('an AVI names its frames, their size and their number', async (t) => {
  const avi = writeAvi([Buffer.from('first'), Buffer.from('second')], 640, 480, 25)
  t.equal(avi.toString('latin1', 0, 4), 'RIFF')
  t.equal(avi.readUInt32LE(4), avi.length - 8)
  const main = avi.indexOf('avih') + 8
  t.same([avi.readUInt32LE(main), avi.readUInt32LE(main + 16)], [40_000, 2])
  t.same([avi.readUInt32LE(main + 32), avi.readUInt32LE(main + 36)], [640, 480])
  const movi = avi.indexOf('movi')
  const index = avi.indexOf('idx1') + 8
  for (const [i, text] of ['first', 'second'].entries()) {
    const at = movi + avi.readUInt32LE(index + 16 * i + 8)
    t.equal(avi.toString('latin1', at, at + 4), '00dc')
    t.equal(avi.toString('latin1', at + 8, at + 8 + avi.readUInt32LE(at + 4)), text)
  }
})

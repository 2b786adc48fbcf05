import t from 'tap'
import { cosine } from '../../firmware/domain/enrolment.js'
import type { FaceView } from '../../firmware/domain/enrolment-collection.js'
import {
  initialSession,
  type Saving,
  type SessionEffect,
  type SessionEvent,
  type SessionOptions,
  type SessionState,
  type SessionTimer,
  sessionPhase,
  stepSession,
} from '../../firmware/domain/enrolment-session.js'
import { picture, type Random, randomLooks, seeded } from '../support/scenes.js'

const threshold = 0.4
const options: SessionOptions = {
  admins: ['Ann'],
  adminMs: 10_000,
  firstBoot: true,
  remote: true,
  samples: 6,
  collectMs: 1000,
  limitMs: 20_000,
  longPressMs: 3000,
  undoMs: 60_000,
  showMs: 5000,
}

/** The machine with a hand-cranked clock: its timers fire when the clock is moved past them. */
class Bench {
  state: SessionState = initialSession
  now = 0
  readonly effects: SessionEffect[] = []
  readonly timers = new Map<SessionTimer, number>()

  constructor(readonly options: SessionOptions) {}

  give(event: SessionEvent): SessionEffect[] {
    const { state, effects } = stepSession(this.state, event, this.options)
    this.state = state
    for (const effect of effects) {
      if (effect.do === 'timer') this.timers.set(effect.timer, this.now + effect.ms)
      if (effect.do === 'cancel') this.timers.delete(effect.timer)
    }
    this.effects.push(...effects)
    return [...effects]
  }
  wait(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const [next] = [...this.timers].sort((a, b) => a[1] - b[1])
      if (next === undefined || next[1] > end) break
      this.now = next[1]
      this.timers.delete(next[0])
      this.give({ type: 'timeout', timer: next[0] })
    }
    this.now = end
  }
  press(ms = 100): void {
    this.give({ type: 'press', on: true, now: this.now })
    this.wait(ms)
    this.give({ type: 'press', on: false, now: this.now })
  }
  see(...faces: FaceView[]): void {
    this.give({ type: 'view', session: this.state.session, faces, now: this.now })
  }
  get phase() {
    return sessionPhase(this.state)
  }
  get saving(): Saving | undefined {
    return this.effects.flatMap((effect) => (effect.do === 'save-person' ? [effect.saving] : []))[0]
  }
  get refusals(): string[] {
    return this.effects.flatMap((effect) => (effect.do === 'refuse' ? [effect.reason] : []))
  }
  get failure(): string | undefined {
    return this.state.result?.reason
  }
}

const ready = (people: number, changes: Partial<SessionOptions> = {}) => {
  const bench = new Bench({ ...options, ...changes })
  bench.give({ type: 'people', count: people })
  bench.give({ type: 'sight', threshold })
  return bench
}

const random = seeded(11)
const [zoe, ben] = [randomLooks(random), randomLooks(random)]
const unknown = { kind: 'unknown', similarity: 0, votes: 5 } as const
const known = (person: string) => ({ kind: 'known', person, similarity: 0.9, votes: 5 }) as const
const stranger = (looks: Float32Array, track = 1, from: Random = random): FaceView => ({
  track,
  confirmed: true,
  verdict: unknown,
  sample: { embedding: picture(looks, from, 0.9), quality: 0.8, candidates: [] },
})
const resident = (person: string, track = 7): FaceView => ({ track, confirmed: true, verdict: known(person) })
const stand = (bench: Bench, looks: Float32Array, frames = 30) => {
  for (let i = 0; i < frames; i++) {
    bench.wait(100)
    bench.see(stranger(looks))
  }
}

t.test('nobody enrolled: whoever presses is collected, confirmed and saved', async (t) => {
  const bench = ready(0)
  bench.press()
  t.equal(bench.phase, 'collecting')
  stand(bench, zoe)
  t.equal(bench.phase, 'saving')
  t.match(bench.saving, { by: 'button', authority: 'empty', session: 1 })
  t.equal(bench.saving?.templates.length, 6)
  t.ok(bench.saving?.templates.every(({ embedding }) => cosine(embedding, zoe) > 0.7))
  bench.give({ type: 'saved', session: 1, person: 'visitor-1', now: bench.now })
  t.equal(bench.phase, 'saved')
  bench.wait(5000)
  t.equal(bench.phase, 'idle')
  bench.press()
  t.match(bench.refusals, [/no admin was seen/], 'at once, before the store was read again')
})

t.test('who is enrolled must be known to be nobody', async (t) => {
  const bench = new Bench(options)
  bench.give({ type: 'sight', threshold })
  bench.press()
  t.match(bench.refusals, [/has not said/])
  const shut = ready(0, { firstBoot: false })
  shut.press()
  t.match(shut.refusals, [/no admin was seen/])
  const open = ready(0)
  open.press()
  open.give({ type: 'people', count: 1 })
  t.equal(open.failure, 'somebody was enrolled meanwhile')
})

t.test('a stranger who presses is refused; an admin a moment ago is not', async (t) => {
  const bench = ready(3)
  bench.press()
  t.match(bench.refusals, ['no admin was seen just now'])
  bench.give({ type: 'seen', person: 'Ben', now: bench.now })
  bench.press()
  t.equal(bench.refusals.length, 2, 'Ben is no admin')
  bench.give({ type: 'seen', person: 'ANN', now: bench.now })
  bench.wait(10_001)
  bench.press()
  t.equal(bench.refusals.length, 3, 'Ann was here too long ago')
  bench.give({ type: 'seen', person: 'Ann', now: bench.now + 5 })
  bench.press()
  t.equal(bench.refusals.length, 4, 'a time to come is none')
  bench.give({ type: 'seen', person: 'Ann', now: bench.now })
  bench.press()
  t.equal(bench.phase, 'collecting')
  const nobody = ready(3, { admins: [] })
  nobody.give({ type: 'seen', person: 'Ann', now: 0 })
  nobody.press()
  t.match(nobody.refusals, [/nobody is an admin/])
})

t.test("the admin's own face is waited out, alone or beside the visitor", async (t) => {
  const bench = ready(3)
  bench.give({ type: 'seen', person: 'Ann', now: 0 })
  bench.press()
  for (let i = 0; i < 20; i++) {
    bench.wait(100)
    bench.see(resident('Ann'))
    bench.see(resident('Ann'), stranger(zoe))
  }
  t.equal(bench.phase, 'collecting')
  t.equal(bench.state.running?.samples.length, 0)
  stand(bench, zoe)
  t.match(bench.saving, { authority: 'admin', admin: 'Ann' })
  t.ok(bench.saving?.templates.every(({ embedding }) => cosine(embedding, zoe) > 0.7))

  const alone = ready(3)
  alone.give({ type: 'seen', person: 'Ann', now: 0 })
  alone.press()
  for (let i = 0; i < 300; i++) {
    alone.wait(100)
    alone.see(resident('Ann'))
  }
  t.equal(alone.saving, undefined)
  t.same(
    alone.effects.flatMap((effect) => (effect.do === 'record' ? [effect.event.detail?.reason] : [])),
    ['time ran out: no new face was seen well enough'],
  )
})

t.test('what makes a session fail', async (t) => {
  const cases: [string, RegExp, (bench: Bench) => void][] = [
    ['two strangers', /two faces/, (bench) => bench.see(stranger(zoe), stranger(ben, 2))],
    [
      'a second face after the first picture',
      /two faces/,
      (bench) => {
        bench.see(stranger(zoe))
        bench.see(stranger(zoe), resident('Ann'))
      },
    ],
    ['a resident', /looks like Ben/, (bench) => bench.see(resident('Ben'))],
    [
      'a picture like a resident',
      /looks like Ben/,
      (bench) =>
        bench.see({
          ...stranger(zoe),
          sample: { embedding: zoe, quality: 1, candidates: [{ person: 'Ben', similarity: 0.41 }] },
        }),
    ],
    [
      'another face in its place',
      /another face/,
      (bench) => {
        stand(bench, zoe, 5)
        stand(bench, ben, 3)
      },
    ],
    [
      'another face while it is confirmed',
      /another face/,
      (bench) => {
        while (bench.phase === 'collecting') stand(bench, zoe, 1)
        stand(bench, ben, 3)
      },
    ],
    ['a second press', /cancelled at the button/, (bench) => bench.press()],
    ['a long second press', /cancelled at the button/, (bench) => bench.press(4000)],
    ['CANCEL', /cancelled by command/, (bench) => bench.give({ type: 'cancel' })],
    ['the camera', /the camera failed/, (bench) => bench.give({ type: 'blind', reason: 'the camera failed' })],
    ['time', /no new face/, (bench) => bench.wait(20_000)],
    [
      'the same picture again and again',
      /too few different/,
      (bench) => {
        const frozen = stranger(zoe)
        for (let i = 0; i < 150; i++) {
          bench.wait(100)
          bench.see(frozen)
        }
        bench.wait(6000)
      },
    ],
  ]
  for (const [what, reason, happens] of cases) {
    const bench = ready(2)
    bench.give({ type: 'seen', person: 'Ann', now: 0 })
    bench.press()
    happens(bench)
    const told = bench.effects.flatMap((effect) => (effect.do === 'record' ? [effect.event] : []))
    t.match(told, [{ type: 'enrol_failed', detail: { reason, by: 'button' } }], what)
    t.match(bench.effects.findLast((effect) => effect.do === 'watch-faces') as object, { session: undefined })
    t.equal(bench.saving, undefined, what)
    bench.wait(5000)
    t.equal(bench.phase, 'idle', what)
  }
})

t.test('a chance detection beside the face costs a frame only', async (t) => {
  const bench = ready(0)
  bench.press()
  for (let i = 0; i < 30; i++) {
    bench.wait(100)
    bench.see(stranger(zoe), { track: 50 + i, confirmed: false, verdict: { kind: 'undecided' } })
  }
  t.equal(bench.state.running?.samples.length, 0)
  stand(bench, zoe)
  t.equal(bench.phase, 'saving')
})

t.test('commands are obeyed where they are allowed, and make no admin', async (t) => {
  const shut = ready(0, { remote: false })
  shut.give({ type: 'start', name: 'Zoë' })
  shut.press()
  shut.give({ type: 'cancel' })
  t.match(shut.refusals, [/enrolment.remote/, /enrolment.remote/])
  t.equal(shut.phase, 'collecting', 'a refused CANCEL cancels nothing')
  const bench = ready(2)
  bench.give({ type: 'start', name: '  ann ' })
  t.match(bench.refusals, [/is an admin/])
  bench.give({ type: 'start', name: 'Zoë' })
  bench.give({ type: 'start', name: 'Ben' })
  t.match(bench.refusals, [/is an admin/, /already/])
  stand(bench, zoe)
  t.match(bench.saving, { name: 'Zoë', by: 'remote', authority: 'remote' })
})

t.test('a command with a name that somebody has, or that looks like his, is refused at once', async (t) => {
  const bench = ready(1, { remote: true })
  bench.give({ type: 'people', count: 2, names: ['Zoë', 'Bob'] })
  for (const name of ['zoe\u0308', 'ＢＯＢ', 'B\u043eb', 'Bo\u200bb']) bench.give({ type: 'start', name })
  t.same(
    bench.refusals,
    ['Zoë', 'Bob', 'Bob', 'Bob'].map((name) => `"${name}" is enrolled already`),
  )
  t.equal(bench.phase, 'idle')
  bench.give({ type: 'start', name: 'Zoe' })
  t.equal(bench.phase, 'collecting', 'an accent makes another name')
})

t.test('a blind door enrols nobody', async (t) => {
  const bench = new Bench(options)
  bench.give({ type: 'people', count: 0 })
  bench.press()
  t.match(bench.refusals, [/no picture/])
})

t.test('a long press undoes: soon after by anybody, later by an admin only', async (t) => {
  const bench = ready(0)
  bench.press()
  stand(bench, zoe)
  bench.give({ type: 'saved', session: 1, person: 'visitor-1', now: bench.now })
  bench.give({ type: 'people', count: 2 })
  const undone = () => bench.effects.filter((effect) => effect.do === 'undo-enrolment').length
  bench.press(3100)
  t.equal(undone(), 1)
  bench.wait(60_000)
  bench.press(3100)
  t.equal(undone(), 1)
  t.match(bench.refusals, [/nobody entitled to undo/])
  bench.give({ type: 'seen', person: 'Ann', now: bench.now })
  bench.press(3100)
  t.equal(undone(), 2)
  bench.give({ type: 'not-undone', reason: 'there is none' })
  t.equal(bench.refusals.at(-1), 'there is none')
})

t.test('nobody undoes the only person: the next one to press would be the first', async (t) => {
  for (const firstBoot of [true, false]) {
    const bench = ready(0, { firstBoot, remote: true })
    bench.give({ type: 'start', name: 'Zoë' })
    stand(bench, zoe)
    bench.give({ type: 'saved', session: 1, person: 'Zoë', now: bench.now })
    bench.give({ type: 'people', count: 1 })
    bench.press(3100)
    const undone = bench.effects.filter((effect) => effect.do === 'undo-enrolment').length
    t.equal(undone, firstBoot ? 0 : 1)
    if (firstBoot) t.match(bench.refusals, [/the only person enrolled/])
  }
})

t.test('a store that answers late or never', async (t) => {
  const bench = ready(0)
  bench.press()
  stand(bench, zoe)
  bench.press()
  t.equal(bench.phase, 'saving', 'what was asked of the store is not called back')
  bench.wait(20_000)
  t.same(
    bench.effects.flatMap((effect) => (effect.do === 'record' ? [effect.event.detail?.reason] : [])),
    ['the store does not answer'],
  )
  bench.give({ type: 'saved', session: 1, person: 'visitor-1', now: bench.now })
  t.match(bench.state.result, { state: 'saved', person: 'visitor-1' }, 'what is stored is said')
  bench.press()
  t.match(bench.refusals, [/no admin/])
})

t.test('any order of events: never unasked, never two faces, never stuck', async (t) => {
  let [sessions, saves] = [0, 0]
  for (let seed = 1; seed <= 80; seed++) {
    const random = seeded(seed)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
    const looks = [randomLooks(random), randomLooks(random)]
    const bench = new Bench({ ...options, remote: random() < 0.5, samples: pick([3, 6]) })
    bench.give({ type: 'sight', threshold })
    let people = pick([0, 0, 2])
    bench.give({ type: 'people', count: people })
    let adminAt = Number.NEGATIVE_INFINITY
    let startedAt: number | undefined
    let entitled = false
    /** Somebody comes and mostly stays. */
    let present = 0
    for (let i = 0; i < 400; i++) {
      const before = bench.phase
      const was = bench.effects.length
      const act = random()
      const pressing = bench.state.pressedAt
      if (act < 0.8) {
        bench.wait(random() * 200)
        if (random() < 0.02) present = pick([0, 1, 2, 3])
        const shown = [[stranger(looks[0]!, 1, random)], [stranger(looks[1]!, 2, random)], [resident('Ann')], []][
          present
        ]!
        bench.see(...(random() < 0.01 ? [stranger(looks[0]!, 1, random), stranger(looks[1]!, 2, random)] : shown))
      } else if (act < 0.84) {
        bench.give({ type: 'press', on: random() < 0.5, now: bench.now })
      } else if (act < 0.86) bench.give({ type: 'start', ...(random() < 0.5 && { name: 'Zoë' }) })
      else if (act < 0.87) bench.give({ type: 'cancel' })
      else if (act < 0.89) {
        bench.give({ type: 'seen', person: pick(['Ann', 'Ben']), now: bench.now })
        if (bench.state.admin?.at === bench.now) adminAt = bench.now
      } else if (act < 0.895) bench.give({ type: 'blind', reason: 'x' })
      else if (act < 0.92) bench.give({ type: 'sight', threshold })
      else if (act < 0.93) bench.wait(random() * 30_000)
      else if (act < 0.95) {
        people = pick([0, people, 2])
        bench.give({ type: 'people', count: people })
      } else if (act < 0.97) {
        const session = bench.state.session - pick([0, 0, 1])
        if (bench.saving && random() < 0.7) bench.give({ type: 'saved', session, person: 'visitor-1', now: bench.now })
        else bench.give({ type: 'not-saved', session, reason: 'y' })
      } else bench.give({ type: 'undone', person: 'visitor-1' })

      const running = bench.state.running
      const begun = bench.effects
        .slice(was)
        .some((effect) => effect.do === 'watch-faces' && effect.session !== undefined)
      if (begun) {
        sessions++
        startedAt = bench.now
        const at = pressing ?? Number.NaN
        const byAdmin = at - adminAt <= options.adminMs && at >= adminAt
        entitled =
          running?.by === 'remote' ? bench.options.remote : byAdmin || (people === 0 && bench.state.people === 0)
        if (!entitled) t.fail(`seed ${seed}: a session began unasked`)
      }
      for (const effect of bench.effects.slice(was)) {
        if (effect.do !== 'save-person') continue
        saves++
        const { templates } = effect.saving
        const whose = looks.map((face) => templates.filter(({ embedding }) => cosine(embedding, face) > 0.5).length)
        // All of one face, and of the one that stands there now.
        if (!entitled || whose[present] !== templates.length || whose[1 - present] !== 0)
          t.fail(`seed ${seed}: saved ${whose}, entitled ${entitled}`)
      }
      if (running && startedAt !== undefined && bench.now - startedAt > options.limitMs + 1)
        t.fail(`seed ${seed}: ${before} for longer than allowed`)
    }
    bench.wait(options.limitMs + options.showMs)
    if (bench.phase !== 'idle') t.fail(`seed ${seed}: stuck in ${bench.phase}`)
  }
  t.comment(`${sessions} sessions, ${saves} saves`)
  t.ok(sessions > 100 && saves > 10)
})

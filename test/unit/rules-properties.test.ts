/** Windows on the days of the clock changes, against arithmetic that knows nothing of Intl; and who may follow whom. */
import fc from 'fast-check'
import t from 'tap'
import { Access } from '../../firmware/domain/access.js'
import { civilTime } from '../../firmware/domain/civil-time.js'
import { isInside, type Right, type Window } from '../../firmware/domain/rules.js'

const { FAST_CHECK_SEED } = process.env
const runs = { numRuns: 400, ...(FAST_CHECK_SEED !== undefined && { seed: Number(FAST_CHECK_SEED) }) }
const minuteMs = 60_000
const dayMs = 86_400_000

/** The tz database's changes of 2026; offsets in hours before and after. */
const changes = [
  { zone: 'Europe/Berlin', at: Date.UTC(2026, 2, 29, 1), before: 1, after: 2 },
  { zone: 'Europe/Berlin', at: Date.UTC(2026, 9, 25, 1), before: 2, after: 1 },
  { zone: 'America/New_York', at: Date.UTC(2026, 2, 8, 7), before: -5, after: -4 },
  { zone: 'America/New_York', at: Date.UTC(2026, 10, 1, 6), before: -4, after: -5 },
]

const window = fc
  .record({
    days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
    from: fc.oneof(fc.integer({ min: 0, max: 1439 }), fc.integer({ min: 60, max: 240 })),
    to: fc.oneof(fc.integer({ min: 1, max: 1440 }), fc.integer({ min: 60, max: 240 })),
  })
  .filter(({ from, to }) => from !== to)

for (const { zone, at, before, after } of changes) {
  const local = (wall: number) => wall + (wall < at ? before : after) * 60 * minuteMs

  t.test(`${zone} around ${new Date(at).toISOString()}: windows say what the clock on the wall says`, async (t) => {
    fc.assert(
      fc.property(fc.array(window, { maxLength: 3 }), fc.integer({ min: -2160, max: 2160 }), (windows, minutes) => {
        const wall = at + minutes * minuteMs
        const shown = local(wall) / minuteMs
        // 1970-01-01 was a Thursday: day 3 of a week that begins on Monday.
        const today = Math.floor(local(wall) / dayMs)
        const expected = windows.some(({ days, from, to }) =>
          [today - 1, today].some((day) => {
            if (!days.includes((day + 3) % 7)) return false
            const start = day * 1440 + from
            const end = day * 1440 + to + (to <= from ? 1440 : 0)
            return shown >= start && shown < end
          }),
        )
        return isInside(windows, 'usual', new Set(), civilTime(wall, zone)) === expected
      }),
      runs,
    )
    t.pass()
  })

  t.test(`${zone} around ${new Date(at).toISOString()}: minutes that a window lasts`, async (t) => {
    const daily = (from: number, to: number): Window[] => [{ days: [0, 1, 2, 3, 4, 5, 6], from, to }]
    const first = at - ((local(at - 1) % dayMs) + 1) // local midnight before the change
    const minutes = (windows: Window[], hours = 48) => {
      let open = 0
      for (let wall = first - 12 * 60 * minuteMs; wall < first + (hours - 12) * 60 * minuteMs; wall += minuteMs)
        if (isInside(windows, 'usual', new Set(), civilTime(wall, zone))) open++
      return open
    }
    const forward = after > before
    const changed = (local(at) % dayMs) / 60 / minuteMs - (forward ? 1 : 0) // the hour that is skipped or repeated
    const hour = changed * 60
    t.equal(minutes(daily(hour, hour + 60), 36), forward ? 0 : 120, 'the hour itself: skipped or twice')
    t.equal(minutes(daily(hour + 15, hour + 45), 36), forward ? 0 : 60, 'a window inside it')
    t.equal(minutes(daily(22 * 60, 6 * 60), 24), forward ? 7 * 60 : 9 * 60, 'a night across it')
    t.equal(minutes(daily(hour - 30, hour + 30), 36), forward ? 30 : 90, 'one that begins before it')
  })
}

const name = fc.constantFrom('Ann', 'Ben', 'Cy')
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('ask' as const), people: fc.uniqueArray(name, { minLength: 1 }) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 15_000 }) }),
    fc.record({ do: fc.constant('open' as const) }),
  ),
  { maxLength: 40 },
)
const right = (more: object): Right => ({ by: { name: 'g', holidays: 'usual', ...more } })

t.test(
  'two-person rule: each grant is of two different people who came within the time, and uses both up',
  async (t) => {
    let grants = 0
    fc.assert(
      fc.property(steps, (moves) => {
        const access = new Access({ sensor: true })
        const pair = right({ twoPersonMs: 10_000 })
        let now = 0
        let shown: { person: string; at: number }[] = []
        for (const move of moves) {
          if (move.do === 'wait') now += move.ms
          if (move.do !== 'ask') continue
          for (const person of move.people) {
            access.note(person, pair, now)
            shown.push({ person, at: now })
          }
          for (const person of move.people) {
            const answer = access.admit(person, pair, now, 0)
            const others = shown.filter((other) => other.person !== person && now - other.at <= 10_000)
            if (answer === undefined || !('granted' in answer)) {
              if (others.length > 0) throw new Error(`${person} was refused beside ${others[0]!.person}`)
              continue
            }
            grants++
            access.lapsed()
            if (!others.some((other) => other.person === answer.with)) throw new Error(`${person} with ${answer.with}`)
            shown = shown.filter((other) => other.person !== person && other.person !== answer.with)
          }
        }
      }),
      runs,
    )
    t.ok(grants > 100, `${grants} grants`)
  },
)

t.test(
  'anti-passback: nobody twice within the time, once the door was opened; until then he may try again',
  async (t) => {
    for (const sensor of [true, false]) {
      let refused = 0
      fc.assert(
        fc.property(steps, (moves) => {
          const access = new Access({ sensor })
          const once = right({ againMs: 20_000 })
          let now = 0
          const waiting = new Set<string>()
          const used = new Map<string, number>()
          const granted = new Map<string, number>()
          for (const move of moves) {
            if (move.do === 'wait') now += move.ms
            if (move.do === 'open') {
              access.opened()
              for (const person of waiting) used.set(person, granted.get(person)!)
              waiting.clear()
            }
            if (move.do !== 'ask') continue
            for (const person of move.people) {
              const answer = access.admit(person, once, now, 0)
              const at = used.get(person)
              const barred = at !== undefined && now - at < 20_000
              if (barred !== (answer !== undefined && 'denied' in answer)) throw new Error(`${person} at ${now}`)
              if (barred) refused++
              else {
                granted.set(person, now)
                used.delete(person)
                if (sensor) waiting.add(person)
                else used.set(person, now)
              }
            }
          }
        }),
        runs,
      )
      t.ok(refused > 100, `${refused} refusals`)
    }
  },
)

t.test('the cool-down is silent and ends', async (t) => {
  const access = new Access({ sensor: true })
  t.same(access.admit('Ann', right({}), 0, 3000), { granted: true })
  t.equal(access.admit('Ann', right({}), 2999, 3000), undefined)
  t.same(access.admit('ann ', right({}), 3000, 3000), { granted: true }, 'a name is a name')
})

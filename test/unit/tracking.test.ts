import t from 'tap'
import type { Box, Verdict } from '../../firmware/domain/types.js'
import { decisions, type JudgedFrame, spread, summarize, upperBound } from '../../firmware/evaluation/decisions.js'
import { rate } from '../../firmware/evaluation/operating-points.js'
import {
  addCounts,
  idf1,
  mota,
  type TrackedFace,
  type TrackedFrame,
  type TruthFace,
  trackingCounts,
} from '../../firmware/evaluation/tracking.js'

const demands = { visible: 0.5, side: 40 }
const here = (x: number): Box => ({ x, y: 100, width: 80, height: 100 })
const anna = (x: number, visible = 1): TruthFace => ({ person: 'anna', box: here(x), visible })
const ben = (x: number, visible = 1): TruthFace => ({ person: 'ben', box: here(x), visible })
const on = (id: number, x: number): TrackedFace => ({ id, box: here(x) })
const film = (...frames: [TruthFace[], TrackedFace[]][]): TrackedFrame[] =>
  frames.map(([truth, tracks]) => ({ truth, tracks }))

t.test('perfect following is perfect', async (t) => {
  const counts = trackingCounts(
    film(
      [
        [anna(0), ben(300)],
        [on(1, 4), on(2, 296)],
      ],
      [
        [anna(10), ben(290)],
        [on(2, 292), on(1, 12)],
      ],
    ),
    demands,
  )
  t.same(counts, { faces: 4, misses: 0, falsePositives: 0, switches: 0, fragmentations: 0, together: 4, tracked: 4 })
  t.equal(idf1(counts), 1)
  t.equal(mota(counts), 1)
})

t.test('two tracks that change places: two switches, and half of the frames belong together', async (t) => {
  const counts = trackingCounts(
    film(
      [
        [anna(0), ben(300)],
        [on(1, 0), on(2, 300)],
      ],
      [
        [anna(0), ben(300)],
        [on(1, 0), on(2, 300)],
      ],
      [
        [anna(0), ben(300)],
        [on(2, 0), on(1, 300)],
      ],
      [
        [anna(0), ben(300)],
        [on(2, 0), on(1, 300)],
      ],
      [
        [anna(0), ben(300)],
        [on(2, 0), on(1, 300)],
      ],
    ),
    demands,
  )
  t.match(counts, { faces: 10, switches: 2, misses: 0, falsePositives: 0, fragmentations: 0, together: 6 })
  t.equal(idf1(counts), 0.6)
  t.equal(mota(counts), 0.8)
})

t.test(
  'a track that is lost and found: misses and a fragmentation, and no switch while its number stays',
  async (t) => {
    const film1 = film([[anna(0)], [on(1, 0)]], [[anna(5)], []], [[anna(9)], []], [[anna(15)], [on(1, 15)]])
    const counts = trackingCounts(film1, demands)
    t.match(counts, { faces: 4, misses: 2, fragmentations: 1, switches: 0, together: 2, tracked: 2 })
    t.equal(idf1(counts), 2 / 3)
    const film2 = film([[anna(0)], [on(1, 0)]], [[anna(5)], []], [[anna(15)], [on(7, 15)]])
    t.match(trackingCounts(film2, demands), { fragmentations: 1, switches: 1, misses: 1, together: 1 })
  },
)

t.test('who was out of view comes back without a fragmentation; another number is still a switch', async (t) => {
  const counts = trackingCounts(film([[anna(0)], [on(1, 0)]], [[], []], [[anna(0)], [on(2, 0)]]), demands)
  t.match(counts, { faces: 2, misses: 0, fragmentations: 0, switches: 1 })
})

t.test('a track on nothing, and a second one on the same face, are false positives', async (t) => {
  const counts = trackingCounts(film([[anna(0)], [on(1, 0), on(2, 400)]], [[anna(0)], [on(1, 0), on(3, 10)]]), demands)
  t.match(counts, { faces: 2, falsePositives: 2, switches: 0, misses: 0, together: 2, tracked: 4 })
  t.equal(mota(counts), 0)
})

t.test('hidden and tiny faces need not be followed, and may be', async (t) => {
  const tiny: TruthFace = { person: 'ben', box: { x: 300, y: 100, width: 20, height: 25 }, visible: 1 }
  const seen = film(
    [
      [anna(0, 0.2), tiny],
      [on(1, 0), { id: 2, box: tiny.box }],
    ],
    [[anna(0, 0.2), tiny], []],
  )
  t.match(trackingCounts(seen, demands), { faces: 0, misses: 0, falsePositives: 0, tracked: 0 })
  t.equal(idf1(trackingCounts(seen, demands)), 1)
  // What happens behind an obstacle still counts when the face is out again.
  const swapped = film([[anna(0)], [on(1, 0)]], [[anna(0, 0.1)], [on(2, 0)]], [[anna(0)], [on(2, 0)]])
  t.match(trackingCounts(swapped, demands), { faces: 2, misses: 0, together: 1 })
})

t.test('one number for two people is given to whom it followed longer', async (t) => {
  const counts = trackingCounts(film([[anna(0)], [on(1, 0)]], [[ben(0)], [on(1, 0)]], [[ben(0)], [on(1, 0)]]), demands)
  t.match(counts, { faces: 3, together: 2, switches: 0 })
})

t.test('sequences add up', async (t) => {
  const one = trackingCounts(film([[anna(0)], [on(1, 0)]]), demands)
  const none = trackingCounts(film([[anna(0)], []]), demands)
  t.match(addCounts([one, none]), { faces: 2, misses: 1, together: 1 })
  t.equal(idf1(addCounts([])), 1)
})

// ── Decisions ──

const known = (person: string): Verdict => ({ kind: 'known', person, similarity: 0.8, votes: 4 })
const undecided: Verdict = { kind: 'undecided' }
const threshold = 0.6

interface Moment {
  readonly truth: TruthFace[]
  readonly verdict?: Verdict
  readonly x?: number
  readonly verified?: boolean
  readonly answer?: [person: string, similarity: number]
  readonly grant?: string
}

const judged = (...moments: Moment[]): JudgedFrame[] =>
  moments.map(({ truth, verdict = undecided, x = 0, verified = false, answer, grant }, i) => ({
    at: 40 * i,
    judgedMs: 5,
    truth,
    tracks: [{ ...on(1, x), verdict, verified }],
    answers: answer ? [{ box: here(x), person: answer[0], similarity: answer[1] }] : [],
    grants: grant === undefined ? [] : [{ person: grant, track: 1 }],
  }))

const residents = new Set(['anna', 'ben'])
const truth = [anna(0)]

t.test('a resident: frames and time from the first good look to the grant', async (t) => {
  const { visits, wrongGrantsOfNobody } = decisions(
    judged(
      { truth: [anna(0, 0.3)] },
      { truth, answer: ['ben', 0.55] },
      { truth, answer: ['anna', 0.7] },
      { truth, answer: ['anna', 0.8], verdict: known('anna'), verified: true, grant: 'anna' },
    ),
    residents,
    threshold,
    demands,
  )
  t.equal(wrongGrantsOfNobody, 0)
  t.match(visits, [
    {
      person: 'anna',
      resident: true,
      frames: 3,
      granted: { frames: 3, ms: 80 },
      wrongGrants: 0,
      wrongVerdicts: 0,
      single: { answers: 3, right: 2, wrong: 0, rightAfter: 2 },
    },
  ])
})

t.test(
  "a stranger under a resident's name: a wrong verdict, and a wrong grant only when the door opened",
  async (t) => {
    const eve = [{ person: 'eve', box: here(0), visible: 1 }]
    const moments: Moment[] = [
      { truth: eve, answer: ['anna', 0.65] },
      { truth: eve, answer: ['anna', 0.5], verdict: known('anna') },
    ]
    const [told] = decisions(judged(...moments), residents, threshold, demands).visits
    t.match(told, {
      resident: false,
      wrongVerdicts: 1,
      wrongVerified: 0,
      wrongGrants: 0,
      single: { right: 0, wrong: 1 },
    })
    t.notOk(told!.granted)
    const open = judged(...moments, { truth: eve, verdict: known('anna'), verified: true, grant: 'anna' })
    t.match(decisions(open, residents, threshold, demands).visits, [{ wrongVerified: 1, wrongGrants: 1 }])
  },
)

t.test("one resident under another's name is wrong as well, and a grant to no face is nobody's", async (t) => {
  const mixed = judged({ truth: [anna(0), ben(300)], x: 300, verdict: known('anna'), verified: true, grant: 'anna' })
  const { visits } = decisions(mixed, residents, threshold, demands)
  t.same(
    visits.map(({ person, wrongGrants, granted }) => [person, wrongGrants, granted]),
    [
      ['anna', 0, undefined],
      ['ben', 1, undefined],
    ],
  )
  const ghost = judged({ truth, x: 400, verdict: known('anna'), verified: true, grant: 'anna' })
  t.equal(decisions(ghost, residents, threshold, demands).wrongGrantsOfNobody, 1)
})

t.test('a summary counts visits of residents and strangers apart', async (t) => {
  const eve = [{ person: 'eve', box: here(0), visible: 1 }]
  const all = [
    judged({ truth, verdict: known('anna'), verified: true, grant: 'anna' }),
    judged({ truth }),
    judged({ truth: eve, verdict: { kind: 'unknown', similarity: 0, votes: 5 } }),
    judged({ truth: [{ ...eve[0]!, visible: 0.1 }] }), // nothing to judge
  ].map((frames) => decisions(frames, residents, threshold, demands))
  const summary = summarize(all)
  t.match(summary.residents, { visits: 2, admitted: { count: 1, of: 2 }, frames: { median: 1, p95: 1 } })
  t.match(summary.strangers, { visits: 1, people: 1, wrongGrants: { count: 0, of: 1 }, calledUnknown: { count: 1 } })
})

t.test('the rule of three, and percentiles by nearest rank', async (t) => {
  t.ok(Math.abs(upperBound(rate(0, 10_000)) - 3e-4) < 1e-6)
  t.equal(upperBound(rate(0, 0)), 1)
  t.equal(upperBound(rate(2, 100)), rate(2, 100).high)
  t.same(spread([5, 1, 4, 2, 3]), { median: 3, p95: 5 })
  t.ok(Number.isNaN(spread([]).median))
})

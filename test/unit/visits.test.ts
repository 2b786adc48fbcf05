import t from 'tap'
import type { Verdict } from '../../firmware/domain/types.js'
import { Visits } from '../../firmware/domain/visits.js'

const ann: Verdict = { kind: 'known', person: 'Ann', similarity: 0.97, votes: 3 }
const bob: Verdict = { kind: 'known', person: 'Bob', similarity: 0.96, votes: 3 }
const stranger: Verdict = { kind: 'unknown', similarity: 0.3, votes: 5 }
const undecided: Verdict = { kind: 'undecided' }
const seen = (track: number, verdict: Verdict, verified = true) => ({ track, verdict, verified })
const make = () => new Visits({ rearmMs: 20_000 })

t.test('one event and one grant a visit, not one a frame', async (t) => {
  const visits = make()
  t.same(visits.see([seen(1, undecided)], 0), { events: [], grants: [] })
  const first = visits.see([seen(1, ann)], 100)
  t.match(first.events, [{ type: 'known', person: 'Ann', track: 1, similarity: 0.97, detail: { votes: 3 } }])
  t.match(first.grants, [{ person: 'Ann', track: 1 }])
  for (let now = 200; now < 20_000; now += 100) t.same(visits.see([seen(1, ann)], now), { events: [], grants: [] })
  t.match(
    visits.see([seen(1, ann)], 20_100),
    { events: [], grants: [{ person: 'Ann' }] },
    'who stays is let in again later',
  )
})

t.test('a person who comes again is a new visit', async (t) => {
  const visits = make()
  visits.see([seen(1, ann)], 0)
  visits.see([], 1000)
  const again = visits.see([seen(2, ann)], 20_000)
  t.equal(again.events.length, 1)
  t.equal(again.grants.length, 1)
})

t.test('who turns away for a moment has not come again, and is let in all the same', async (t) => {
  const visits = make()
  visits.see([seen(1, ann)], 0)
  for (let now = 1000; now < 9000; now += 1000) visits.see([], now)
  const back = visits.see([seen(2, ann)], 9000)
  t.same(back.events, [])
  t.match(back.grants, [{ person: 'Ann', track: 2 }])
  t.same(visits.see([seen(2, bob), seen(3, ann)], 9100).events.length, 1, 'somebody else is another visit')
})

t.test('a crowd of strangers is no flood, and what was left out is counted', async (t) => {
  const visits = make()
  const crowd = Array.from({ length: 500 }, (_, i) => visits.see([seen(i, stranger)], i * 100).events).flat()
  t.ok(crowd.length >= 6 && crowd.length <= 11, `${crowd.length} events in 50 s`)
  const told = crowd.reduce((sum, { detail }) => sum + 1 + Number(detail?.suppressed ?? 0), 0)
  const [last] = visits.see([seen(1000, stranger)], 200_000).events
  t.equal(told + 1 + Number(last?.detail?.suppressed ?? 0), 501)
  t.match(visits.see([seen(1001, ann)], 200_001), { events: [{ type: 'known' }], grants: [{ person: 'Ann' }] })
})

t.test('a stranger is told once, and once more when he turns out to be known', async (t) => {
  const visits = make()
  t.match(visits.see([seen(1, stranger)], 0).events, [{ type: 'unknown' }])
  t.same(visits.see([seen(1, stranger)], 100), { events: [], grants: [] })
  t.same(visits.see([seen(1, undecided)], 200), { events: [], grants: [] })
  t.match(visits.see([seen(1, ann)], 300), { events: [{ type: 'known', person: 'Ann' }], grants: [{ person: 'Ann' }] })
  t.same(visits.see([seen(1, stranger)], 400).events, [], 'and not back and forth')
})

t.test('only a face that was identified in this very frame opens', async (t) => {
  const visits = make()
  t.match(visits.see([seen(1, ann, false)], 0), { events: [{ type: 'known' }], grants: [] })
  t.match(visits.see([seen(1, ann, true)], 500), { events: [], grants: [{ person: 'Ann' }] })
  t.same(visits.see([seen(1, ann, false)], 40_000).grants, [], 'also when it may be let in again')
})

t.test('an identity that changes is a new event and a grant of its own', async (t) => {
  const visits = make()
  visits.see([seen(1, ann)], 0)
  t.match(visits.see([seen(1, bob)], 100), { events: [{ type: 'known', person: 'Bob' }], grants: [{ person: 'Bob' }] })
})

t.test('after a restart of the recognizer the same track number is somebody else', async (t) => {
  const visits = make()
  visits.see([seen(1, ann)], 0)
  visits.reset()
  t.equal(visits.see([seen(1, ann)], 10).events.length, 1)
})

import t from 'tap'
import { writers } from '../../firmware/commands/events-format.js'
import type { StoredEvent } from '../../firmware/domain/events.js'

const event: StoredEvent = {
  seq: 7,
  id: 'abc',
  at: '2026-11-22T08:00:00.000Z',
  type: 'known',
  person: 'Zoë',
  similarity: -0.25,
  track: 3,
  detail: { by: 'face' },
}
const csv = (change: Partial<StoredEvent>) => writers.csv.line({ ...event, ...change }, true)

t.test('CSV', async (t) => {
  t.equal(writers.csv.head, 'seq,id,at,type,person,similarity,track,detail\r')
  t.equal(csv({}), '7,abc,2026-11-22T08:00:00.000Z,known,Zoë,-0.25,3,"{""by"":""face""}"\r', 'numbers stay numbers')
  const { seq, id, at, type } = event
  t.equal(writers.csv.line({ seq, id, at, type }, true), '7,abc,2026-11-22T08:00:00.000Z,known,,,,\r')
  t.match(csv({ person: 'Smith, "J"' }), ',"Smith, ""J""",')
})

t.test('no text is a formula for a spreadsheet', async (t) => {
  for (const name of [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    ' =1+1',
    '\u00a0=1',
    '\u200b=1',
    '\uff1d1+1',
    '|calc',
    '%0A=1',
    '=cmd|"/c calc"!A1',
  ])
    t.match(csv({ person: name }).split(',')[4], /^"'/, JSON.stringify(name))
  t.match(csv({ detail: { x: '\t=1' } }), '{""x"":""\\t=1""}', 'a detail begins with its brace')
  t.match(csv({ person: 'Anna-Lena' }), ',Anna-Lena,')
})

t.test('JSON is one document', async (t) => {
  const { head, line, tail } = writers.json
  const document = [head, line(event, true), line({ ...event, seq: 8 }, false), tail].join('\n')
  t.match(JSON.parse(document), [
    { seq: 7, by: 'face', person: 'Zoë' },
    { seq: 8, by: 'face' },
  ])
  t.same(JSON.parse([head, tail].join('\n')), [])
})

import t from 'tap'
import { costSvg } from '../../firmware/evaluation/cost-chart.js'

t.test('a cost curve draws what was measured, higher for more', async (t) => {
  const points = [
    { at: 0, ms: 0 },
    { at: 1, ms: 2 },
    { at: 1000, ms: 20 },
  ]
  const svg = costSvg({ title: 'A & B', x: 'size', label: (at) => `${at} things`, costs: [{ name: 'work', points }] })
  t.match(svg, 'A &#38; B')
  for (const label of ['0 things', '1 things', '1000 things']) t.match(svg, label)
  const drawn = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)])
  t.equal(drawn.length, 2, 'what costs nothing has no logarithm')
  const [[fewX, fewY], [manyX, manyY]] = drawn as [[number, number], [number, number]]
  t.ok(manyX > fewX && manyY < fewY, JSON.stringify(drawn))
  t.notMatch(svg, 'NaN')
})

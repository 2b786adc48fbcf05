import t from 'tap'
import { quantile } from '../../firmware/evaluation/statistics.js'
import { entries } from '../../tools/bench/contestant.js'
import { peersInstalled } from '../../tools/bench/install.js'
import { judge } from '../../tools/bench/judge.js'
import { scenes } from '../../tools/bench/scenes.js'
import { formatGoals, formatTable, goals, rowOf } from '../../tools/bench/table.js'

t.setTimeout(900_000)
const seconds = 800 // never the limit here
const clips = scenes().filter(({ name }) => name !== 'walking')
const own = entries.filter(({ peer }) => !peer)

t.test('facelatch, its ancestors and the plain pipeline open for the enrolled man alone', async (t) => {
  const results = await judge(own, { scenes: clips, frames: 12, seconds })
  for (const { name, problem, played, verdicts } of results) {
    t.equal(problem, undefined, name)
    t.ok(played!.enrolled >= 3, `${name} enrolled from ${played!.enrolled} of five frames`)
    t.same(
      verdicts.map(({ scene, letIn, frames }) => ({ scene, letIn, frames })),
      [
        { scene: 'cap12_edit', letIn: true, frames: 12 },
        { scene: 'cap13_edit2', letIn: true, frames: 12 },
        { scene: 'franck', letIn: false, frames: 12 },
      ],
      name,
    )
    t.ok(played!.peakMemory > 2 ** 25, `${name} peaks at ${played!.peakMemory} bytes`)
  }

  const rows = results.map(rowOf)
  const table = formatTable(rows)
  t.equal(table.length, own.length + 1)
  for (const [i, row] of rows.entries()) {
    const { p50, p95, p99 } = row.ms!
    t.ok(0 < p50 && p50 <= p95 && p95 <= p99 && row.cpuSeconds! > 0, JSON.stringify(row))
    t.match(table[i + 1], row.title)
    t.match(table[i + 1], '3/3')
  }
  const ratios = goals(results)
  t.same(
    ratios.map(({ peer, wanted, reached }) => ({ peer, wanted, measured: reached !== undefined })),
    [
      { peer: 'human', wanted: 10, measured: false },
      { peer: 'human-each', wanted: 10, measured: false },
      { peer: 'face-api', wanted: 20, measured: false },
      { peer: 'onnxruntime', wanted: 3, measured: true },
      { peer: 'ancestors', wanted: 3, measured: true },
    ],
  )
  for (const { time, cpu, wanted, reached } of ratios)
    if (reached !== undefined) t.equal(reached, time! >= wanted && cpu! >= wanted, 'reached means both')
  t.match(formatGoals(ratios)[0], 'not measured')
})

t.test('a peer knows the man again', { skip: !peersInstalled() && 'the peers are not installed' }, async (t) => {
  const peers = entries.filter(({ peer }) => peer)
  for (const { name, problem, played, verdicts } of await judge(peers, {
    scenes: clips.slice(0, 1),
    frames: 1,
    seconds,
  })) {
    t.equal(problem, undefined, name)
    t.ok(played!.enrolled >= 3, name)
    t.same(verdicts, [{ scene: 'cap12_edit', expected: true, letIn: true, letInFrames: 1, frames: 1 }], name)
  }
})

t.test('who cannot play is told of, and holds nobody up', async (t) => {
  const nobody = { ...entries[0]!, name: 'nobody', title: 'Nobody' }
  const results = await judge([nobody], { scenes: clips.slice(0, 1), frames: 1, seconds })
  t.match(results[0], { problem: 'no contestant is called nobody', verdicts: [] })
  t.match(formatTable(results.map(rowOf))[1], /^Nobody +not measured: no contestant is called nobody$/)
})

t.test('percentiles are nearest ranks', async (t) => {
  const values = [5, 1, 4, 2, 3]
  t.same(
    [50, 95, 99, 20].map((percent) => quantile(values, percent / 100)),
    [3, 5, 5, 1],
  )
})

/** Walk-ups made of stills: the tool's recordings as a camera, and `facelatch evaluate tracking` on them. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { openCamera } from '../../firmware/adapters/recognizer-native.js'
import { openRecognizer } from '../../firmware/commands/recognition.js'
import { loadConfig } from '../../firmware/config.js'
import { iou } from '../../firmware/domain/geometry.js'
import type { Box } from '../../firmware/domain/types.js'
import type { Member } from '../../firmware/evaluation/sequences/cast.js'
import { makeAlbum } from '../support/album.js'
import { facelatch, root } from '../support/appliance.js'

const run = promisify(execFile)
const make = (folder: string, ...more: string[]) =>
  run(process.execPath, [
    join(root, 'dist/tools/sequences/make.js'),
    ...['--data', join(folder, 'album'), '--out', join(folder, 'out'), ...more],
  ])

interface Truth {
  readonly kind: string
  readonly cast: readonly Member[]
  readonly frames: readonly { readonly at: number; readonly faces: readonly { box: Box; visible: number }[] }[]
}

t.test('a recording plays as a camera, and its faces are found where the truth says', async (t) => {
  const folder = makeAlbum(t)
  await make(folder, '--count', '2', '--seed', '3', '--kind', 'approach', '--kind', 'beside')
  const names = readdirSync(join(folder, 'out'))
  t.same(names, ['000-approach.avi', '000-approach.json', '001-beside.avi', '001-beside.json'])
  const recognizer = await openRecognizer(loadConfig([], {}))
  t.teardown(() => recognizer.close())
  for (const name of ['000-approach', '001-beside']) {
    const { frames } = JSON.parse(readFileSync(join(folder, 'out', `${name}.json`), 'utf8')) as Truth
    const camera = await openCamera({ source: `file:${join(folder, 'out', name)}.avi`, realtime: false })
    t.teardown(() => camera.close())
    const missed: string[] = []
    for (const [i, { at, faces }] of frames.entries()) {
      const next = await camera.next()
      if (next.type !== 'frame') return t.fail(`${name}: ${next.type} instead of frame ${i}`)
      t.ok(Math.abs(next.frame.at - at) < 2, `${name}: frame ${i} at ${next.frame.at} instead of ${at}`)
      // Every frame would only take longer.
      const found = i % 4 === 0 ? (await recognizer.detect(next.frame)).faces : undefined
      for (const { box, visible } of faces)
        if (found && visible === 1 && !found.some((face) => iou(face.box, box) > 0.4)) missed.push(`frame ${i}`)
      next.frame.release()
    }
    t.equal((await camera.next()).type, 'end')
    t.ok(missed.length <= 1, `${name}: ${missed.join(', ')}`)
  }
})

t.test('the tool says what it takes', async (t) => {
  const folder = makeAlbum(t)
  await t.rejects(make(folder, '--kind', 'dance'), { code: 2, stderr: /kinds: approach pan/ })
  await t.rejects(make(folder, '--count', 'many'), { code: 2 })
  await t.rejects(make(folder, '--data', folder, '--colour'), {
    code: 1,
    stderr: /^tools\/sequences\/make: .*--colour/,
  })
})

const evaluate = (folder: string, ...more: string[]) =>
  facelatch(['evaluate', 'tracking', '--data', join(folder, 'album'), '--cache', join(folder, 'cache'), ...more])

t.test('evaluate tracking: everybody is followed, residents are let in, strangers are not', async (t) => {
  const folder = makeAlbum(t)
  const page = join(folder, 'report.html')
  const { code, stdout, stderr } = await evaluate(
    folder,
    ...['--count', '11', '--strangers', '3', '--seed', '5', '--json', '--report', page],
  )
  t.equal(code, 0, stderr)
  const result = JSON.parse(stdout)
  t.match(result, {
    kind: 'tracking',
    people: 2,
    settings: { seed: 5, count: 11, strangers: 3 },
    all: { sequences: 11 },
    strangers: { sequences: 3, decisions: { strangers: { visits: 3, people: 3, wrongGrants: { count: 0 } } } },
    mishaps: [],
  })
  t.equal(Object.keys(result.byKind).length, 11)
  t.same(new Set(result.sequences.map(({ seed }: { seed: number }) => seed)).size, 11)
  const { tracking, decisions } = result.all
  t.ok(tracking.idf1 > 0.8, `IDF1 ${tracking.idf1}`)
  t.ok(tracking.mota > 0.8, `MOTA ${tracking.mota}`)
  t.ok(decisions.residents.admitted.value > 0.7, `admitted ${decisions.residents.admitted.value}`)
  t.equal(decisions.residents.wrongGrants.count + decisions.strangers.wrongGrants.count, 0)
  t.ok(decisions.residents.frames.median >= 4, 'nobody is known by fewer votes than are needed')
  t.match(readFileSync(page, 'utf8'), /<table>.*hand-over.*strangers, short/s)
})

t.test('the same seed gives the same figures, another one other sequences', async (t) => {
  const folder = makeAlbum(t)
  const few = ['--count', '2', '--json']
  const one = await evaluate(folder, ...few)
  t.equal((await evaluate(folder, ...few)).stdout, one.stdout)
  const seeds = ({ stdout }: { stdout: string }) =>
    JSON.parse(stdout).sequences.map(({ seed }: { seed: number }) => seed)
  t.notSame(seeds(await evaluate(folder, ...few, '--seed', '2')), seeds(one))
})

t.test('strangers who resemble nobody can be left unplayed, and are told apart from those played', async (t) => {
  const folder = makeAlbum(t)
  const { code, stdout, stderr } = await evaluate(
    folder,
    ...['--count', '0', '--strangers', '4', '--likely', '0.99', '--without', 'Bill', '--json'],
  )
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), {
    all: { sequences: 0 },
    strangers: { sequences: 0 },
    estimate: { planned: 4, wrongGrants: { count: 0, of: 4 } },
  })
  t.match((await evaluate(folder, '--count', '0', '--strangers', '1', '--likely', '0')).stdout, /taken as refused +1 /)
})

t.test('what makes no sense is refused in one line', async (t) => {
  const folder = makeAlbum(t)
  for (const [args, message] of [
    [['tracking', '--seed', 'x'], /--seed takes a whole number from/],
    [['tracking', '--count', '-1'], /--count takes|argument is ambiguous/],
    [['tracking', '--report', 'page.svg'], /tracking takes FILE\.html/],
    [['tracking', '--classifier', 'svm'], /takes nearest or imprinting/],
    [['tracking', '--write-threshold'], /Unknown option '--write-threshold'/],
    [['tracking', '--likely', '2'], /--likely takes a similarity below 1/],
    [['verification', '--count', '3'], /Unknown option '--count'/],
    [['tracking', 'identification'], /^facelatch: usage: facelatch evaluate tracking/],
    [['tracking', '--without', 'Nobody'], /there is nobody called Nobody in album/],
  ] as const) {
    const result = await facelatch(['evaluate', ...args, '--data', join(folder, 'album')])
    t.match(result, { code: args[1] === '--without' ? 1 : 2, stderr: message }, args.join(' '))
    t.equal(result.stderr.trim().split('\n').length, 1, result.stderr)
  }
})

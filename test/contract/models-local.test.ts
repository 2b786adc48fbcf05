/** What users convert and measure stays theirs, whatever a new version brings. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { keepModel, keepThreshold, localFile, readLocal, withLocal } from '../../firmware/adapters/models-local.js'
import {
  findModel,
  livenessNets,
  loadManifest,
  type Manifest,
  type ModelEntry,
} from '../../firmware/adapters/models-manifest.js'
import { root } from '../support/appliance.js'
import { makeProgram } from '../support/program.js'

const shipped = loadManifest(join(root, 'models/manifest.json'))
const measured = (similarity: number) => ({ similarity, basis: 'measured here' })
const dlib = findModel(shipped, 'dlib-resnet')

/** A release whose file of one model is another one. */
function renewed(name: string): Manifest {
  const next = structuredClone(shipped)
  for (const file of Object.values(findModel(next, name).files)) file.sha256 = '0'.repeat(64)
  return next
}

function converted(sha256: string): ModelEntry {
  const { threshold, thresholds, ...own } = structuredClone(dlib)
  const { embedder } = own.files
  return {
    ...own,
    name: 'facenet',
    files: { embedder: { ...embedder!, sha256 } },
    origin: { type: 'converted', from: 'own.pb' },
  }
}
const [first, second] = [converted('1'.repeat(64)), converted('2'.repeat(64))]

t.test('without anything of its own it is what the release brings', async (t) => {
  t.same(withLocal(shipped, t.testdir()), { ...shipped, outdated: [] })
  t.same(withLocal(shipped, join(t.testdir(), 'none')), { ...shipped, outdated: [] })
})

t.test('a threshold counts instead of the one that the release brings, each classifier for itself', async (t) => {
  const folder = t.testdir()
  keepThreshold(shipped, folder, 'dlib-resnet', measured(0.9), 'nearest')
  keepThreshold(shipped, folder, 'dlib-resnet', measured(0.8), 'imprinting')
  keepThreshold(shipped, folder, 'dlib-resnet', measured(0.91), 'nearest')
  const merged = withLocal(shipped, folder)
  const wanted = structuredClone(shipped)
  const entry = findModel(wanted, 'dlib-resnet')
  Object.assign(entry, { threshold: measured(0.91), thresholds: { ...entry.thresholds, imprinting: measured(0.8) } })
  t.same(merged, { ...wanted, outdated: [] })
  t.same(readdirSync(folder), ['local.json'])
  t.throws(() => keepThreshold(shipped, folder, 'eigenfaces', measured(0.5), 'nearest'), /no model named eigenfaces/)
})

t.test('it stands for the files that it was measured with, and for no others', async (t) => {
  const folder = t.testdir()
  keepThreshold(shipped, folder, 'dlib-resnet', measured(0.9), 'nearest')
  keepThreshold(shipped, folder, livenessNets[0]!, measured(0.3), 'nearest')
  const other = withLocal(renewed('dlib-resnet'), folder)
  t.same(findModel(other, 'dlib-resnet').threshold, dlib.threshold)
  t.equal(findModel(other, livenessNets[0]!).threshold!.similarity, 0.3)
  t.match(other.outdated, [{ model: 'dlib-resnet', threshold: { similarity: 0.9 } }])
  t.equal(findModel(withLocal(shipped, folder), 'dlib-resnet').threshold!.similarity, 0.9, 'gone back, it counts again')
  // Both nets of liveness are judged by one operating point.
  const half = withLocal(renewed(livenessNets[1]!), folder)
  t.not(findModel(half, livenessNets[0]!).threshold!.similarity, 0.3)
  t.match(half.outdated, [{ model: livenessNets[0] }])
})

t.test('a converted embedder stays, with its threshold, until another net takes its name', async (t) => {
  const folder = t.testdir()
  keepModel(folder, first)
  t.same(findModel(withLocal(shipped, folder), 'facenet'), first)
  keepThreshold(withLocal(shipped, folder), folder, 'facenet', measured(0.7), 'nearest')
  keepModel(folder, first)
  const kept = findModel(withLocal(renewed('dlib-resnet'), folder), 'facenet')
  t.same(kept, { ...first, threshold: measured(0.7) })
  const rival: Manifest = { models: [...shipped.models, { ...dlib, name: 'facenet' }] }
  t.same(findModel(withLocal(rival, folder), 'facenet'), kept, 'against a net of that name in the release, too')
  keepModel(folder, second)
  t.same(findModel(withLocal(shipped, folder), 'facenet'), second)
  t.same(withLocal(shipped, folder).outdated, [], 'what was measured with the old one is gone')
})

t.test('a file with a fault is refused with its name, the key and the remedy', async (t) => {
  const folder = t.testdir()
  const local = { converted: [first], measured: [] as unknown[] }
  const one = { model: 'facenet', classifier: 'nearest', sums: ['1'.repeat(64)], threshold: measured(0.7) }
  const faults: [RegExp, string][] = [
    [/local\.json: .*JSON.*; correct it, or remove it/, '{"converted": ['],
    [/converted is not a list/, 'null'],
    [/measured is not a list/, '{"converted": []}'],
    [/converted\[0\] is not an embedder that was converted/, JSON.stringify({ ...local, converted: [dlib] })],
    [/converted\[0\] is not an embedder/, JSON.stringify({ ...local, converted: [null] })],
    [/measured\[0\] has no model, sums/, JSON.stringify({ ...local, measured: [null] })],
    [/measured\[0\]\.classifier is not one/, JSON.stringify({ ...local, measured: [{ ...one, classifier: 'x' }] })],
    [
      /facenet\.threshold\.similarity is 0, not above 0/,
      JSON.stringify({ ...local, measured: [{ ...one, threshold: measured(0) }] }),
    ],
    [/facenet is there twice/, JSON.stringify({ ...local, converted: [first, second] })],
    [/facenet\.template is not ten/, JSON.stringify({ ...local, converted: [{ ...first, template: [] }] })],
  ]
  for (const [expected, text] of faults) {
    writeFileSync(localFile(folder), text)
    t.throws(() => withLocal(shipped, folder), expected)
    t.equal(readFileSync(localFile(folder), 'utf8'), text, 'and stays as it was')
  }
})

t.test("what was measured in a checkout becomes the release's, and nothing else is changed", async (t) => {
  const program = makeProgram(t)
  program.measure('dlib-resnet', 0.9)
  keepModel(program.built, first)
  program.measure('facenet', 0.7)
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(program.folder, 'dist/tools/models/adopt.js')], {
    encoding: 'utf8',
  })
  t.equal(status, 0, stderr)
  t.equal(stdout, 'dlib-resnet (nearest): 0.9\n')
  const wanted = structuredClone(shipped)
  findModel(wanted, 'dlib-resnet').threshold = { similarity: 0.9, basis: 'measured elsewhere' }
  t.same(loadManifest(join(program.folder, 'models/manifest.json')), wanted)
  t.match(readLocal(program.built), { converted: [{ name: 'facenet' }], measured: [{ model: 'facenet' }] })
})

import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  findModel,
  formatProblem,
  loadManifest,
  type Manifest,
  verifyModel,
} from '../../firmware/adapters/models-manifest.js'
import { buildModels, modelBytes } from '../../tools/models/build.js'
import { packagedWeights, readWeights } from '../../tools/models/weights.js'

const manifestFile = fileURLToPath(new URL('../../../models/manifest.json', import.meta.url))
const manifest = loadManifest(manifestFile)
/** The detector alone: built in a moment. */
const small: Manifest = { models: [findModel(manifest, 'mtcnn')] }
const quiet = () => {}

t.test('building twice gives the same bytes', async (t) => {
  for (const file of [
    'mtcnn-pnet.onnx',
    'mtcnn-rnet.onnx',
    'mtcnn-onet.onnx',
    'dlib-resnet.onnx',
    'mobilefacenet-192.onnx',
  ]) {
    t.ok(Buffer.compare(modelBytes(file), modelBytes(file)) === 0, file)
  }
})

t.test('a build into a fresh folder is what the manifest names, and nothing else is left there', async (t) => {
  const outDir = path.join(t.testdir(), 'fresh')
  const built = await buildModels({ manifest, outDir, log: quiet })
  t.ok(built.every(({ status }) => status === 'built'))
  t.same(readdirSync(outDir).sort(), built.map(({ file }) => file).sort())
  for (const name of ['mtcnn', 'dlib-resnet', 'mobilefacenet-192'])
    t.same(await verifyModel(findModel(manifest, name), outDir), [])
})

t.test('right files are kept; missing, truncated and altered ones are named and built again', async (t) => {
  const outDir = path.join(t.testdir(), 'models')
  await buildModels({ manifest: small, outDir, log: quiet })
  const again = await buildModels({ manifest: small, outDir, log: (line) => t.fail(line) })
  t.ok(again.every(({ status }) => status === 'kept'))

  const file = (part: string) => path.join(outDir, `mtcnn-${part}.onnx`)
  rmSync(file('pnet'))
  truncateSync(file('rnet'), 1000)
  const altered = readFileSync(file('onet'))
  altered[altered.length - 1]! ^= 1
  writeFileSync(file('onet'), altered)

  const lines = (await verifyModel(small.models[0]!, outDir)).map(formatProblem)
  t.equal(lines.length, 3)
  t.match(lines[0], /^mtcnn: file is missing \(.*mtcnn-pnet\.onnx\): run "facelatch models build"$/)
  t.match(lines[1], /^mtcnn: file has 1000 bytes instead of \d+ \(.*mtcnn-rnet\.onnx\): run/)
  t.match(lines[2], /^mtcnn: file has sha256 \w{64} instead of \w{64} \(.*mtcnn-onet\.onnx\): run/)
  t.ok(lines.every((line) => !line.includes('\n')))

  const log: string[] = []
  await buildModels({ manifest: small, outDir, log: (line) => log.push(line) })
  t.equal(log.length, 3)
  t.same(await verifyModel(small.models[0]!, outDir), [])
})

t.test('--force builds what is right already', async (t) => {
  const outDir = path.join(t.testdir(), 'models')
  await buildModels({ manifest: small, outDir, log: quiet })
  const built = await buildModels({ manifest: small, outDir, log: quiet, force: true })
  t.ok(built.every(({ status }) => status === 'built'))
})

t.test('what does not match the manifest is not put in place', async (t) => {
  const outDir = path.join(t.testdir(), 'models')
  const wrong = structuredClone(small)
  wrong.models[0]!.files.pnet!.sha256 = '0'.repeat(64)
  await t.rejects(
    buildModels({ manifest: wrong, outDir, log: quiet }),
    /mtcnn-pnet\.onnx: built with sha256 .* the manifest wants 0{64}/,
  )
  t.same(readdirSync(outDir), [])
})

t.test(
  'a folder that cannot be written is an error, not a half-written file',
  { skip: process.getuid?.() === 0 && 'root writes anywhere' },
  async (t) => {
    const outDir = t.testdir({})
    chmodSync(outDir, 0o500)
    t.teardown(() => chmodSync(outDir, 0o700))
    await t.rejects(buildModels({ manifest: small, outDir, log: quiet }), { code: 'EACCES' })
  },
)

t.test('weights of the wrong length are refused', async (t) => {
  const dir = t.testdir({})
  for (const file of readdirSync(packagedWeights()).filter((name) => name.startsWith('mtcnn_model'))) {
    copyFileSync(path.join(packagedWeights(), file), path.join(dir, file))
    chmodSync(path.join(dir, file), 0o600)
  }
  const shard = path.join(dir, 'mtcnn_model-shard1')
  const { size } = statSync(shard)
  truncateSync(shard, size - 4)
  t.throws(() => readWeights(dir, 'mtcnn_model'), /shards end inside onet\/fc2_3\/bias/)
  writeFileSync(shard, Buffer.alloc(size + 8))
  t.throws(() => readWeights(dir, 'mtcnn_model'), /8 bytes left over/)
  writeFileSync(shard, Buffer.alloc(size))
  t.throws(() => readWeights(dir, 'mtcnn_model')('pnet/none', 1), /no weight named pnet\/none/)
  t.throws(() => readWeights(dir, 'mtcnn_model')('pnet/conv1/bias', 4), /has shape \[10\]/)
})

t.test('a manifest with a fault is refused with the name of the key', async (t) => {
  const dir = t.testdir({})
  const file = path.join(dir, 'manifest.json')
  const named = (models: Manifest['models'], name: string) => models.find((entry) => entry.name === name)!
  const faults: [RegExp, (models: Manifest['models']) => void][] = [
    [/mtcnn\.files\.pnet\.sha256/, ([mtcnn]) => Object.assign(mtcnn!.files.pnet!, { sha256: 'abc' })],
    [
      /mtcnn\.files\.pnet\.file is not a plain name/,
      ([mtcnn]) => Object.assign(mtcnn!.files.pnet!, { file: '../x.onnx' }),
    ],
    [/mtcnn\.files\.rnet\.bytes/, ([mtcnn]) => Object.assign(mtcnn!.files.rnet!, { bytes: 0 })],
    [/mtcnn\.files\.rnet\.input\.mean/, ([mtcnn]) => Object.assign(mtcnn!.files.rnet!.input, { mean: [1, 2] })],
    [/mtcnn\.role/, ([mtcnn]) => Object.assign(mtcnn!, { role: 'guard' })],
    [/dlib-resnet\.template/, ([, dlib]) => Object.assign(dlib!, { template: [1] })],
    [/dlib-resnet\.threshold is missing/, ([, dlib]) => delete dlib!.threshold],
    [/minifasnet-v2\.threshold is missing/, (models) => delete named(models, 'minifasnet-v2').threshold],
    [
      /minifasnet-v2\.threshold\.similarity is 0, not above 0/,
      (models) => Object.assign(named(models, 'minifasnet-v2').threshold!, { similarity: 0 }),
    ],
    [/mtcnn is there twice/, (models) => models.push(models[0]!)],
  ]
  for (const [expected, spoil] of faults) {
    const spoilt = structuredClone(manifest)
    spoil(spoilt.models)
    writeFileSync(file, JSON.stringify(spoilt))
    t.throws(() => loadManifest(file), expected)
  }
  writeFileSync(file, '{"models": [')
  t.throws(() => loadManifest(file), /cannot be read/)
  t.throws(() => loadManifest(path.join(dir, 'none.json')), /ENOENT/)
  t.throws(() => findModel(manifest, 'eigenfaces'), /no model named eigenfaces; there are mtcnn, dlib-resnet/)
})

t.test('models that are not built here are verified where they have been installed', async (t) => {
  const shared = fileURLToPath(new URL('../../../../shared/models', import.meta.url))
  const downloads = manifest.models.filter(({ origin }) => origin.type === 'download')
  const empty = path.join(t.testdir(), 'empty')
  mkdirSync(empty)
  for (const entry of downloads) {
    const [problem] = await verifyModel(entry, empty)
    t.match(problem?.remedy, /^run "facelatch models install [\w-]+" \(offline: fetch https:\/\/\S+ by hand/)
  }
  if (!statSync(shared, { throwIfNoEntry: false }))
    return t.comment('skipped the files themselves: no ../shared/models')
  for (const entry of downloads) t.same(await verifyModel(entry, shared), [], entry.name)
})

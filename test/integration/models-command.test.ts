/** `facelatch models` as somebody uses it who does not know what can go wrong: nothing that was there is lost. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Graph } from '../../firmware/conversion/onnx.js'
import { media } from '../support/album.js'
import { makeHome, root } from '../support/appliance.js'
import { makeProgram } from '../support/program.js'
import { temporaryDirectory } from '../support/temp.js'

t.setTimeout(300_000)

const built = (name: string) => join(root, 'models/built', name)
const sumOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const sums = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, sumOf(join(folder, name))]))

/** A net of one layer that answers `numbers` means of a picture; times zero, it answers all pictures alike. */
function means(folder: string, name: string, numbers: number, times = 1): string {
  const graph = new Graph('means', '')
  const x = graph.input('image', [1, 3, numbers < 64 ? 64 : numbers, numbers < 64 ? 64 : numbers])
  const axes = numbers < 64 ? [2, 3] : [1, 3]
  const mean = graph.node('ReduceMean', [x], { axes, keepdims: 0 })
  const factor = graph.tensor('factor', { shape: [1], data: Float32Array.of(times) })
  const one = graph.tensor('one', { shape: [1], data: Float32Array.of(1) })
  graph.output('features', graph.node('Add', [graph.node('Mul', [mean, factor]), one]), [1, numbers])
  const file = join(folder, name)
  writeFileSync(file, graph.encode())
  return file
}

t.test('convert writes nothing before all of it is known to be right', async (t) => {
  const program = makeProgram(t)
  const before = { files: sums(program.built), manifest: program.manifest() }
  const folder = temporaryDirectory(t)
  const dlib = built('dlib-resnet.onnx')
  const text = join(folder, 'text.pb')
  writeFileSync(text, 'not a graph')
  const zero = join(folder, 'zero.pb')
  symlinkSync('/dev/zero', zero)
  for (const [args, message] of [
    [[dlib, '--name', 'mobilefacenet-192'], /there is a model named mobilefacenet-192 already/],
    [[dlib, '--name', 'mtcnn'], /there is a model named mtcnn already/],
    [[dlib, '--name', 'auto'], /there is a model named auto already/],
    [[means(folder, 'three.onnx', 3)], /it answers 3 numbers, where an embedding has 64 or more/],
    [[means(folder, 'alike.onnx', 112, 0)], /tells no faces apart: it answers alike whatever picture/],
    [[zero], /zero\.pb is not a file; check its path/],
    [[text], /cannot convert \S+text\.pb: it is no frozen TensorFlow graph; give/],
    [[join(folder, 'none.onnx')], /cannot read \S+none\.onnx \(ENOENT\)/],
  ] as const) {
    const { code, stderr } = await program.run(['models', 'convert', ...args])
    t.equal(code, 1, stderr)
    t.match(stderr, message)
    t.equal(stderr.trim().split('\n').length, 1)
  }
  const nowhere = join(folder, 'models')
  const { config } = makeHome(t, { recognizer: { models: nowhere } })
  const lost = await program.run(['models', 'convert', dlib, '--config', config])
  t.match(lost, { code: 1, stderr: /models cannot be written \(ENOENT\); run "facelatch models build" first/ })
  t.notOk(existsSync(nowhere))
  t.same({ files: sums(program.built), manifest: program.manifest() }, before, 'everything is as it was')
})

t.test(
  'another net under a name that is taken: only when it is wanted, and never with the old templates',
  async (t) => {
    const program = makeProgram(t)
    const [first, second] = [built('dlib-resnet.onnx'), built('mobilefacenet-192.onnx')]
    const convert = (file: string, ...more: string[]) => program.run(['models', 'convert', file, ...more])
    const entry = () => program.manifest().models.find(({ name }) => name === 'facenet')!
    t.match(await convert(first), { code: 0, stdout: /128 numbers.*measure its threshold/ })
    const { file } = entry().files.embedder!
    const home = makeHome(t, { recognizer: { embedder: 'facenet', threshold: 0.5, models: program.built } })
    const audrey = temporaryDirectory(t)
    copyFileSync(join(media, 'audrey.jpg'), join(audrey, 'audrey.jpg'))
    const add = ['people', 'add', 'Audrey', '--images', audrey, '--config', home.config]
    const unmeasured =
      /^facelatch: nobody has measured how similar faces are to facenet; run "facelatch evaluate identification --embedder facenet --write-threshold"\n$/
    const refusesUnmeasured = async (when: string) => {
      for (const args of [add, ['config', 'check', '--config', home.config], ['run', '--config', home.config]])
        t.match(await program.run(args), { code: 2, stderr: unmeasured }, `${args[0]}, ${when}`)
      const doctor = await program.run(['doctor', '--config', home.config])
      t.match(doctor, {
        code: 1,
        stdout: /FAULT models +nobody has measured how similar faces are to facenet → run "facelatch evaluate/,
      })
    }
    await refusesUnmeasured('whatever threshold is configured')
    program.measure('facenet', 0.6)
    const checked = await program.run(['config', 'check', '--config', home.config])
    t.match(checked, { code: 0, stderr: /recognizer.threshold 0.5 is below 0.6, which was measured for facenet/ })
    const added = await program.run(add)
    t.equal(added.code, 0, added.stderr)

    const refused = await convert(second)
    t.match(refused, { code: 1, stderr: /facenet is there already, converted from dlib-resnet\.onnx; .*--force/ })
    t.equal(entry().files.embedder!.file, file)
    writeFileSync(program.model(file), 'damaged')
    t.match(await convert(first), { code: 0 }, 'the same one again mends a damaged file')
    t.equal(sumOf(program.model(file)), sumOf(first))

    const replaced = await convert(second, '--force')
    t.match(replaced, { code: 0, stdout: /in place of the one from dlib-resnet\.onnx: enrol people again/ })
    t.notOk(readdirSync(program.built).includes(file), 'the old file is gone')
    t.equal(entry().threshold, undefined)
    await refusesUnmeasured('with the threshold of the net that was there before')
    program.measure('facenet', 0.6)
    const doctor = await program.run(['doctor', '--config', home.config])
    t.match(doctor.stdout, /Audrey has no templates of facenet-4cd5d9f1, the embedder in use/)
    const people = JSON.parse((await program.run(['people', 'list', '--json', '--config', home.config])).stdout)
    t.same(people.templates, { 'facenet-f78d37d1': 1 }, 'kept under the net that made them')
  },
)

t.test('install: what is not there is said, and what it changes', async (t) => {
  const program = makeProgram(t)
  const empty = temporaryDirectory(t)
  const install = (...args: string[]) => program.run(['models', 'install', ...args])
  t.match(await install('--from', ''), { code: 2, stderr: /--from "" names no folder/ })
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  const [gone, other, living] = [`.a.onnx.${dead}.tmp`, `b.onnx.${dead}.tmp`, `.a.onnx.${process.pid}.tmp`]
  for (const name of [gone, other, living]) writeFileSync(program.model(name), 'half')
  t.match(await install('--from', join(empty, 'none')), { code: 1, stderr: /cannot read the folder .*none \(ENOENT\)/ })
  t.match(await install('--from', empty), { code: 1, stderr: /holds none of the files: mtcnn-pnet\.onnx, .*--from/ })
  t.same(
    readdirSync(program.built).filter((name) => name.endsWith('.tmp')),
    [living],
    'what a command that was killed had begun is gone, what another one writes is not',
  )
  t.match(await install('yunet-n', '--from', empty), { code: 1, stderr: /yunet-n\.onnx is not in/ })
  t.match(await install('eigenfaces'), { code: 2, stderr: /there is no model named eigenfaces; there are mtcnn/ })
  t.match(await program.run(['models', 'list', '--from', empty]), { code: 2, stderr: /--from means nothing to/ })
  t.match(await install('--from', join(root, 'models/built')), {
    code: 0,
    stdout: /nothing in .* that is missing here/,
  })

  const doctor = await program.run(['doctor', '--config', makeHome(t).config])
  t.match(
    doctor.stdout,
    /takes mobilefacenet-128 once that is installed.*set recognizer.embedder to "mobilefacenet-192"/,
  )
  rmSync(program.model('mobilefacenet-192.onnx'))
  const changed = await install('--from', join(root, 'models/built'))
  t.match(changed, { code: 0, stdout: /mobilefacenet-192\.onnx installed/ })
  t.match(
    changed.stderr,
    /takes mobilefacenet-192 from the next start on: enrol everybody again .* set it to "dlib-resnet"/,
  )
})

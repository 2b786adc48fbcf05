/** `facelatch evaluate` on a folder of pictures as somebody would make it of his own people. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import sharp from 'sharp'
import t from 'tap'
import { franck, makeAlbum, media } from '../support/album.js'
import { facelatch, root } from '../support/appliance.js'
import { makeProgram } from '../support/program.js'

const evaluate = (folder: string, what: string, ...more: string[]) =>
  facelatch(['evaluate', what, '--data', join(folder, 'album'), '--cache', join(folder, 'cache'), ...more])

t.setTimeout(300_000)

/** Before a command that is to be bound by permissions: root may read and write anything unless it gives that up. */
const bound = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []

t.test('own pictures: figures, a page, and no second look at the pictures', async (t) => {
  const folder = makeAlbum(t)
  const page = join(folder, 'report.html')
  const { code, stdout, stderr } = await evaluate(folder, 'identification', '--json', '--report', page)
  t.equal(code, 0, stderr)
  t.match(stderr, /of 16 pictures/)
  const result = JSON.parse(stdout)
  t.match(result, { kind: 'identification', people: 2, templates: 6, detector: 'mtcnn', withoutFace: 0 })
  t.match(result.single, { known: 7, strangers: 3, mistaken: 0 })
  t.match(result.single.shipped, { accepted: { count: 7 }, falselyAccepted: { count: 0 } })
  t.same(result.mostAlike.map(({ takenFor }: { takenFor: string }) => takenFor).sort(), ['Audrey', 'Franck'])
  t.same(result.missed, [])
  t.match(readFileSync(page, 'utf8'), /<svg .*<polyline .*<table>/s)

  const again = await evaluate(folder, 'identification', '--json')
  t.equal(again.stdout, stdout)
  t.equal(again.stderr, '', 'everything was in the cache')

  const config = join(folder, 'config.json')
  writeFileSync(config, JSON.stringify({ recognizer: { embedder: 'dlib-resnet', threshold: 0.99 } }))
  const named = await evaluate(
    folder,
    'identification',
    '--json',
    '--embedder',
    'mobilefacenet-192',
    '--config',
    config,
  )
  t.equal(JSON.parse(named.stdout).threshold, 0.636, "not another embedder's")

  writeFileSync(join(folder, 'album/Sean/SeanConnery.jpg'), readFileSync(join(media, 'audrey.jpg')))
  writeFileSync(join(folder, 'album/Sean/broken.jpg'), 'not a picture')
  const changed = await evaluate(folder, 'verification', '--json', '--report', join(folder, 'roc.svg'))
  t.match(changed.stderr, /broken\.jpg: .*it counts as a picture without a face/)
  t.match(changed.stderr, /2 of 2 pictures/, 'only what is new or changed is looked at')
  const { pairs, withoutFace, accuracy } = JSON.parse(changed.stdout)
  t.same(pairs, { same: 47, different: 47 })
  t.equal(withoutFace, 1)
  t.ok(accuracy.mean > 0.8)
  t.match(readFileSync(join(folder, 'roc.svg'), 'utf8'), /^<svg /)
})

t.test('the cache: only what was decoded is kept, and what cannot be right is looked at again', async (t) => {
  const folder = makeAlbum(t)
  const first = await evaluate(folder, 'verification', '--json')
  t.match(first, { code: 0, stderr: /16 of 16 pictures/ })
  const broken = join(folder, 'album/Audrey/broken.jpg')
  writeFileSync(broken, 'not a picture')
  for (const run of ['once', 'again']) {
    const { stderr } = await evaluate(folder, 'verification', '--json')
    t.match(stderr, /broken\.jpg: .*\n(.*\n)*1 of 17 pictures could not be read/, run)
  }
  rmSync(broken)

  const file = join(folder, 'cache', readdirSync(join(folder, 'cache'))[0]!)
  const [one, two, ...others] = readFileSync(file, 'utf8').trim().split('\n')
  const cut = (line: string, bytes: number) => {
    const kept = JSON.parse(line)
    const embedding = Buffer.from(kept.seen.embedding, 'base64').subarray(0, bytes).toString('base64')
    return JSON.stringify({ ...kept, seen: { ...kept.seen, embedding } })
  }
  writeFileSync(file, `${[cut(one!, 10), cut(two!, 400), ...others].join('\n')}\n`)
  const mended = await evaluate(folder, 'verification', '--json')
  t.match(mended, { code: 0, stderr: /2 of 2 pictures/ })
  t.equal(mended.stdout, first.stdout)

  const locked = join(folder, 'album/Audrey/locked.jpg')
  copyFileSync(join(media, 'audrey.jpg'), locked)
  chmodSync(locked, 0)
  const [command, ...words] = [...bound, process.execPath, join(root, 'dist/firmware/cli.js'), 'evaluate']
  const where = ['--data', join(folder, 'album'), '--cache', join(folder, 'cache')]
  const refused = spawnSync(command!, [...words, 'verification', ...where], { encoding: 'utf8' })
  t.match(refused, { status: 0, stderr: /locked\.jpg: cannot be read \(EACCES\); it counts as/ })
  chmodSync(locked, 0o600)
  const opened = await evaluate(folder, 'verification', '--json')
  t.match(opened.stderr, /1 of 1 pictures/)
  t.equal(JSON.parse(opened.stdout).withoutFace, 0)

  const { atime, mtime } = statSync(join(folder, 'album/Sean/SeanConnery.jpg'))
  utimesSync(join(folder, 'album/Sean/SeanConnery.jpg'), atime, mtime)
  const touched = await evaluate(folder, 'identification', '--json')
  t.match(touched.stderr, /of \d+ pictures/, 'another time of change, although size and time of writing are as before')
})

t.test('lists say who is enrolled and what is compared', async (t) => {
  const folder = makeAlbum(t)
  const list = (name: string, ...lines: string[]) =>
    writeFileSync(join(folder, 'album', name), lines.map((line) => `${line}\n`).join(''))
  list('pairs.tsv', `Franck/${franck[0]}\tFranck/${franck[1]}\t1`, `Franck/${franck[0]}\tSean/SeanConnery.jpg\t0`)
  list('people.txt', 'Franck')
  list('strangers.txt', 'Audrey')
  t.match(JSON.parse((await evaluate(folder, 'verification', '--json')).stdout).pairs, { same: 1, different: 1 })
  const result = JSON.parse((await evaluate(folder, 'identification', '--json', '--enrol', '2')).stdout)
  t.match(result, { people: 1, templates: 2, single: { known: franck.length - 2, strangers: 2 } })
  t.match((await evaluate(folder, 'identification')).stdout, /at the threshold in use/)

  list('strangers.txt', 'Audrey', 'Nobody')
  t.match(await evaluate(folder, 'identification'), { code: 1, stderr: /strangers\.txt names Nobody, of whom/ })
  list('strangers.txt', 'Franck')
  t.match(await evaluate(folder, 'identification'), { code: 1, stderr: /Franck is in people\.txt and in strangers/ })
  list('strangers.txt', 'Audrey')
  list('pairs.tsv', 'Franck/1.jpg Franck/2.jpg')
  t.match(await evaluate(folder, 'verification'), { code: 1, stderr: /pairs\.tsv:1 is not/ })
})

t.test('who attracts strangers, by classifier, and what enrolment would have refused', async (t) => {
  const folder = makeAlbum(t)
  const found = JSON.parse((await evaluate(folder, 'attraction', '--json', '--enrol', '2')).stdout)
  t.match(found, { kind: 'attraction', few: 2, many: 20, others: 1 })
  t.equal(found.crowded[0].name, 'Franck', 'who has most pictures first')
  t.equal(found.asked.strangers, 3 * found.crowded.length)
  t.same(
    found.classifiers.map(({ name }: { name: string }) => name),
    ['nearest', 'imprinting', 'svm', 'svm, equal costs'],
  )
  for (const { strangers } of found.classifiers)
    t.equal(strangers.few, 3, 'of two people, one is the nearest to each of three strangers')
  const vetoed = (await evaluate(folder, 'identification', '--classifier', 'svm')).stdout
  t.match(vetoed, /at most 1\.00 % +– +100\.00 %/, 'the machines veto all who are left out: no threshold')
  t.notMatch(vetoed, /at most .*0\.0000/)
  t.match((await evaluate(folder, 'attraction')).stdout, /one person with 20 templates, 1 with 5/)

  // A picture of another man among his first five.
  copyFileSync(join(media, 'SeanConnery.jpg'), join(folder, 'album/Franck/a.jpg'))
  const taken = JSON.parse((await evaluate(folder, 'identification', '--json', '--as-enrolled')).stdout)
  t.equal(taken.refused, 1)
  t.equal(taken.rejections[0].missed.of, taken.single.known)
})

t.test('what makes no sense is refused in one line', async (t) => {
  const folder = makeAlbum(t)
  for (const [args, code, message] of [
    [['everything'], 2, /^facelatch: usage: facelatch evaluate/],
    [['verification', '--write-threshold'], 2, /thresholds come from strangers/],
    [['attraction', '--report', 'page.html'], 2, /--report means nothing to "facelatch evaluate attraction"/],
    [['verification', '--enrol', '3'], 2, /--enrol means nothing to "facelatch evaluate verification"/],
    [['identification', '--force'], 2, /--force goes with --write-threshold/],
    [['identification', '--report', join(folder, 'none/page.html')], 1, /cannot write the report .* \(ENOENT\)/],
    [['verification', '--cache', join(folder, 'album/Sean/SeanConnery.jpg')], 1, /cannot keep embeddings in .*--cache/],
    [['tracking', '--count', '0'], 2, /--count 0 without --strangers plays nothing/],
    [['tracking', '--likely', '0.5'], 2, /--likely goes with --strangers/],
    [['tracking', '--report', join(folder, 'none/page.html')], 1, /cannot write the report/],
    [['identification', '--write-threshold', '--detector', 'yunet'], 2, /with the detector that the door uses, mtcnn/],
    [['liveness', '--write-threshold', '--detector', 'yunet'], 2, /with the detector that the door uses, mtcnn/],
    [['liveness', '--force'], 2, /--force goes with --write-threshold/],
    [
      ['identification', '--write-threshold'],
      1,
      /no threshold is written from album: 3 different strangers .* too few/,
    ],
    [['identification', '--classifier', 'svm', '--write-threshold'], 2, /goes with --classifier svm-alone/],
    [['identification', '--as-enrolled', '--write-threshold'], 2, /--as-enrolled goes without/],
    [['identification', '--classifier', 'svm', '--embedder', 'dlib-resnet'], 2, /no threshold of the classifier svm/],
    [['identification', '--enrol', '0'], 2, /--enrol takes a whole number from 1 on, not "0"/],
    [['identification', '--cache', ''], 2, /--cache "" names no folder/],
    [['verification', '--data', ''], 2, /--data "" names no folder/],
    [['tracking', '--data', ''], 2, /--data "" names no folder/],
    [['identification', '--report', 'page.pdf'], 2, /FILE\.html or FILE\.svg/],
    [
      ['identification', '--embedder', 'eigenfaces'],
      2,
      /"recognizer.embedder" must be "auto" or one of .*, not "eigenfaces"/,
    ],
    [['identification', '--data', join(folder, 'cache')], 1, /cannot read the folder .* \(ENOENT\)/],
    [['identification', '--data', join(folder, 'album/Sean')], 1, /there are no pictures in/],
  ] as const) {
    const result = await facelatch([
      'evaluate',
      ...args,
      ...(args.includes('--data' as never) ? [] : ['--data', join(folder, 'album')]),
    ])
    t.match(result, { code, stderr: message }, args.join(' '))
    t.equal(result.stderr.trim().split('\n').length, 1)
  }
})

t.test('with nothing to measure there are no figures', async (t) => {
  const folder = makeAlbum(t)
  const only = (name: string, ...people: string[]) => {
    for (const one of people) cpSync(join(folder, 'album', one), join(folder, name, one), { recursive: true })
    return join(folder, name)
  }
  const alone = only('alone', 'Sean')
  const enrolled = only('enrolled', 'Franck', 'Audrey')
  const nobody = join(folder, 'nobody')
  for (const [name, pictures] of [
    ['Grey', 2],
    ['Dark', 1],
  ] as const)
    for (let i = 0; i < pictures; i++) {
      mkdirSync(join(nobody, name), { recursive: true })
      const create = { width: 64, height: 64, channels: 3, background: { r: 50 * i, g: 90, b: 90 } } as const
      await sharp({ create })
        .png()
        .toFile(join(nobody, name, `${i}.png`))
    }
  for (const [args, data, message] of [
    [['verification'], alone, /alone has 0 pairs of one person and 0 of two; give two people/],
    [['identification'], alone, /nobody in alone has a picture left to be asked for with/],
    [['identification'], only('one', 'Franck'), /nobody in one is a stranger to anybody with a face; give/],
    [['attraction'], alone, /alone has nobody who could be attracted/],
    [['tracking', '--count', '0', '--strangers', '2'], alone, /nobody in alone is enrolled with a face/],
    [['tracking', '--count', '0', '--strangers', '2'], enrolled, /there are no strangers: everybody is enrolled; give/],
    [['verification'], nobody, /none of the 3 pictures of nobody shows a face; check --data/],
    [['tracking', '--count', '0', '--strangers', '2'], nobody, /none of the 1 pictures of nobody shows a face/],
  ] as const) {
    const result = await facelatch(['evaluate', ...args, '--data', data, '--cache', join(folder, 'cache')])
    t.match(result, { code: 1, stdout: '', stderr: message }, `${args.join(' ')} on ${basename(data)}`)
  }
})

t.test('an operating point of liveness is not written from a handful of frames', async (t) => {
  const folder = makeAlbum(t)
  for (const kind of ['live', 'print'])
    for (const subject of ['a', 'b'])
      cpSync(join(folder, 'album/Franck'), join(folder, 'few', kind, subject), { recursive: true })
  const few = await facelatch(['evaluate', 'liveness', '--data', join(folder, 'few'), '--write-threshold'])
  t.match(few, { code: 1, stdout: '', stderr: /no threshold is written from few: 2 living subjects and 2 subjects of/ })
})

t.test('a threshold is not replaced by one that few people measured', async (t) => {
  const folder = makeAlbum(t)
  const program = makeProgram(t)
  const before = program.manifest()
  const measure = ['evaluate', 'identification', '--data', join(folder, 'album'), '--cache', join(folder, 'cache')]
  const of = ['--embedder', 'mobilefacenet-192', '--write-threshold']
  t.equal((await program.run([...measure, ...of])).code, 1)
  // Names enough, and the same three strangers under all of them.
  for (let i = 0; i < 300; i++) {
    const [person, picture] = [
      ['Sean', 'SeanConnery.jpg'],
      ['Bill', 'bill-murray-snl_crop.jpg'],
    ][i % 2]!
    cpSync(join(folder, 'album', person!, picture!), join(folder, 'album', `Stranger ${i}`, picture!), {
      recursive: true,
    })
  }
  for (let i = 0; i < 10; i++)
    for (const picture of franck.slice(0, 2))
      cpSync(join(folder, 'album/Franck', picture), join(folder, 'album', `Franck ${i}`, picture))
  const again = await program.run([...measure, ...of])
  t.match(again, {
    code: 1,
    stderr: /no threshold is written from album: 3 different strangers with a face \(under 303 names\) are too few/,
  })
  t.same(program.manifest(), before)
  chmodSync(program.built, 0o500)
  const [command, ...words] = [...bound, process.execPath, join(program.folder, 'dist/firmware/cli.js')]
  const locked = spawnSync(command!, [...words, ...measure, ...of, '--force'], { encoding: 'utf8' })
  chmodSync(program.built, 0o700)
  t.match(locked, {
    status: 1,
    stdout: '',
    stderr: /^facelatch: \S+built cannot be written \(EACCES\); run this/,
  })
  // The same man in frames that differ, and somebody whose pictures show no face: no stranger, and nobody enrolled.
  for (let i = 0; i < 3; i++) {
    mkdirSync(join(folder, 'album', `Frame ${i}`))
    await sharp(join(media, 'SeanConnery.jpg'))
      .modulate({ brightness: 0.9 + 0.05 * i })
      .toFile(join(folder, 'album', `Frame ${i}`, 'frame.jpg'))
    mkdirSync(join(folder, 'album/Nobody'), { recursive: true })
    await sharp({ create: { width: 64, height: 64, channels: 3, background: { r: 50 * i, g: 90, b: 90 } } })
      .png()
      .toFile(join(folder, 'album/Nobody', `${i}.png`))
  }
  t.match((await program.run([...measure, '--embedder', 'mobilefacenet-192'])).stdout, /12 people enrolled with/)
  const forced = await program.run([...measure, ...of, '--force'])
  t.match(forced, { code: 0, stderr: /mobilefacenet-192: threshold 0\.\d+ written/ })
  const { threshold } = program.manifest().models.find(({ name }) => name === 'mobilefacenet-192')!
  t.match(threshold!.basis, /12 people enrolled with \d+ templates, and 3 different strangers,/)
  t.match(threshold, {
    forced: /^3 different strangers with a face \(under 306 names\)/,
    measured: { strangers: 3, people: 12 },
  })
  t.ok(threshold!.similarity < 0.636)
  t.match(threshold!.standard, { similarity: 0.636, measured: { strangers: 600, people: 293, templates: 1465 } })
})

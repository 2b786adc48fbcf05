import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { root } from '../support/appliance.js'

/** Every TypeScript file of the firmware with what it imports: files of ours by their path, packages by their name. */
const firmware = join(root, 'firmware')
const files = readdirSync(firmware, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const imports = files.flatMap((file) => {
  const text = readFileSync(join(firmware, file), 'utf8')
  const found = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName)
  return found.map((name) => ({
    file,
    name: name.startsWith('.') ? relative(firmware, join(firmware, dirname(file), name)).replace(/\.js$/, '.ts') : name,
    own: name.startsWith('.'),
  }))
})
const of = (folder: string) => imports.filter(({ file }) => file.startsWith(`${folder}/`))
const offenders = (list: typeof imports, allowed: (name: string, file: string) => boolean) =>
  list.filter(({ name, file }) => !allowed(name, file)).map(({ file, name }) => `${file} imports ${name}`)

t.ok(imports.length > 100, 'the imports were found')

t.test('the domain imports nothing but the domain', async (t) => {
  t.same(
    offenders(of('domain'), (name) => name.startsWith('domain/')),
    [],
  )
})

t.test('the application knows domain and ports, and of Node only what measures', async (t) => {
  const types = /^config(-schema)?\.ts$/ // the shape of the configuration
  t.same(
    offenders(
      of('app'),
      (name) => /^(app|domain)\//.test(name) || name === 'ports.ts' || types.test(name) || name === 'node:perf_hooks',
    ),
    [],
  )
})

t.test('adapters know domain and ports, and never each other', async (t) => {
  const kin = (file: string, name: string) =>
    name.startsWith('adapters/') && dirname(name) === dirname(file) && file.split('-')[0] === name.split('-')[0]
  t.same(
    offenders(of('adapters'), (name, file) => !/^(app|commands|adapters)\//.test(name) || kin(file, name)),
    [],
  )
})

t.test('each npm package is imported by exactly one file', async (t) => {
  const users = new Map<string, Set<string>>()
  for (const { file, name, own } of imports)
    if (!own && !name.startsWith('node:')) users.set(name, (users.get(name) ?? new Set()).add(file))
  t.ok(users.size >= 4, [...users.keys()].join(', '))
  for (const [name, set] of users) t.equal(set.size, 1, `${name}: ${[...set].join(', ')}`)
})

t.test('a package has everything that the firmware imports', async (t) => {
  // Only a checkout can build the models that npm packages hold; it is looked for before it is loaded.
  const builder = '../tools/models/build.ts'
  t.same(
    imports.filter(({ name, own }) => own && /^\.\.\/(tools|test)\//.test(name) && name !== builder),
    [],
  )
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const brought = (name: string) => name.startsWith('node:') || Object.hasOwn(dependencies, name)
  t.same(
    imports.filter(({ name, own }) => !own && !brought(name)),
    [],
  )
})

t.test('a file fits in the head', async (t) => {
  const long = [
    ...files.map((file) => join('firmware', file)),
    ...readdirSync(join(root, 'native')).map((file) => join('native', file)),
  ]
    .filter((file) => /\.(ts|cc|h)$/.test(file))
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length }))
    .filter(({ lines }) => lines > 420)
  t.same(long, [])
})

/** Lays out the package's files: what of the checkout goes where. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { closure, type Lock, libraryOnly } from './closure.js'
import { type Architecture, architectures, fetchPackage } from './node.js'

/** dpkg's own copy. Releases, which run, are made from it by postinst: see packaging/postinst. */
export const installed = 'usr/lib/facelatch/package'

export interface Sources {
  /** The checkout. */
  readonly root: string
  /** Folder with `bin/node`. */
  readonly node: string
  /** Folder with `native` (our addons and the guard) and `modules` (node_sqlite3.node, epoll.node). */
  readonly addons: string
  readonly architecture: Architecture
  readonly cache: string
  readonly version: string
}

export function layOut(to: string, sources: Sources): void {
  const { root, node, addons, architecture } = sources
  const app = join(to, installed)
  const put = (from: string, path: string, mode = 0o644) => {
    mkdirSync(dirname(join(to, path)), { recursive: true })
    copyFileSync(from, join(to, path))
    chmodSync(join(to, path), mode)
  }
  copyTree(join(root, 'dist/firmware'), join(app, 'dist/firmware'), (path, folder) => folder || path.endsWith('.js'))
  copyTree(join(root, 'config'), join(app, 'config'))
  copyTree(join(root, 'models'), join(app, 'models'), (path, folder) => folder || /\.(onnx|json|md)$/.test(path))
  put(join(node, 'bin/node'), `${installed}/bin/node`, 0o755)
  put(join(root, 'packaging/facelatch'), `${installed}/facelatch`, 0o755)
  put(join(root, 'packaging/switch'), `${installed}/switch`, 0o755)
  writeFileSync(join(app, 'package.json'), programFile(root))
  for (const name of readdirSync(join(addons, 'native')))
    if (name !== 'sum')
      put(join(addons, 'native', name), `${installed}/build/native/${name}`, name.endsWith('.node') ? 0o644 : 0o755)
  modules(app, sources)
  addonSources(app, root)
  withoutInterpreters(app)

  put(join(root, 'packaging/facelatch-command'), 'usr/bin/facelatch', 0o755)
  mkdirSync(join(to, 'etc/facelatch'), { recursive: true })
  writeFileSync(join(to, 'etc/facelatch/config.json'), firstConfig(root, architecture))
  const documents = 'usr/share/doc/facelatch'
  put(join(root, 'packaging/copyright'), `${documents}/copyright`)
  put(join(root, 'CHANGELOG.md'), `${documents}/CHANGELOG.md`)
  // And what it leads to.
  for (const file of [
    'README.md',
    'ARCHITECTURE.md',
    'models/README.md',
    'config/rules.example.json',
    'config/mosquitto.acl',
    'tools/debian-packages',
  ])
    put(join(root, file), `${documents}/${file}`)
  copyTree(join(root, 'docs'), join(to, documents, 'docs'))
  writeFileSync(join(to, documents, 'changelog.gz'), gzipSync(debianChangelog(root, sources.version), { level: 9 }))
  put(join(root, 'packaging/lintian-overrides'), 'usr/share/lintian/overrides/facelatch')
  const manual = readFileSync(join(root, 'packaging/facelatch.1'), 'utf8').replace('@VERSION@', sources.version)
  mkdirSync(join(to, 'usr/share/man/man1'), { recursive: true })
  writeFileSync(join(to, 'usr/share/man/man1/facelatch.1.gz'), gzipSync(manual, { level: 9 }))
  const licence = join(node, 'LICENSE')
  if (existsSync(licence)) put(licence, `${documents}/LICENSE.node`)
  execFileSync('sh', [join(root, 'systemd/install'), to])
}

/** In Debian's form; what is in each version is said in Markdown beside it. */
function debianChangelog(root: string, version: string): string {
  const date = statSync(join(root, 'CHANGELOG.md')).mtime.toUTCString().replace('GMT', '+0000')
  return `facelatch (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- the facelatch authors <facelatch@localhost>  ${date}\n`
}

/** Models that are fetched later lie where upgrades leave them; postinst links those of the release to there. */
function firstConfig(root: string, architecture: Architecture): string {
  const file = join(root, 'config', architecture === 'arm64' ? 'jetson.json' : 'default.json')
  const { device, camera, ...more } = JSON.parse(readFileSync(file, 'utf8'))
  const config = { device, camera, recognizer: { models: '/var/lib/facelatch/models' }, ...more }
  return `${JSON.stringify(config, null, 2)}\n`
}

/** What the program reads of it; scripts and development packages are not here to be used. */
function programFile(root: string): string {
  const { name, version, description, license, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return `${JSON.stringify({ name, version, description, license, type, private: true }, null, 2)}\n`
}

/** Documentation, tests, types and sources of npm packages; licences stay. */
const unwanted =
  /^\.|\.(md|markdown|jsdoc|map|ts|mts|cts|flow|tgz|gz|gyp|gypi|cc|cpp|c|h)$|^(test|tests|example|examples|docs?|\.github|benchmarks?|src|deps|build)$/i
const wanted = /licen[cs]e|copying|notice/i
/** Where that errs, of a package's own folders: loaded although its package.json names others, or never loaded here. */
const loaded: Readonly<Record<string, RegExp>> = { protobufjs: /^src$/ }
const idle: Readonly<Record<string, RegExp>> = { protobufjs: /^(bin|cli|dist|ext|google|scripts)$/ }

function modules(app: string, { root, addons, architecture, cache }: Sources): void {
  const lock = (JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Lock }).packages
  const cpu = architectures[architecture]
  for (const key of closure(lock, cpu)) {
    const { version, integrity } = lock[key]!
    const here = join(root, key)
    const name = key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length)
    const from = existsSync(here) ? here : fetchPackage(name, version!, integrity!, cache)
    copyTree(from, join(app, key), (path, folder) => {
      if (path === 'node_modules') return false
      const part = basename(path)
      // Only folders at a package's own top: `mqtt/build` and the like are where the program itself lies.
      if (folder && !path.includes('/') && idle[name]?.test(part)) return false
      if (folder)
        return path.includes('/') || !unwanted.test(part) || loaded[name]?.test(part) || usedFolder(here, part)
      return wanted.test(part) || !unwanted.test(part)
    })
  }
  const binary = (name: string, path: string) => {
    mkdirSync(dirname(join(app, path)), { recursive: true })
    copyFileSync(join(addons, 'modules', name), join(app, path))
    chmodSync(join(app, path), 0o644)
  }
  binary('node_sqlite3.node', 'node_modules/sqlite3/build/Release/node_sqlite3.node')
  binary('epoll.node', 'node_modules/epoll/build/Release/epoll.node')
  const library = `node_modules/${libraryOnly}`
  const onnx = `${library}/bin/napi-v6/linux/${cpu}`
  for (const file of [`${onnx}/libonnxruntime.so.1`, `${library}/package.json`, `${library}/LICENSE`]) {
    if (!existsSync(join(root, file)) && file.endsWith('LICENSE')) continue
    mkdirSync(dirname(join(app, file)), { recursive: true })
    copyFileSync(join(root, file), join(app, file))
  }
}

/** Programs of npm packages and our own name an interpreter that the package does not need: bin/node runs them all. */
function withoutInterpreters(app: string): void {
  for (const path of filesOf(app)) {
    if (!path.endsWith('.js')) continue
    const text = readFileSync(join(app, path), 'utf8')
    if (text.startsWith('#!')) writeFileSync(join(app, path), text.slice(text.indexOf('\n') + 1))
    chmodSync(join(app, path), 0o644)
  }
}

/** Whether a package's entry points lie in this folder. */
function usedFolder(folder: string, part: string): boolean {
  if (!existsSync(join(folder, 'package.json'))) return true
  const { main, exports, browser } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return JSON.stringify([main, exports, browser]).includes(`${part}/`)
}

/** For `facelatch rebuild`: JetPack's TensorRT headers exist on the board only. */
function addonSources(app: string, root: string): void {
  copyTree(join(root, 'native'), join(app, 'native'), (path) => !/^(test|build)$|\.d\.ts$/.test(path))
  copyTree(join(root, 'build/onnxruntime/include'), join(app, 'build/onnxruntime/include'))
  for (const name of ['node-addon-api', 'node-api-headers'])
    copyTree(join(root, 'node_modules', name), join(app, 'node_modules', name), (path, folder) =>
      folder
        ? !/^(test|doc|symbols|scripts|tools|def-paths|\.github)$/.test(path)
        : /\.h$|LICENSE|package\.json$/.test(path),
    )
}

export function* filesOf(folder: string, prefix = ''): Generator<string> {
  for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true }))
    if (entry.isDirectory()) yield* filesOf(folder, `${prefix}${entry.name}/`)
    else yield prefix + entry.name
}

/** Copies files for which `take` holds; `take` gets paths within the folder, without a slash at the top. */
function copyTree(from: string, to: string, take: (path: string, folder: boolean) => boolean = () => true): void {
  if (!existsSync(from)) throw new Error(`${from} is missing; run: npm run setup`)
  const within = (path: string) => path.slice(from.length + 1)
  cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (path) => path === from || take(within(path), statSync(path).isDirectory()) || false,
  })
}

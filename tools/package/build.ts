/** `npm run package`: a Debian package of this checkout. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { mebibytes } from '../../firmware/domain/units.js'
import { inRoot } from '../../firmware/root.js'
import { layOut } from './contents.js'
import { packDeb } from './deb.js'
import { type Architecture, architectures, fetchNode } from './node.js'

const usage = `usage: npm run package -- [--arch amd64|arm64]… [--host] [--as VERSION] [--out DIR]
Makes facelatch_VERSION_ARCH.deb; without --arch, both. Native parts are built in a Debian 11 tree (as root), so that the
package runs from glibc 2.31 on. --host takes this machine's own Node and native parts instead: quick, and for machines like this.`

function main(): number {
  const { values, positionals } = parseArgs({
    options: {
      arch: { type: 'string', multiple: true },
      host: { type: 'boolean' },
      as: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean' },
    },
    allowPositionals: true,
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const own = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const wanted = values.arch ?? (values.host ? [own] : Object.keys(architectures))
  const strange = wanted.find((name) => !Object.hasOwn(architectures, name) || (values.host && name !== own))
  if (positionals.length > 0 || strange !== undefined) {
    console.error(
      strange === undefined ? usage : `package: cannot make ${strange}${values.host ? ' with --host' : ''}; ${usage}`,
    )
    return 2
  }
  const root = inRoot('')
  const version =
    values.as ?? (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
  const out = resolve(values.out ?? join(root, 'build/package'))
  for (const name of wanted) build(root, name as Architecture, version, out, values.host ?? false)
  return 0
}

function build(root: string, architecture: Architecture, version: string, out: string, host: boolean): void {
  const began = performance.now()
  const work = join(root, 'build/package')
  const cache = join(work, 'npm')
  mkdirSync(out, { recursive: true })
  mkdirSync(work, { recursive: true })
  const staging = mkdtempSync(join(work, `tree-${architecture}-`))
  try {
    const parts = host ? hostParts(root, staging) : portableParts(root, architecture, cache)
    const tree = join(staging, 'tree')
    layOut(tree, { root, ...parts, architecture, cache, version })
    const file = join(out, `facelatch_${version}_${architecture}.deb`)
    const { packed, installed, glibc } = packDeb(tree, { root, version, architecture, fast: host, out: file })
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    console.log(
      `${file}: ${mebibytes(packed, 1)}, installed ${mebibytes(installed, 1)}, glibc ${glibc} or later, ${seconds} s`,
    )
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** Built to run on older machines than this, with the pinned Node. */
function portableParts(root: string, architecture: Architecture, cache: string) {
  const node = fetchNode(architecture, cache)
  const here = fetchNode(process.arch === 'arm64' ? 'arm64' : 'amd64', cache)
  const addons = execFileSync('bash', [join(root, 'tools/package/portable'), architecture, here, node], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim()
  return { node, addons }
}

/** What the set-up has built, with the Node that runs this. */
function hostParts(root: string, staging: string) {
  const [node, addons] = [join(staging, 'node'), join(staging, 'addons')]
  const native = readdirSync(join(root, 'build/native')).filter((name) =>
    /^facelatch.*\.node$|^facelatch-guard$/.test(name),
  )
  const files = [
    [process.execPath, join(node, 'bin/node')],
    ...native.map((name) => [`build/native/${name}`, join(addons, 'native', name)]),
    ['node_modules/sqlite3/build/Release/node_sqlite3.node', join(addons, 'modules/node_sqlite3.node')],
    ['node_modules/epoll/build/Release/epoll.node', join(addons, 'modules/epoll.node')],
  ] as [string, string][]
  for (const [from, to] of files) {
    const source = resolve(root, from)
    if (!existsSync(source)) throw new Error(`${source} is missing; run: npm run setup`)
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(source, to)
    // As tools/package/portable does it; Node is left as its maker built it.
    if (source !== process.execPath) execFileSync('strip', ['--strip-unneeded', to])
  }
  return { node, addons }
}

try {
  process.exitCode = main()
} catch (error) {
  console.error(`package: ${(error as Error).message}`)
  process.exitCode = 1
}

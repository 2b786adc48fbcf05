/** The arm64 package, unpacked into a Debian of that kind and run by qemu-user: its Node, its addons, its models. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/appliance.js'
import { layered } from '../support/container.js'
import { takePhotos } from '../support/photos.js'

t.setTimeout(1_800_000)

const app = '/usr/lib/facelatch/package'
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

t.test('models load, and a man is recognized on two frames of the demo', async (t) => {
  const tree = layered(t, join(root, 'build/package/tree-arm64'))
  execFileSync('dpkg-deb', ['-x', join(root, `build/package/facelatch_${version}_arm64.deb`), tree])
  copyFileSync('/usr/bin/qemu-aarch64-static', join(tree, 'usr/bin/qemu-aarch64-static'))
  const photos = join(tree, 'tmp/photos')
  mkdirSync(photos)
  chmodSync(photos, 0o777)
  await takePhotos('cap12_edit', photos, 4)
  const config = { store: { path: '/tmp/facelatch.db' }, recognizer: { threads: 1 } }
  writeFileSync(join(tree, 'tmp/config.json'), JSON.stringify(config))
  const node = ['env', '-u', 'NODE_OPTIONS', 'chroot', tree, '/usr/bin/qemu-aarch64-static', `${app}/bin/node`]
  const run = (...args: string[]) => {
    const [command, ...more] = [...node, ...args] as [string, ...string[]]
    return spawnSync(command, more, { encoding: 'utf8', maxBuffer: 2 ** 26 })
  }
  const cli = (...args: string[]) => run(`${app}/dist/firmware/cli.js`, ...args, '--config', '/tmp/config.json')

  t.equal(run('-p', 'process.arch').stdout.trim(), 'arm64')
  const addons = ['sqlite3', 'epoll', 'sharp'].map((name) => `require('${app}/node_modules/${name}')`)
  t.equal(run('-e', addons.join(';')).status, 0, 'the addons of npm load')
  const verified = cli('models', 'verify')
  const threshold = Number(/threshold ([\d.]+)/.exec(verified.stdout)?.[1])
  t.ok(threshold > 0, verified.stdout + verified.stderr)
  t.match(cli('embed', '/tmp/photos/0.png', '--json'), { stdout: /"embedding":/ }, 'without /proc, too')
  // The nets' own PRelu is put into them by way of /proc/self/fd.
  const proc = join(tree, 'proc')
  mkdirSync(proc, { recursive: true })
  t.equal(spawnSync('mount', ['-t', 'proc', 'proc', proc]).status, 0)
  t.teardown(() => spawnSync('umount', ['--lazy', proc]))
  const { stdout, stderr } = cli('embed', '/tmp/photos/0.png', '/tmp/photos/2.png', '--json')
  const faces = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { faces: { embedding: number[] }[] }).faces[0]!.embedding)
  t.equal(faces.length, 2, stderr)
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, index) => sum + value * b[index]!, 0)
  const [a, b] = faces as [number[], number[]]
  const similarity = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
  t.ok(similarity > threshold, `similarity ${similarity.toFixed(3)}`)
})

import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { awaitedMount } from '../../firmware/awaited-mount.js'
import { temporaryDirectory } from '../support/temp.js'

t.test('a disk that is to be there, and is not', async (t) => {
  const folder = temporaryDirectory(t)
  const point = join(folder, 'disk')
  mkdirSync(point)
  const table = (line: string) => `# <file system> <mount point>\n\n${line}\n`
  const line = `UUID=1-2 ${point} ext4 noatime,nofail 0 2`
  t.equal(awaitedMount(join(point, 'facelatch.db'), table(line)), point)
  t.equal(awaitedMount(join(point, 'not/there/yet/facelatch.db'), table(line)), point)
  t.equal(
    awaitedMount(join(folder, 'none', 'a.db'), table(`LABEL=a ${folder}/none vfat`)),
    `${folder}/none`,
    'no point',
  )
  symlinkSync(point, join(folder, 'link'))
  t.equal(awaitedMount(join(folder, 'link', 'facelatch.db'), table(line)), point, 'by a link')
  t.equal(awaitedMount(join(point, 'a.db'), table(`UUID=1-2 ${folder}/link ext4`)), point, 'a link in the table')
})

t.test('every other line', async (t) => {
  const folder = temporaryDirectory(t)
  const path = join(folder, 'facelatch.db')
  for (const line of [
    '',
    `# UUID=1-2 ${folder} ext4 defaults`,
    `#UUID=1-2 ${folder} ext4 defaults`,
    'UUID=1-2 / ext4 defaults 0 1',
    'UUID=1-2 none swap sw 0 0',
    `/srv ${folder} none rw,bind 0 0`,
    `UUID=1-2 ${folder}-other ext4`,
    `UUID=1-2 ${path}/below ext4`,
    'half a',
  ])
    t.equal(awaitedMount(path, line), undefined, line)
  t.equal(awaitedMount('/proc/self/x', 'proc /proc proc defaults 0 0'), undefined, 'mounted')
  t.type(awaitedMount(path), 'undefined', "this machine's own table")
})

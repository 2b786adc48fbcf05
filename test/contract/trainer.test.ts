/** Training on a thread of its own, and the file that keeps its result. */
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createTrainer, forgetMachines } from '../../firmware/adapters/trainer-thread.js'
import { probabilities } from '../../firmware/domain/svm.js'
import type { Machines, Template } from '../../firmware/ports.js'
import { picture, randomLooks, seeded } from '../support/scenes.js'

const random = seeded(3)
const looks = new Map(['Zoë', 'Ben', 'Anna'].map((person) => [person, randomLooks(random)]))
const templates: Template[] = [...looks].flatMap(([person, own]) =>
  Array.from({ length: 5 }, () => ({ person, embedding: picture(own, random) })),
)

/** Whom the machines take a new picture of each person for. */
function named({ people, machine }: Machines): Record<string, string> {
  return Object.fromEntries(
    [...looks].map(([person, own]) => {
      const scores = probabilities(machine, picture(own, seeded(9)))
      return [person, people[scores.indexOf(Math.max(...scores))]!]
    }),
  )
}
const right = { Zoë: 'Zoë', Ben: 'Ben', Anna: 'Anna' }

t.test('trained once for a gallery, whatever order it comes in', async (t) => {
  const file = join(t.testdir(), 'door.db.machines')
  const options = { file, embedder: 'test' }
  const first = await createTrainer(options).train(templates)
  t.same(named(first!), right)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.same(readdirSync(join(file, '..')), ['door.db.machines'], 'nothing is left beside it')

  // A machine that says otherwise, sealed like a true one, shows which answer came from the file.
  const stamp = statSync(file).mtimeMs
  const again = await createTrainer(options).train([...templates.slice(7), ...templates.slice(0, 7)].sort(byPerson))
  t.same(named(again!), right)
  t.equal(statSync(file).mtimeMs, stamp, 'not trained again')
})

const byPerson = (a: Template, b: Template) => templates.indexOf(a) - templates.indexOf(b)

t.test('a file that is cut short, altered or of another gallery is not trusted', async (t) => {
  const file = join(t.testdir(), 'door.db.machines')
  const options = { file, embedder: 'test' }
  await createTrainer(options).train(templates)
  const good = readFileSync(file, 'utf8')
  const spoilt: Record<string, () => void> = {
    'cut short': () => truncateSync(file, good.length >> 1),
    empty: () => writeFileSync(file, ''),
    altered: () => writeFileSync(file, good.replace('"slope":', '"slope":1')),
    'of another program': () => writeFileSync(file, '{"machines":[]}'),
  }
  for (const [how, spoil] of Object.entries(spoilt)) {
    spoil()
    t.same(named((await createTrainer(options).train(templates))!), right, how)
    t.equal(readFileSync(file, 'utf8'), good, `${how}: written anew, the same`)
  }
  await createTrainer({ file, embedder: 'another' }).train(templates)
  t.not(readFileSync(file, 'utf8'), good, 'embedders never share machines')
  const other = await createTrainer(options).train(templates.filter(({ person }) => person !== 'Ben'))
  t.same(other!.people, ['Anna', 'Zoë'])
  t.notMatch(readFileSync(file, 'utf8'), /Ben/, 'who is gone is gone from the file')
})

t.test('fewer than two people need no machine, and leave none behind', async (t) => {
  const file = join(t.testdir(), 'door.db.machines')
  const trainer = createTrainer({ file, embedder: 'test' })
  await trainer.train(templates)
  t.equal(await trainer.train(templates.slice(0, 5)), undefined)
  t.notOk(existsSync(file))
  t.equal(await trainer.train([]), undefined)
  await trainer.train(templates)
  await forgetMachines(file)
  t.notOk(existsSync(file))
})

t.test('a folder that cannot be written costs time only', async (t) => {
  const trainer = createTrainer({ file: '/proc/door.db.machines', embedder: 'test' })
  t.same(named((await trainer.train(templates))!), right)
})

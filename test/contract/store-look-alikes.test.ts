/** Two people whose names nobody could tell apart on a screen. */
import t from 'tap'
import { open, template } from '../support/database.js'

t.setTimeout(180_000)

const face = template('m', 1, 2)

t.test('a name that looks like another one is refused', async (t) => {
  const store = await open(t)
  await store.enrol('Anna', [face], [])
  await store.enrol('Zoë', [face], [])
  for (const name of ['\u0410nna', 'Ann\u0430', 'ＡＮＮＡ', 'An\u200dna', 'ann\u03b1', 'A\u00adnna']) {
    await t.rejects(store.enrol(name, [face], []), { code: 'taken', message: /looks like Anna, who is enrolled/ }, name)
    await t.rejects(store.renamePerson('Zoë', name, []), { code: 'taken' }, name)
  }
  t.match(await store.people(), [{ name: 'Anna', templates: { m: 1 } }, { name: 'Zoë' }])
  await store.enrol('ANNA', [face], [])
  t.match(await store.people(), [{ name: 'Anna', templates: { m: 2 } }, {}], 'the same name is the same person')
  for (const name of ['Zoe', 'Анна Каренина', 'Αννα Κ', 'Hannah']) await store.enrol(name, [face], [])
  t.equal(await store.renamePerson('Anna', 'anna', []), true, 'one may look like oneself')
  t.equal((await store.people()).length, 6)
})

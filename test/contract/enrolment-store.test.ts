/** Saving and undoing an enrolment in a real store. */
import t from 'tap'
import { savePerson, undoEnrolment } from '../../firmware/app/enrolment-store.js'
import type { Saving } from '../../firmware/domain/enrolment-session.js'
import type { Store } from '../../firmware/ports.js'
import { open, template } from '../support/database.js'

t.setTimeout(180_000)

const embedder = 'm192'
const axis = (n: number) => Float32Array.from({ length: 4 }, (_, i) => (i === n ? 1 : 0))
const saving = (n: number, changes: Partial<Saving> = {}): Saving => ({
  session: 1,
  by: 'button',
  authority: 'admin',
  admin: 'Ann',
  templates: [{ embedding: axis(n), quality: 0.9, source: 'track 1 at the door' }],
  threshold: 0.5,
  ...changes,
})
const save = (store: Store, what: Saving, admins: string[] = ['Ann']) =>
  savePerson(store, what, { embedder, admins, now: () => 42 })
const names = async (store: Store) => (await store.people()).map(({ name }) => name)
const wall = () => new Date()

t.test('the next free visitor, who is never an admin by name', async (t) => {
  const store = await open(t)
  t.match(await save(store, saving(0, { authority: 'empty' })), {
    type: 'saved',
    person: 'visitor-1',
    now: 42,
    session: 1,
  })
  t.match(await save(store, saving(1)), { reason: 'the admin is not enrolled any more' })
  await store.enrol('Ann', [], [])
  t.match(await save(store, saving(1), ['Ann', 'Visitor-2']), { type: 'saved', person: 'visitor-3' })
  await store.removePerson('visitor-1', [])
  t.match(await save(store, saving(2)), { person: 'visitor-4' })
  await store.removePerson('visitor-4', [])
  t.match(await save(store, saving(2)), { person: 'visitor-5' }, 'no number is given to two')
  await store.renamePerson('visitor-5', 'Zoë', [])
  t.match(await save(store, saving(3)), { person: 'visitor-6' })
  t.match(await store.events({}), [
    { type: 'enrolled', detail: { by: 'button', authority: 'empty', templates: 1, embedder } },
    { type: 'enrolled', person: 'visitor-3', detail: { admin: 'Ann' } },
    { type: 'enrolled' },
    { type: 'enrolled' },
    { type: 'enrolled' },
  ])
  await store.enrol('Visitor-0012', [], [])
  for (const { name } of await store.people()) await store.removePerson(name, [])
  t.equal(await store.lastVisitor(), 12, 'also when all of them are forgotten')
})

t.test('what the store holds is asked again', async (t) => {
  const store = await open(t)
  await store.enrol('Ann', [], [])
  await store.enrol('Ben', [template(embedder, ...axis(0))], [])
  for (const [what, reason] of [
    [saving(0), 'looks like Ben'],
    [saving(1, { authority: 'empty' }), 'somebody was enrolled meanwhile'],
    [saving(1, { name: ' ben' }), '"Ben" is enrolled already'],
    [saving(1, { name: 'x'.repeat(300) }), /\S/],
  ] as const)
    t.match(await save(store, what), { type: 'not-saved', session: 1, reason })
  t.same(await names(store), ['Ann', 'Ben'])
})

t.test('somebody enrolled by another process in between is seen', async (t) => {
  const store = await open(t)
  await store.enrol('Ann', [], [])
  let asked = 0
  const racing: Store = {
    ...store,
    people: async () => {
      const people = await store.people()
      // After this one has looked, the other writes.
      if (asked++ === 0) await store.enrol('visitor-1', [template(embedder, ...axis(0))], [])
      return people
    },
  }
  t.match(await save(racing, saving(1)), { type: 'saved', person: 'visitor-2' })
  asked = 0
  for (const name of await names(store)) await store.removePerson(name, [])
  t.match(await save(racing, saving(2, { authority: 'empty' })), { reason: 'somebody was enrolled meanwhile' })
})

t.test('the last one enrolled at the door is undone, under whatever name, and nobody else', async (t) => {
  const store = await open(t)
  const undo = () => undoEnrolment(store, wall())
  t.match(await undo(), { type: 'not-undone' })
  await store.enrol('Ann', [], [{ type: 'enrolled', person: 'Ann', detail: { templates: 0 } }])
  t.match(await undo(), { type: 'not-undone' }, 'she was enrolled by the command line')
  await save(store, saving(0))
  await save(store, saving(1))
  await store.renamePerson('visitor-2', 'Zoë', [{ type: 'renamed', person: 'visitor-2', detail: { to: 'Zoë' } }])
  t.match(await undo(), { type: 'undone', person: 'Zoë' })
  t.same(await names(store), ['Ann', 'visitor-1'])
  t.match((await store.events({})).at(-1), {
    type: 'removed',
    person: /^forgotten-/,
    detail: { reason: 'undone at the door' },
  })
  t.match(await undo(), { type: 'not-undone' }, 'only the last')
  t.match(await undoEnrolment(store, new Date(Date.now() + 2 * 86_400_000)), { type: 'not-undone' }, 'not for ever')
})

t.test('a store that fails is an answer', async (t) => {
  const store = await open(t)
  await store.close()
  t.match(await save(store, saving(0)), { type: 'not-saved', reason: /\S/ })
  t.match(await undoEnrolment(store, wall()), { type: 'not-undone', reason: /\S/ })
})

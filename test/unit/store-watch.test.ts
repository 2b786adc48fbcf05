import t from 'tap'
import { StoreWatch } from '../../firmware/app/store-watch.js'

const person = (name: string, templates: Record<string, number>) => ({ id: name, name, createdAt: '', templates })

function watched() {
  const is = {
    now: 0,
    people: [person('Ada', { m: 2 }), person('Bea', { m: 1 })],
    locked: undefined as string | undefined,
    new: true,
    revision: 1,
    embedder: 'm' as string | undefined,
    counted: 0,
    checked: 0,
    failed: [] as { name: string; ranAt: string; nextAt: string; ok: boolean; said: string }[],
  }
  const store = {
    people: async () => {
      is.counted++
      return is.people
    },
    galleryRevision: async () => is.revision,
    isNew: async () => is.new,
    keyProblem: async () => is.locked,
    jobs: async () => is.failed,
    checkFile: async () => {
      is.checked++
      throw new Error('busy')
    },
  }
  const schedule = { backup: '1 2 * * *', check: '1 3 * * *', retention: '' }
  const watch = new StoreWatch({
    store,
    clock: { now: () => is.now },
    checks: true,
    schedule,
    embedder: () => is.embedder,
  })
  const look = async () => {
    await watch.look()
    return watch.report
  }
  return { is, store, watch, look }
}

t.test('all is well, and people are counted once', async (t) => {
  const { is, look } = watched()
  t.same(await look(), { recognisable: 2, problems: [] })
  await look()
  t.equal(is.counted, 1)
})

t.test('who cannot be recognised', async (t) => {
  const { is, look } = watched()
  is.embedder = undefined
  t.same(await look(), { problems: [] }, 'not known yet')
  is.embedder = 'n'
  t.match(await look(), { recognisable: 0, problems: [/^2 of 2 people enrolled have no templates/] })
  t.notMatch((await look()).problems[0], /Ada|Bea/, 'it goes to metrics and crash reports')
  is.people = [person('Ada', { n: 1 }), person('Bea', {})]
  is.revision++
  t.match(await look(), { recognisable: 1, problems: [/^1 of 2 people enrolled have .* is not recognised/] })
  is.people = [person('Ada', {}), person('Bea', {})]
  is.locked = 'key K: is not there: put it back'
  t.same(await look(), {
    recognisable: 0,
    problems: [`${is.locked}; until then nobody is recognised, the exit button works`],
  })
})

t.test('begun anew, a night that failed, a store that does not answer', async (t) => {
  const { is, store, watch, look } = watched()
  is.people = []
  is.new = false
  t.match(await look(), { problems: [/begun anew, and nobody is enrolled/] })
  is.new = true
  is.revision++
  t.same((await look()).problems, [], 'a new door')
  is.failed = [
    { name: 'backup', ranAt: '', nextAt: '', ok: false, said: 'the disk is full' },
    { name: 'retention', ranAt: '', nextAt: '', ok: false, said: 'not done any more' },
    { name: 'check', ranAt: '', nextAt: '', ok: true, said: 'sound' },
  ]
  watch.replaced({ aside: '/d.damaged', backup: undefined, reason: '', kept: 1, lost: 3 })
  t.match(await look(), {
    problems: [/kept as \/d\.damaged.*begun anew.* 3 events/, 'the nightly backup failed: the disk is full'],
  })
  store.jobs = async () => Promise.reject(new Error('store d: is gone'))
  t.same(await look(), { problems: ['the store cannot be read: store d: is gone'] })
})

t.test('the file is read through every five minutes', async (t) => {
  const { is, look } = watched()
  await look()
  t.equal(is.checked, 0, 'it was at the start')
  is.now = 300_000
  await look()
  await look()
  t.equal(is.checked, 1)
  t.same((await look()).problems, [], 'a check that could not be made says nothing')
})

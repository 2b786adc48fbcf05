/** The commands change who is known while the door is guarded: what they acknowledge holds at the door. */
import { join } from 'node:path'
import t from 'tap'
import { serveStatus, statusSockets } from '../../firmware/adapters/status-socket.js'
import { clip, facelatch, makeHome, startAppliance } from '../support/appliance.js'
import { until } from '../support/temp.js'

t.setTimeout(300_000)

t.test('enrolled he opens; once his removal is acknowledged he never does again', async (t) => {
  // Flat out and again and again: he is judged many times a second, all the time.
  const home = makeHome(t, {
    camera: { source: `file:${clip('cap12_edit')}`, realtime: false, loop: true },
    door: { strikeSeconds: 0.05 },
    access: { rearmSeconds: 0.1 },
    votes: { minVotes: 1, minSpanMs: 0, reverifyMs: 1, retryMs: 1 },
  })
  const own = ['--config', home.config]
  const man = ['Alex', '--source', `file:${clip('cap12_edit')}`, '--seconds', '2']
  const appliance = startAppliance(t, home)
  const grants = () => appliance.lines('lock').filter(({ value }) => value === 1)
  for (let round = 0; round < 2; round++) {
    const before = grants().length
    t.match(await facelatch(['people', 'add', ...man, ...own]), { code: 0 })
    await until('he opens the door, again and again', () => grants().length > before + 3, 60)
    t.match(await facelatch(['people', 'remove', 'Alex', ...own]), { code: 0, stdout: /Alex is forgotten/ })
    const acknowledged = Date.now()
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    t.same(
      grants().filter(({ at }) => Date.parse(at) > acknowledged),
      [],
    )
    const told = (await appliance.events()).filter(
      ({ type, at }) => type === 'known' && Date.parse(String(at)) > acknowledged,
    )
    t.same(told, [])
  }
  await appliance.stop()
})

t.test('a removal that the running facelatch does not confirm is done, and said to be unconfirmed', async (t) => {
  const home = makeHome(t)
  const path = join(home.folder, 'facelatch.db')
  const own = ['--config', home.config]
  t.match(
    await facelatch(['people', 'add', 'Alex', '--source', `file:${clip('cap12_edit')}`, '--seconds', '2', ...own]),
    { code: 0 },
  )
  // In place of a facelatch that runs and gets no further.
  const stuck = await serveStatus(statusSockets(path), () => ({ galleryRevision: 0 }))
  t.match(await facelatch(['people', 'remove', 'Alex', ...own]), {
    code: 1,
    stderr: /^facelatch: Alex is forgotten, but the facelatch that runs did not confirm it within 10 s: see .*\n$/,
  })
  await stuck.close()
  t.match(await facelatch(['people', 'list', ...own]), { stdout: /nobody is enrolled/ })
})

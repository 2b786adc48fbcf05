/** Where the door answers who asks how it is: beside its store, or where that cannot be written, in the service's folder. */
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { claimExclusively, isClaimed } from '../../firmware/adapters/claim-socket.js'
import { askStatus, serveStatus, statusSockets } from '../../firmware/adapters/status-socket.js'
import { temporaryDirectory } from '../support/temp.js'

const account = { pid: 7 }
const serve = (paths: readonly string[]) => serveStatus(paths, () => account)

t.test('beside the store', async (t) => {
  const folder = temporaryDirectory(t)
  const paths = statusSockets(join(folder, 'store.db'), folder)
  t.equal(await askStatus(paths), undefined, 'nobody answers')
  const server = await serve(paths)
  t.same(await askStatus(paths), account)
  t.same(readdirSync(folder), ['store.db.status'])
  await server.close()
  t.equal(await askStatus(paths), undefined)
})

t.test('in the folder of the service where the store has no room for a socket', async (t) => {
  const folder = temporaryDirectory(t)
  const store = join(folder, 'gone', 'store.db')
  const paths = statusSockets(store, folder)
  const server = await serve(paths)
  t.same(await askStatus(paths), account)
  t.same(await askStatus(statusSockets(`${folder}/./gone/store.db`, folder)), account, 'however the path is written')
  t.equal(await askStatus(statusSockets(join(folder, 'other.db'), folder)), undefined, 'another store is another door')
  t.equal(statSync(paths[1]!).mode & 0o777, 0o600, 'for its own user alone')
  mkdirSync(join(folder, 'gone'))
  writeFileSync(paths[0]!, '')
  t.same(await askStatus(paths), account, 'what is left over beside the store does not hide it')
  await server.close()
})

t.test('nowhere: the first place says why', async (t) => {
  await t.rejects(serve(statusSockets('/nowhere/store.db', '/nowhere/either')), /nowhere\/store\.db\.status/)
})

t.test('a store that a facelatch has claimed', async (t) => {
  const store = join(temporaryDirectory(t), 'store.db')
  t.equal(await isClaimed(store), false)
  const claim = await claimExclusively(store)
  t.equal(await isClaimed(store), true)
  await t.rejects(claimExclusively(store), /in use by another facelatch/, 'which asking did not change')
  await claim.release()
  t.equal(await isClaimed(store), false)
})

// In the machine, beside a running door: enrols people one after another and forgets some, through the product's own store, as
// `facelatch people import` and `remove` do it; one process for all, since a start of Node takes an emulated processor half a
// minute. Each is acknowledged on descriptor 3 once the store has answered.
//
//   node enrol.mjs FIRST-NUMBER 3>/dev/ttyS2
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const { openStore } = await import('/usr/lib/facelatch/current/dist/firmware/adapters/store-sqlite.js')
const log = { debug() {}, info() {}, warn() {}, error() {} }
const store = await openStore({ path: '/var/lib/facelatch/facelatch.db', log })
const acknowledge = (what, name) => writeSync(3, `ack ${what} ${name}\n`)
const face = () => ({
  embedder: 'mobilefacenet-192',
  embedding: Float32Array.from({ length: 192 }, () => Math.random() - 0.5),
  quality: 0.9,
  source: 'guest',
})

// The door and we take turns with the store; who waits too long for an emulated processor is told so, and nothing was done.
const done = (work) =>
  work.then(
    () => true,
    (error) => {
      if (error.code !== 'locked') throw error
      return false
    },
  )

for (let number = Number(process.argv[2]); ; number++) {
  const name = `guest-${number}`
  const event = { type: 'enrolled', person: name, detail: { templates: 5, from: 'import' } }
  if (!(await done(store.enrol(name, Array.from({ length: 5 }, face), [event])))) continue
  acknowledge('enrolled', name)
  await sleep(200)
  if (number % 3 !== 0) continue
  acknowledge('removing', name)
  if (await done(store.removePerson(name, [{ type: 'removed', person: name }]))) acknowledge('removed', name)
}

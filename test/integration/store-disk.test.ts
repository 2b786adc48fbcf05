/** A disk that is full or read-only, at the start and in use: a real file system, the real appliance, a real broker. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Appliance, cli, clip, facelatch, makeHome, startAppliance } from '../support/appliance.js'
import { output } from '../support/database.js'
import { noMosquitto, startMosquitto, type Watcher, watch } from '../support/mosquitto.js'
import { until } from '../support/temp.js'

t.setTimeout(600_000)

const noMounts = (() => {
  if (process.getuid!() !== 0) return 'only root may mount'
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' })
    return false
  } catch {
    return 'this machine lets nobody mount'
  }
})()
const skip = noMounts || noMosquitto

type Told = Record<string, unknown> & { readonly id: string; readonly type: string }

/** An appliance whose store lies on a small disk of its own, which knows Ann; `spoil` is what is done to it before. */
async function prepare(t: Test, spoil: string) {
  const broker = await startMosquitto(t)
  const home = makeHome(t, {
    camera: { source: `file:${clip('cap13_edit2')}`, loop: true },
    door: { strikeSeconds: 1 },
    mqtt: { url: broker.url },
  })
  const disk = join(home.folder, 'disk')
  const seed = join(home.folder, 'seed')
  const settings = (store: string) => JSON.stringify({ ...home.settings, store: { path: join(store, 'facelatch.db') } })
  writeFileSync(home.config, settings(seed))
  const source = ['--camera', '--source', `file:${clip('cap12_edit')}`, '--seconds', '3']
  const enrolled = await facelatch(['people', 'add', 'Ann', ...source, '--config', home.config])
  if (enrolled.code !== 0) throw new Error(enrolled.stderr)
  writeFileSync(home.config, settings(disk))
  mkdirSync(disk)
  const watcher = await watch(t, broker.url)
  const fill = `dd if=/dev/zero of=${disk}/filler bs=512 status=none; true`
  const mounted = `mount -t tmpfs -o size=4M none ${disk} && cp -a ${seed}/. ${disk} && (${spoil.replace('FILL', fill).replace('DISK', disk)})`
  const appliance = startAppliance(t, home, ['unshare', '--mount', 'sh', '-c', `${mounted} && exec "$@"`, 'sh'])
  await until('the door is guarded', () => {
    if (appliance.process.exitCode !== null) throw new Error(appliance.log())
    return /guarding the door/.test(appliance.log())
  })
  const inside = ['nsenter', '--target', `${appliance.process.pid}`, '--mount']
  const seen = `/proc/${appliance.process.pid}/root${disk}`
  return {
    ...{ appliance, watcher },
    mount: (options: string) => output([...inside, 'mount', '-o', options, disk]),
    fill: () => execFileSync('sh', ['-c', fill.replace(disk, seen)], { stdio: 'ignore' }),
    room: () => rmSync(join(seen, 'filler')),
    /** Answers what it prints; rejects when it fails. */
    ask: (...command: string[]) =>
      output([...inside, 'env', '-u', 'NODE_OPTIONS', process.execPath, cli, ...command, '--config', home.config]),
  }
}

const told = (watcher: Watcher) => watcher.of('facelatch/test/event').map((text) => JSON.parse(text) as Told)
const store = (watcher: Watcher) => {
  const state = watcher.of('facelatch/test/state').at(-1)
  return state && (JSON.parse(state) as { store: string }).store
}

async function worksMeanwhile(t: Test, appliance: Appliance, watcher: Watcher) {
  await until('the home hears of the fault', () => store(watcher) === 'fault')
  await until('it is an event', () => told(watcher).some(({ type }) => type === 'store_fault'))
  await appliance.input('exit', 1)
  await appliance.input('exit', 0)
  t.ok(
    appliance.lines('lock').some(({ value }) => value === 1),
    'the exit button opens',
  )
  await until('the exit is told', () => told(watcher).some(({ type }) => type === 'exit'))
  await until('and logged', () => /info +event: exit stored=false/.test(appliance.log()))
  await until('Ann is let in', () => told(watcher).some(({ type, by }) => type === 'granted' && by === 'face'))
  const inMemory = told(watcher)
  t.same(
    inMemory.filter(({ stored, seq }) => stored !== false || seq !== undefined),
    [],
    'what is not in the store says so, and has no number',
  )
  t.equal(new Set(inMemory.map(({ id }) => id)).size, inMemory.length, 'once each')
  return inMemory
}

async function isKeptAfterwards(
  t: Test,
  { watcher, ask }: Pick<Awaited<ReturnType<typeof prepare>>, 'watcher' | 'ask'>,
  inMemory: readonly Told[],
) {
  await until('the home hears that it is over', () => store(watcher) === 'ok')
  await until('everything is told again', () => {
    const again = new Set(told(watcher).flatMap(({ id, seq }) => (seq === undefined ? [] : [id])))
    return inMemory.every(({ id }) => again.has(id))
  })
  for (const { id, type, at } of inMemory) {
    const [first, second, more] = told(watcher).filter((one) => one.id === id)
    t.match(second, { type, at, replayed: true }, `${type} has its number now`)
    t.equal(first!.stored, false, 'which it had not the first time')
    t.equal(more, undefined, 'and that is all')
  }
  const rows = (await ask('events', '--json')).split('\n').filter(Boolean)
  const kept = rows.map((row) => JSON.parse(row) as Told)
  t.same(
    kept.filter(({ id }) => inMemory.some((one) => one.id === id)).map(({ id }) => id),
    inMemory.map(({ id }) => id),
    'in the order in which it happened',
  )
  await t.resolves(ask('events', '--verify'), 'and the audit log is whole')
}

t.test('started on a read-only disk', { skip }, async (t) => {
  const door = await prepare(t, 'mount -o remount,ro DISK')
  t.match(door.appliance.log(), /facelatch.db: its file system is read-only/)
  const inMemory = await worksMeanwhile(t, door.appliance, door.watcher)
  await door.mount('remount,rw')
  await isKeptAfterwards(t, door, inMemory)
  await door.appliance.stop()
})

t.test('started on a full disk', { skip }, async (t) => {
  const door = await prepare(t, 'FILL')
  t.match(door.appliance.log(), /facelatch.db: the disk is full/)
  const inMemory = await worksMeanwhile(t, door.appliance, door.watcher)
  door.room()
  await isKeptAfterwards(t, door, inMemory)
  await door.appliance.stop()
})

t.test('a disk that fills up in use', { skip }, async (t) => {
  const door = await prepare(t, 'true')
  await until('Ann is let in', () => told(door.watcher).some(({ type }) => type === 'granted'))
  door.fill()
  let pressed = 0
  await until('the store fails', async () => {
    await door.appliance.input('exit', 1)
    await door.appliance.input('exit', 0)
    pressed++
    return store(door.watcher) === 'fault'
  })
  const exits = () => told(door.watcher).filter(({ type }) => type === 'exit')
  await until('each press is told', () => new Set(exits().map(({ id }) => id)).size === pressed)
  t.ok(
    exits().some(({ stored }) => stored === false),
    'also those that are in no store',
  )
  const inMemory = told(door.watcher).filter(({ stored }) => stored === false)
  door.room()
  await isKeptAfterwards(t, door, inMemory)
  await door.appliance.stop()
})

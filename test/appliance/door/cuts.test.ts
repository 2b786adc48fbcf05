/**
 * Power cuts at random moments while people are enrolled and let in, on a disk that loses what was not flushed: nothing
 * that was acknowledged to the outside is lost, the store is whole, and the strike stays at rest until a live grant.
 *
 *   TEST_SEED=N CUT_ROUNDS=N CUT_MOMENTS=N     another sequence, more or fewer cuts (20), moments of each boot (5)
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { pick, type Random, seeded } from '../../../tools/sequences/random.js'
import { facelatch, type Home, makeHome, startAppliance } from '../../support/appliance.js'
import { script } from '../../support/child.js'
import { output, rawDatabase } from '../../support/database.js'
import { type Owner, temporaryDirectory, until } from '../../support/temp.js'
import { type DoorEvent, type DoorHome, openHome } from './home.js'
import { recoverFolder } from './image.js'
import { becomes, freshDisk, type Machine, powerOn } from './machine.js'
import { type Loss, VolatileDisk } from './volatile-disk.js'

t.setTimeout(10_800_000)

const seed = Number(process.env.TEST_SEED ?? 20_261_122)
const rounds = Number(process.env.CUT_ROUNDS ?? 20)
const perBoot = Number(process.env.CUT_MOMENTS ?? 5)
/** Chance of a block that was not flushed to be on the disk all the same; drawn anew for each cut. */
const shares = [0, 0.5, 0.9]
const state = '/var/lib/facelatch'
const settings = {
  // Nobody is recognized here: faces are test/appliance/door/power-on's.
  camera: { source: 'v4l2:/dev/video9', recovery: 'reopen' },
  recognizer: { models: `${state}/models`, heartbeatSeconds: 600 },
  door: { strikeSeconds: 2, guardSeconds: 60 },
}

t.test('the disk loses what was not flushed, and nothing else', async (t) => {
  const image = join(temporaryDirectory(t), 'disk')
  writeFileSync(image, Buffer.alloc(64 * 1024, 'o'))
  const disk = new VolatileDisk(image, 64 * 1024)
  disk.write(4000, Buffer.alloc(200, 'f'))
  disk.flush()
  disk.write(4100, Buffer.alloc(50_000, 'n'))
  t.equal(disk.read(3999, 302).toString(), `o${'f'.repeat(100)}${'n'.repeat(201)}`, 'a reader sees what was written')
  t.same(disk.cut(0, seeded(1)), { unflushed: 13, kept: 0 })
  const found = readFileSync(image, 'latin1')
  t.equal(found, 'o'.repeat(4000) + 'f'.repeat(200) + 'o'.repeat(64 * 1024 - 4200))
  const again = new VolatileDisk(image, 64 * 1024)
  again.write(0, Buffer.alloc(64 * 1024, 'n'))
  const { unflushed, kept } = again.cut(0.5, seeded(2))
  t.equal(unflushed, 16)
  t.ok(kept > 0 && kept < 16, `${kept} of 16 blocks are kept`)
  t.equal(readFileSync(image, 'latin1').split('n').length - 1, kept * 4096)
})

/** What was told to the outside, by all boots up to a moment. */
interface Acknowledged {
  readonly events: ReadonlyMap<string, DoorEvent>
  /** Names whose enrolment was confirmed, and those whose removal was. */
  readonly enrolled: ReadonlySet<string>
  readonly removed: ReadonlySet<string>
  /** Last number known to be written into a file that nobody flushes. */
  readonly canary: number
}

interface Cut {
  readonly image: string
  readonly loss: Loss
  readonly change: number
  readonly powered: boolean
  readonly told: Acknowledged
}

t.test(`${rounds} power cuts while enrolling and granting`, async (t) => {
  t.comment(
    `seed ${seed}; another one: TEST_SEED. ${perBoot} moments a boot: the disk as it would be left, and at the last the cut`,
  )
  const random = seeded(seed)
  const home = await openHome(t)
  const image = await freshDisk(t, { ...settings, mqtt: home.mqtt })
  const place = temporaryDirectory(t)
  const diary = { answers: [] as string[], canary: 0 }
  const told = () => acknowledged(home, diary.answers, diary.canary)
  const sums = { unflushed: 0, kept: 0, canaries: 0, powered: 0 }

  for (let round = 0; round < rounds; ) {
    const machine = await bootDoor(t, image, home)
    const moments = Math.min(perBoot, rounds - round)
    const cuts: Cut[] = []
    const moment = (change: number): Cut => {
      const file = join(place, `${round + cuts.length}`)
      const loss = machine.disk.imagine(file, pick(random, shares), random)
      return { image: file, loss, change, powered: machine.strike().at(-1)?.level === 1, told: told() }
    }
    await busy(machine, home, { round, moments, random, diary }, (change) => cuts.push(moment(change)))
    await machine.cut(0, random)
    // The disk is what it was imagined to be at the last moment.
    copyFileSync(cuts.at(-1)!.image, image)
    for (const cut of cuts) {
      round++
      const { loss, change, powered, told } = cut
      const canary = await examine(t, cut)
      const lost = canary < told.canary
      t.comment(
        `cut ${round}, before change ${change}: ${loss.unflushed} blocks unflushed, ${loss.kept} kept; strike ${powered ? 'powered' : 'at rest'}; ` +
          `acknowledged ${told.events.size} events, ${told.enrolled.size} enrolments, ${told.removed.size} removals; canary ${lost ? 'lost' : 'kept'}`,
      )
      sums.unflushed += loss.unflushed
      sums.kept += loss.kept
      sums.canaries += lost ? 1 : 0
      sums.powered += powered ? 1 : 0
    }
  }

  const machine = await bootDoor(t, image, home)
  t.match(await machine.run('facelatch events --verify'), { code: 0 }, 'in the machine, too')
  await machine.press()
  await becomes(machine, 'the exit button opens', () => machine.strike().some(({ level }) => level === 1))
  const all = told()
  const grants = [...all.events.values()].filter(({ type }) => type === 'exit' || type === 'granted').length
  t.comment(
    `${rounds} cuts: ${all.events.size} acknowledged events (${grants} grants), ${all.enrolled.size} enrolments, ${all.removed.size} removals; ` +
      `${sums.unflushed - sums.kept} of ${sums.unflushed} unflushed blocks lost; the canary in ${sums.canaries} cuts; the strike was powered in ${sums.powered}`,
  )
  t.ok(sums.unflushed > sums.kept, 'something was lost, so flushing mattered')
  t.ok(sums.canaries > 0, 'and what nobody had flushed was lost')
})

function acknowledged(home: DoorHome, answers: readonly string[], canary: number): Acknowledged {
  const events = new Map<string, DoorEvent>()
  for (const event of home.events()) if (event.stored !== false) events.set(event.id, event)
  const [enrolled, removed] = [new Set<string>(), new Set<string>()]
  for (const row of answers) {
    const [what, name] = row.split(' ') as [string, string]
    if (what === 'enrolled') enrolled.add(name)
    // Asked for, it may be done although nobody could say so any more.
    if (what === 'removing') enrolled.delete(name)
    if (what === 'removed') removed.add(name)
  }
  return { events, enrolled, removed, canary }
}

/** Power on, until the door is guarded and has told what waited; and nothing may have moved the strike by then. */
async function bootDoor(t: Tap, image: string, home: DoorHome): Promise<Machine> {
  const before = home.events().filter(({ type }) => type === 'started').length
  const machine = await powerOn(t, image, { name: 'cuts', init: '/usr/lib/bench/init' })
  // Its nets would take an emulated processor half a minute, and there is nothing to be seen.
  machine.run('until pkill -STOP -f [r]ecognizer.js; do sleep 0.2; done').catch(() => {})
  await becomes(
    machine,
    'the door is guarded, and says so',
    () => home.events().filter(({ type }) => type === 'started').length > before,
  )
  const strike = machine.strike()
  t.match(strike[0], { from: 'bench', level: 0 }, 'the strike is at rest when the power comes')
  t.ok(
    strike.every(({ level }) => level === 0),
    'and until a live grant',
  )
  return machine
}

interface Business {
  readonly round: number
  /** How many moments there are, seeded, each up to 60 changes of the disk after the one before. */
  readonly moments: number
  readonly random: Random
  readonly diary: { readonly answers: string[]; canary: number }
}

/** People come, go and are enrolled; `at` is called before a change of the disk, and after the last time nothing changes. */
async function busy(
  machine: Machine,
  home: DoorHome,
  { round, moments, random, diary }: Business,
  at: (change: number) => void,
): Promise<void> {
  let over = false
  // Numbers of its own for each boot: nobody is asked to be enrolled twice.
  const as = 'setpriv --reuid=facelatch --regid=facelatch --init-groups /usr/lib/facelatch/current/bin/node'
  machine.run(`${as} /opt/facelatch/test/appliance/door/guest/enrol.mjs ${(round + 1) * 1000} 3>/dev/ttyS2`).then(
    ({ stdout }) => {
      if (!over) throw new Error(`the enrolling program ended: ${stdout}`)
    },
    () => {},
  )
  machine.onAcknowledged((row) => diary.answers.push(row))
  const press = async () => {
    const number = diary.canary + 1
    await machine.run(`echo ${number} >>${state}/canary`)
    diary.canary = number
    await machine.press()
    await sleep(200)
  }
  const unlock = async () => {
    await home.unlock()
    await sleep(1200)
  }
  const before = diary.answers.length
  await becomes(machine, 'people are enrolled', () => diary.answers.length > before)
  const from = machine.disk.changes
  const cut = new Promise<void>((resolve) => {
    let next = 1 + Math.floor(random() * 60)
    let left = moments
    machine.server.beforeChange = (count) => {
      if (count - from < next) return true
      at(count - from)
      next += 1 + Math.floor(random() * 60)
      if (--left > 0) return true
      over = true
      resolve()
      return false
    }
  })
  const keep = async (work: () => Promise<void>) => {
    while (!over) await Promise.race([cut, work()])
  }
  await Promise.all([keep(press), keep(unlock)])
}

/** What the next boot finds: the store's own word, everything that was acknowledged, and a door that stays shut. */
async function examine(t: Tap, { image, told }: Cut): Promise<number> {
  const { folder, repaired } = recoverFolder(t, image, state)
  rmSync(image)
  const at = (path: string) => join(folder, 'facelatch', path)
  t.same(repaired, [], 'the file system is whole once its journal is replayed')
  // The key's owner was the service's user.
  spawnSync('chown', ['-R', '0:0', folder])
  const home = makeHome(t, { store: { path: at('facelatch.db') } })
  const whole = `db.all('PRAGMA integrity_check', (error, rows) => console.log(error ?? JSON.stringify(rows)))`
  t.match(await output(script(`${rawDatabase(at('facelatch.db'))}\n${whole}`)), '[{"integrity_check":"ok"}]')
  const verified = await facelatch(['events', '--verify', '--config', home.config])
  t.equal(verified.code, 0, verified.stdout + verified.stderr)
  const rows = (await facelatch(['events', '--json', '--config', home.config])).stdout
    .split('\n')
    .filter(Boolean)
    .map((row) => JSON.parse(row) as DoorEvent)
  const stored = new Map(rows.map((row) => [row.id, row]))
  const lost = [...told.events.values()].filter(
    ({ id, seq, type }) => stored.get(id)?.seq !== seq || stored.get(id)?.type !== type,
  )
  t.same(lost, [], `all ${told.events.size} acknowledged events are there, under their numbers`)
  t.equal(new Set(rows.map(({ seq }) => seq)).size, rows.length, 'no number is given twice')
  const list = await facelatch(['people', 'list', '--json', '--config', home.config])
  const people = new Set((list.stdout.match(/"name":"[^"]*"/g) ?? []).map((text) => text.slice(8, -1)))
  const missing = [...told.enrolled].filter((name) => !people.has(name))
  t.same(missing, [], `all ${told.enrolled.size} acknowledged enrolments are there`)
  const back = [...told.removed].filter((name) => people.has(name))
  t.same(back, [], `and nobody of the ${told.removed.size} who were forgotten`)
  await staysShut(t, home)
  try {
    return Number(readFileSync(at('canary'), 'latin1').replaceAll('\0', '').trim().split('\n').at(-1))
  } catch {
    // Not even its name was flushed.
    return 0
  }
}

/** The same program, on this machine and with simulated lines, starts with what the cut has left. */
async function staysShut(t: Tap, home: Home): Promise<void> {
  const door = startAppliance(t, home)
  await until('it guards the door', () => door.log().includes('guarding the door'))
  await sleep(1000)
  t.ok(
    door.lines('lock').every(({ value }) => value === 0),
    'the strike is at rest when it starts',
  )
  await door.input('exit', 1)
  await until('the exit button opens', () => door.lines('lock').at(-1)?.value === 1)
  await door.stop()
}

type Tap = Owner & Pick<typeof t, 'match' | 'ok' | 'same' | 'equal'>

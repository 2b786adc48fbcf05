/**
 * Power cuts at random moments while people are enrolled and let in, on a disk that loses what was not flushed: nothing
 * that was acknowledged to the outside is lost, the store is whole, and the strike stays at rest until a live grant.
 *
 *   TEST_SEED=N CUT_ROUNDS=N CUT_MOMENTS=N     another sequence, more or fewer cuts (20), moments of each boot (5)
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pick, seeded } from '../../../firmware/evaluation/sequences/random.js'
import { temporaryDirectory } from '../../support/temp.js'
import { acknowledged, busy, state } from './business.js'
import { type Cut, examine, type Tap } from './examine.js'
import { type DoorHome, openHome } from './home.js'
import { becomes, freshDisk, type Machine, powerOn } from './machine.js'
import { VolatileDisk } from './volatile-disk.js'

t.setTimeout(10_800_000)

const seed = Number(process.env.TEST_SEED ?? 20_261_122)
const rounds = Number(process.env.CUT_ROUNDS ?? 20)
const perBoot = Number(process.env.CUT_MOMENTS ?? 5)
/** Chance of a block that was not flushed to be on the disk all the same; drawn anew for each cut. */
const shares = [0, 0.5, 0.9]
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
    await busy(machine, home, { round, moments, random, diary }, (change) => {
      const found = { change, powered: machine.strike().at(-1)?.level === 1, told: told() }
      if (cuts.length + 1 === moments) return cuts.push({ ...found, image, loss: { unflushed: 0, kept: 0 } })
      const file = join(place, `${round + cuts.length}`)
      const loss = machine.disk.imagine(file, pick(random, shares), random)
      return cuts.push({ ...found, image: file, loss })
    })
    // The last one is no imagination.
    cuts.push({ ...cuts.pop()!, loss: await machine.cut(pick(random, shares), random) })
    for (const cut of cuts) {
      round++
      const { loss, change, powered, told } = cut
      const canary = await examine(t, cut)
      if (cut.image !== image) rmSync(cut.image)
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

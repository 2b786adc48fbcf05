import t from 'tap'
import { clip, facelatch, makeHome, shared, startAppliance } from '../support/appliance.js'
import { until } from '../support/temp.js'

/** Enrols from a recording's first seconds, then plays another; answers what the strike did and what was told. */
async function play(t: Parameters<typeof makeHome>[0], enrolFrom: string, seconds: number, watched: string) {
  const home = makeHome(t, { camera: { source: `file:${watched}`, realtime: false }, door: { strikeSeconds: 1 } })
  const enrolled = await facelatch([
    'people',
    'add',
    'Somebody',
    '--camera',
    '--source',
    `file:${enrolFrom}`,
    '--seconds',
    String(seconds),
    '--config',
    home.config,
  ])
  if (enrolled.code !== 0) throw new Error(enrolled.stderr)
  const appliance = startAppliance(t, home)
  await until('the recording ends', () => appliance.log().includes('recording has ended'), 200)
  await appliance.stop()
  const events = await appliance.events()
  return {
    powered: appliance.lines('lock').filter(({ value }) => value === 1).length,
    types: events.map(({ type }) => type),
    events,
  }
}

t.setTimeout(900_000)

t.test('a known man opens the door in another recording', async (t) => {
  const { powered, types } = await play(t, clip('cap12_edit'), 3, clip('cap13_edit2'))
  t.ok(powered > 0)
  t.ok(types.includes('known'))
  t.notOk(types.includes('unknown'))
})

t.test('a stranger never opens it', async (t) => {
  const { powered, types } = await play(t, clip('cap12_edit'), 3, clip('franck'))
  t.equal(powered, 0)
  t.ok(types.includes('unknown'))
  t.notOk(types.includes('known'))
})

const [female, male] = [shared('data/video/head-pose-female.mkv'), shared('data/video/head-pose-male.mkv')]
t.test(
  'enrolled from one second of video',
  { skip: female && male ? false : 'the evaluation data is not beside the checkout' },
  async (t) => {
    const own = await play(t, female as string, 1, female as string)
    t.ok(own.powered > 0, 'the woman unlocks')
    const other = await play(t, female as string, 1, male as string)
    t.equal(other.powered, 0, 'the man never does')
    t.ok(other.types.includes('unknown'), 'and is told as unknown')
    t.notOk(other.types.includes('known'))
  },
)

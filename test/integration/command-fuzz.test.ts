/** Twenty thousand commands that nobody should obey, through a real broker, at a door that people go on using. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectAsync } from 'mqtt'
import t from 'tap'
import { seeded } from '../../firmware/evaluation/random.js'
import { makeHome, startAppliance } from '../support/appliance.js'
import { noMosquitto, startMosquitto } from '../support/mosquitto.js'
import { until } from '../support/temp.js'

t.setTimeout(300_000)

const messages = 20_000
/** So many are under way at once. */
const crowd = 400
const strikeMs = 300
/** A loaded machine wakes people late; the guard's own limit is half a second over the strike's time. */
const slackMs = 500
/** Growth beyond this, MiB, would mean that messages stay. */
const mostGrowth = 16

interface Message {
  readonly topic: 'lock/set' | 'recognizer/set'
  readonly payload: Buffer
  readonly retain?: boolean
}

/** None of these may be obeyed: no code is right, no word stands alone. */
function makeMessage(next: () => number): Message {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!
  const below = (most: number) => Math.floor(next() * most)
  const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => below(256)))
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const time = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
  const odd = [null, 0, -1, 1e308, true, [], {}, '', '\u0000', 'UNLOCK\u0000', '🚪', ['UNLOCK'], { command: 'UNLOCK' }]
  const makes: (() => Buffer)[] = [
    () => bytes(1 + below(64)),
    () => bytes(1 + below(2000)),
    () =>
      Buffer.from(
        pick(['unlock', 'UNLOCK!', 'UN LOCK', 'OPEN', '1', 'true', 'UNLOCK;LOCK', '“UNLOCK”', 'ＵＮＬＯＣＫ']),
      ),
    () => Buffer.from('UNLOCK', pick(['utf16le', 'base64', 'hex'] as const)).subarray(0, 1 + below(12)),
    () => json(pick(odd)),
    () => json({ command: pick(odd) }),
    () => json({ command: 'UNLOCK', [pick(['by', '__proto__', 'constructor', 'Code'])]: pick(odd) }),
    () => json({ command: 'UNLOCK', code: pick(odd) ?? '0000' }),
    () => json({ command: 'UNLOCK', at: pick([...odd, '2026', '2026-11-21T08:00:00', 'yesterday']) ?? 0 }),
    () => json({ command: 'UNLOCK', code: String(below(10_000)), at: time(pick([-86_400, -60, -11, 60, 86_400])) }),
    () => Buffer.from(`${'['.repeat(1 + below(6000))}`),
    () => Buffer.from(`${'{"command":'.repeat(1 + below(1000))}`),
    () => Buffer.from(`{"command":"UNLOCK","code":"${'9'.repeat(below(9000))}`),
    () => Buffer.from('UNLOCK'),
  ]
  const payload = pick(makes)()
  const topic = pick(['lock/set', 'lock/set', 'lock/set', 'recognizer/set'] as const)
  return {
    topic,
    payload: payload.length > 0 ? payload : Buffer.from('?'),
    ...(next() < 0.01 && { retain: true }),
  }
}

const residentMiB = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

t.test(`${messages} commands that are none`, { skip: noMosquitto }, async (t) => {
  const broker = await startMosquitto(t, { more: ['max_queued_messages 0'] })
  const home = makeHome(t, {
    camera: { source: 'gst:videotestsrc is-live=true pattern=black ! video/x-raw,width=160,height=120,framerate=1/1' },
    door: { strikeSeconds: strikeMs / 1000 },
    mqtt: { url: broker.url, remoteUnlock: true, codeFile: '/proc/sys/kernel/random/boot_id' },
  })
  const appliance = startAppliance(t, home)
  await until('the door is online', () => appliance.log().includes('guarding the door'))
  const sender = await connectAsync(broker.url, { protocolVersion: 5 })
  t.teardown(() => sender.endAsync(true))
  const send = ({ topic, payload, retain = false }: Message) =>
    sender.publishAsync(`facelatch/test/${topic}`, payload, { qos: 1, retain })

  const next = seeded(20261122)
  let presses = 0
  let memory = 0
  for (let sent = 0; sent < messages; sent += crowd) {
    const flood = Promise.all(Array.from({ length: crowd }, () => send(makeMessage(next))))
    if (sent % (crowd * 5) === 0) {
      const before = appliance.lines('lock').length
      await appliance.input('exit', 1)
      presses++
      await until('the exit button opens', () => appliance.lines('lock').length > before)
      await flood
      await until('the strike lets go', () => appliance.lines('lock').length > before + 1)
      await appliance.input('exit', 0)
    }
    await flood
    if (sent === messages / 5) memory = residentMiB(appliance.process.pid!)
  }
  // Packets longer than the door's limit are dropped by the broker, which was told of it.
  for (let i = 0; i < 20; i++) await send({ topic: 'lock/set', payload: Buffer.alloc(50_000 + i * 20_000, '{') })
  // The last word: it arrives after all others, and is obeyed, once the rate allows one again.
  await sleep(1500)
  await send({ topic: 'lock/set', payload: Buffer.from('LOCK') })
  await until('it is obeyed', () => /event: command .*command="?LOCK/.test(appliance.log()))
  t.ok(memory > 0)
  const grown = residentMiB(appliance.process.pid!) - memory
  t.ok(grown < mostGrowth, `memory grew by ${grown.toFixed(1)} MiB over the last four fifths`)
  t.equal(appliance.process.exitCode, null, 'it lives')
  await appliance.stop()

  const lock = appliance.lines('lock')
  const on = lock.filter(({ value }) => value === 1)
  t.equal(on.length, presses, 'the lock moved for the exit button alone')
  for (const { at } of on) {
    const off = lock.find((change) => change.value === 0 && change.at > at)!
    const ms = Date.parse(off.at) - Date.parse(at)
    t.ok(ms >= strikeMs - 1 && ms < strikeMs + slackMs, `${ms} ms of ${strikeMs}`)
  }
  const rows = await appliance.events()
  t.notOk(rows.some(({ type }) => type === 'granted'))
  const refused = rows.filter(({ type }) => type === 'refused')
  const counted = refused.reduce((sum, { topic, suppressed }) => sum + (topic ? 1 : 0) + Number(suppressed ?? 0), 0)
  t.equal(counted, messages, 'each refusal is counted')
  t.ok(refused.length < 100, `in ${refused.length} rows`)
})

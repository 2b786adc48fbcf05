import t from 'tap'
import { createHomeAssistant, discovery, discoveryTopic } from '../../firmware/app/home-assistant.js'
import { loadConfig } from '../../firmware/config.js'
import type { Broker, Clock } from '../../firmware/ports.js'

const variables = { FACELATCH_DEVICE_ID: 'front-door', FACELATCH_DEVICE_NAME: 'Front door' }
const config = (more: NodeJS.ProcessEnv = {}) => loadConfig([], { ...variables, ...more })
const everything = {
  FACELATCH_DOOR_SENSOR: 'true',
  FACELATCH_MQTT_REMOTE_UNLOCK: 'true',
  FACELATCH_MQTT_SNAPSHOTS: 'true',
  FACELATCH_GPIO_DRIVER: 'simulated',
  FACELATCH_FAN_DRIVER: 'jetson',
  FACELATCH_ENROLMENT_REMOTE: 'true',
  FACELATCH_MQTT_REMOTE_MODE: 'true',
}
const components = (more: NodeJS.ProcessEnv = {}, facts = {}) => discovery(config(more), facts, '1.2.3').cmps
/** Listed with its platform alone: it is taken out of the home. */
const isGone = (component: object | undefined) => component !== undefined && Object.keys(component).length === 1

t.test('the message says whose it is', async (t) => {
  t.equal(discoveryTopic(config()), '/homeassistant/device/facelatch/front-door/config')
  t.match(discovery(config(), {}, '1.2.3'), {
    dev: { identifiers: ['facelatch_front-door'], name: 'Front door', sw_version: '1.2.3' },
    o: { name: 'facelatch', sw_version: '1.2.3' },
    availability: [{ topic: 'facelatch/front-door/availability' }],
  })
})

t.test('components are there only where the door has them', async (t) => {
  const bare = components()
  const full = components(everything)
  for (const key of [
    'lock',
    'door',
    'forced',
    'held_open',
    'tamper',
    'snapshot',
    'fan',
    'fan_fault',
    'enrol',
    'cancel_enrolment',
    'mode',
    'lockdown',
  ]) {
    t.ok(isGone(bare[key]), `${key} is not there`)
    t.notOk(isGone(full[key]), `${key} is there`)
  }
  t.notOk(JSON.stringify(bare).includes('lock/set'), 'no command where none is obeyed')
  t.ok(isGone(full.lock_state))
  t.ok(isGone(components({ ...everything, FACELATCH_MQTT_CODE_FILE: '/code' }).enrol), 'a button brings no code')
  const coded = components({ ...everything, FACELATCH_MQTT_CODE_FILE: '/code' })
  t.ok(isGone(coded.lockdown) && isGone(coded.mode) && !isGone(coded.begin_lockdown) && !isGone(coded.mode_state))
  t.match(bare.lock_state, { p: 'binary_sensor', device_class: 'lock' })
  t.same(Object.keys(bare), Object.keys(full), 'what is not there is said so, that a home forgets it')
})

t.test('ids come from device.id alone and differ from each other', async (t) => {
  const ids = (value: ReturnType<typeof components>) =>
    Object.values(value).flatMap(({ unique_id, p }) => (unique_id ? [`${p} ${unique_id}`] : []))
  const all = ids(components(everything))
  t.equal(new Set(all).size, all.length)
  t.same(ids(components({ ...everything, FACELATCH_DEVICE_NAME: 'Renamed', FACELATCH_MQTT_BASE_TOPIC: 'x/y' })), all)
  t.ok(all.every((id) => id.includes('front-door')))
  const other = discoveryTopic(config({ FACELATCH_DEVICE_ID: 'front.door' }))
  t.match(other, /^\/homeassistant\/device\/facelatch\/[A-Za-z0-9_-]+\/config$/)
  t.not(other, discoveryTopic(config()))
})

t.test('what the lock is sent has a time, and a code where one is asked for', async (t) => {
  t.match(components(everything).lock, { command_template: /utcnow/ })
  t.equal(
    components({ ...everything, FACELATCH_MQTT_COMMAND_MAX_AGE_SECONDS: '0' }).lock!.command_template,
    '{{ value }}',
  )
  t.match(components(everything, { codeIsNumeric: true }).lock, { command_template: /"code"/, code_format: '^\\d+$' })
})

t.test('a birth is answered after a while, once; and discovery can be taken back', async (t) => {
  const waiting: { ms: number; callback: () => void; off: boolean }[] = []
  const clock: Clock = {
    now: () => 0,
    wall: () => new Date(),
    after(ms, callback) {
      const entry = { ms, callback, off: false }
      waiting.push(entry)
      return () => {
        entry.off = true
      }
    },
  }
  const states = new Map<string, string>()
  let refreshed = 0
  const broker = {
    state: (topic: string, payload: string) => states.set(topic, payload),
    refresh: () => refreshed++,
  } as unknown as Broker
  const make = (more: NodeJS.ProcessEnv) =>
    createHomeAssistant({ config: config(more), facts: {}, version: '1', broker, clock, random: () => 0.5 })
  const status = (payload: string) => ({
    topic: '/homeassistant/status',
    payload: Buffer.from(payload),
    retained: false,
  })
  const home = make({})
  home.announce()
  t.equal(JSON.parse(states.get(discoveryTopic(config()))!).o.name, 'facelatch')
  t.equal(home.heard({ ...status('online'), topic: 'lock/set' }), false, 'commands are not for it')
  t.ok(home.heard(status('offline')) && waiting.length === 0)
  t.ok(home.heard(status('online')) && home.heard(status('online')))
  t.same(
    waiting.map(({ ms, off }) => [ms, off]),
    [
      [2500, true],
      [2500, false],
    ],
  )
  waiting[1]!.callback()
  t.equal(refreshed, 1)
  make({ FACELATCH_MQTT_DISCOVERY: 'false' }).announce()
  t.equal(states.get(discoveryTopic(config())), '', 'an empty retained message removes the device')
})

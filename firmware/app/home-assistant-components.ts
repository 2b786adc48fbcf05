/** One table: everything a home can see of a door or do with it, and when the door has it. */
import type { Config } from '../config.js'
import { type EventType, eventTypes } from '../domain/events.js'
import { modes } from '../domain/rules.js'

/** What the configuration alone does not say. */
export interface Facts {
  /** The code of remote unlocking has digits only; undefined where there is no code. */
  readonly codeIsNumeric?: boolean
}

interface Component {
  readonly platform: string
  readonly name: string
  /** Absent: always. */
  readonly when?: (config: Config) => boolean
  /** Topics in it are below the device's own. */
  readonly fields: (config: Config, facts: Facts) => Readonly<Record<string, unknown>>
}

/** Templates are Jinja: https://www.home-assistant.io/integrations/mqtt/#using-templates-with-the-mqtt-platform */
const ifState = (condition: string) => ({
  state_topic: 'state',
  value_template: `{{ 'ON' if value_json.${condition} else 'OFF' }}`,
})
const ifAlarm = (alarm: string) => ({ ...ifState(alarm), state_topic: 'alarm/state' })
const diagnostic = { entity_category: 'diagnostic' }
/** What happened hours ago is for the audit log: a late event must not start anything in a house. */
const freshOnly = (value: string) => `{% if not (value_json.replayed | default(false)) %}${value}{% endif %}`
const hasTamper = ({ gpio }: Config) => gpio.driver === 'simulated' || gpio.lines.tamper !== ''

const hasFan = ({ fan }: Config) => fan.driver !== 'none'
/** Only a lock can bring a code; a button, a switch or a list cannot. */
const mayEnrol = ({ enrolment, mqtt }: Config) => enrolment.remote && mqtt.codeFile === ''
const mayChangeMode = ({ mqtt }: Config) => mqtt.remoteMode && mqtt.codeFile === ''
const timedCommand = ({ mqtt }: Config) => ({ command_template: lockCommand(mqtt.commandMaxAgeSeconds > 0, false) })
const fromFan = (figure: string) => ({
  state_topic: 'fan/state',
  value_template: `{{ value_json.${figure} | default(none) }}`,
  ...diagnostic,
})

const components: Readonly<Record<string, Component>> = {
  lock: {
    platform: 'lock',
    name: 'Lock',
    when: ({ mqtt }) => mqtt.remoteUnlock,
    fields: ({ mqtt }, { codeIsNumeric }) => ({
      state_topic: 'lock/state',
      command_topic: 'lock/set',
      command_template: lockCommand(mqtt.commandMaxAgeSeconds > 0, codeIsNumeric !== undefined),
      ...(codeIsNumeric !== undefined && { code_format: codeIsNumeric ? '^\\d+$' : '^.+$' }),
    }),
  },
  lock_state: {
    platform: 'binary_sensor',
    name: 'Lock',
    when: ({ mqtt }) => !mqtt.remoteUnlock,
    fields: () => ({
      state_topic: 'lock/state',
      value_template: "{{ 'OFF' if value == 'LOCKED' else 'ON' }}",
      device_class: 'lock',
    }),
  },
  jammed: {
    platform: 'binary_sensor',
    name: 'Jammed',
    fields: () => ({ ...ifAlarm('jammed'), device_class: 'problem' }),
  },
  door: {
    platform: 'binary_sensor',
    name: 'Door',
    when: ({ door }) => door.sensor,
    fields: () => ({ state_topic: 'door/state', device_class: 'door', payload_on: 'open', payload_off: 'closed' }),
  },
  forced: {
    platform: 'binary_sensor',
    name: 'Forced',
    when: ({ door }) => door.sensor,
    fields: () => ({ ...ifAlarm('forced'), device_class: 'safety' }),
  },
  held_open: {
    platform: 'binary_sensor',
    name: 'Held open',
    when: ({ door }) => door.sensor,
    fields: () => ({ ...ifAlarm('held_open'), device_class: 'problem' }),
  },
  tamper: {
    platform: 'binary_sensor',
    name: 'Tamper',
    when: hasTamper,
    fields: () => ({ ...ifAlarm('tamper'), device_class: 'tamper' }),
  },
  camera: {
    platform: 'binary_sensor',
    name: 'Camera fault',
    fields: () => ({ ...ifState("camera == 'fault'"), device_class: 'problem', ...diagnostic }),
  },
  recognizer: {
    platform: 'binary_sensor',
    name: 'Recognizer fault',
    fields: () => ({ ...ifState("recognizer == 'down'"), device_class: 'problem', ...diagnostic }),
  },
  store: {
    platform: 'binary_sensor',
    name: 'Store fault',
    fields: () => ({ ...ifState("store == 'fault'"), device_class: 'problem', ...diagnostic }),
  },
  acknowledge: {
    platform: 'button',
    name: 'Acknowledge alarm',
    when: ({ door }) => door.sensor,
    fields: () => ({ command_topic: 'alarm/set', payload_press: 'ACKNOWLEDGE', entity_category: 'config' }),
  },
  mode: {
    platform: 'select',
    name: 'Mode',
    when: mayChangeMode,
    fields: (config) => ({
      state_topic: 'mode/state',
      command_topic: 'mode/set',
      options: modes.filter((mode) => mode !== 'open' || config.mqtt.remoteUnlock),
      ...timedCommand(config),
    }),
  },
  lockdown: {
    platform: 'switch',
    name: 'Lockdown',
    when: mayChangeMode,
    fields: (config) => ({
      state_topic: 'mode/state',
      command_topic: 'mode/set',
      value_template: "{{ 'ON' if value == 'lockdown' else 'OFF' }}",
      state_on: 'ON',
      state_off: 'OFF',
      payload_on: 'lockdown',
      payload_off: 'normal',
      ...timedCommand(config),
    }),
  },
  begin_lockdown: {
    platform: 'button',
    name: 'Begin lockdown',
    when: (config) => config.mqtt.remoteMode && !mayChangeMode(config),
    fields: () => ({ command_topic: 'mode/set', payload_press: 'lockdown' }),
  },
  mode_state: {
    platform: 'sensor',
    name: 'Mode',
    when: (config) => !mayChangeMode(config),
    fields: () => ({ state_topic: 'mode/state', device_class: 'enum', options: [...modes] }),
  },
  event: {
    platform: 'event',
    name: 'Event',
    fields: () => ({
      state_topic: 'event',
      event_types: eventTypes,
      value_template: freshOnly('{{ dict(value_json, event_type=value_json.type) | tojson }}'),
      icon: 'mdi:door',
    }),
  },
  last_person: {
    platform: 'sensor',
    name: 'Last person',
    fields: () => ({
      state_topic: 'event',
      value_template:
        "{{ value_json.person if value_json.type == 'known' and not (value_json.replayed | default(false)) else this.state }}",
      icon: 'mdi:account',
    }),
  },
  people: {
    platform: 'sensor',
    name: 'People',
    fields: () => ({
      state_topic: 'state',
      value_template: '{{ value_json.people }}',
      unit_of_measurement: 'people',
      state_class: 'measurement',
      icon: 'mdi:account-group',
      ...diagnostic,
    }),
  },
  fps: {
    platform: 'sensor',
    name: 'Frame rate',
    fields: () => ({
      ...fromHealth('recognizer.fps | round(1)'),
      unit_of_measurement: 'fps',
      state_class: 'measurement',
      icon: 'mdi:speedometer',
    }),
  },
  refused: {
    platform: 'sensor',
    name: 'Refused commands',
    fields: () => ({
      ...fromHealth('supervisor.commands.refused'),
      state_class: 'total_increasing',
      icon: 'mdi:shield-alert',
    }),
  },
  restart_recognizer: {
    platform: 'button',
    name: 'Restart camera and recognizer',
    fields: () => ({
      command_topic: 'recognizer/set',
      payload_press: 'RESTART',
      device_class: 'restart',
      entity_category: 'config',
    }),
  },
  enrolment: {
    platform: 'sensor',
    name: 'Enrolment',
    fields: () => ({
      state_topic: 'enrol/state',
      value_template: '{{ value_json.state }}',
      device_class: 'enum',
      options: ['idle', 'collecting', 'confirming', 'saved', 'failed'],
      icon: 'mdi:account-plus',
    }),
  },
  enrol: {
    platform: 'button',
    name: 'Enrol who stands here',
    when: mayEnrol,
    fields: ({ mqtt }) => ({
      command_topic: 'enrol/set',
      command_template: mqtt.commandMaxAgeSeconds > 0 ? '{"at": "{{ utcnow().isoformat() }}"}' : '{}',
      entity_category: 'config',
    }),
  },
  cancel_enrolment: {
    platform: 'button',
    name: 'Cancel enrolment',
    when: mayEnrol,
    fields: () => ({ command_topic: 'enrol/set', payload_press: 'CANCEL', entity_category: 'config' }),
  },
  temperature: {
    platform: 'sensor',
    name: 'Temperature',
    fields: () => ({
      ...fromFan('celsius'),
      device_class: 'temperature',
      unit_of_measurement: '°C',
      state_class: 'measurement',
    }),
  },
  fan: {
    platform: 'sensor',
    name: 'Fan',
    when: hasFan,
    fields: () => ({ ...fromFan('percent'), unit_of_measurement: '%', state_class: 'measurement', icon: 'mdi:fan' }),
  },
  fan_fault: {
    platform: 'binary_sensor',
    name: 'Fan fault',
    when: hasFan,
    fields: () => ({
      state_topic: 'fan/state',
      value_template: "{{ 'ON' if value_json.fault is defined else 'OFF' }}",
      device_class: 'problem',
      ...diagnostic,
    }),
  },
  snapshot: {
    platform: 'image',
    name: 'Snapshot',
    when: ({ mqtt }) => mqtt.snapshots,
    fields: () => ({ image_topic: 'snapshot', content_type: 'image/png' }),
  },
}

/** Events that start automations without a template of the user's own. */
const triggers: readonly EventType[] = [
  'known',
  'unknown',
  'granted',
  'denied',
  'exit',
  'forced',
  'held_open',
  'tamper',
]

/**
 * The `cmps` of the discovery message. What the door does not have is listed with its platform alone, which takes it out
 * of the home again where it had been before.
 */
export function componentsOf(config: Config, facts: Facts, base: string): Record<string, Record<string, unknown>> {
  const id = config.device.id
  const listed = Object.entries(components).map(([key, { platform, name, when, fields }]) => {
    if (when && !when(config)) return [key, { p: platform }] as const
    const own = below(base, fields(config, facts))
    const named = { unique_id: `facelatch_${id}_${key}`, default_entity_id: `${platform}.${slug(id)}_${key}` }
    return [key, { p: platform, name, ...named, ...own }] as const
  })
  const triggered = triggers.map((type) => {
    const trigger = { automation_type: 'trigger', type, subtype: 'event', topic: `${base}/event`, payload: type }
    const value_template = freshOnly('{{ value_json.type }}')
    return [`on_${type}`, { p: 'device_automation', ...trigger, value_template }] as const
  })
  return Object.fromEntries([...listed, ...triggered])
}

function lockCommand(timed: boolean, coded: boolean): string {
  if (!timed && !coded) return '{{ value }}'
  const at = timed ? ', "at": "{{ utcnow().isoformat() }}"' : ''
  const code = coded ? ', "code": {{ code | default("") | string | tojson }}' : ''
  return `{"command": "{{ value }}"${at}${code}}`
}

/** Older than a minute, a figure is none any more. */
const fromHealth = (figure: string) => ({
  state_topic: 'health',
  value_template: `{{ value_json.${figure} }}`,
  expire_after: 60,
  ...diagnostic,
})

const slug = (id: string) => id.toLowerCase().replace(/[^a-z0-9]+/g, '_')

const below = (base: string, fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, key.endsWith('_topic') ? `${base}/${value}` : value]),
  )

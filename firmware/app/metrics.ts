/** The account as metrics: a table from what is known to names in Prometheus' conventions. No person's name is a label. */
import type { Account } from './account.js'

export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly values: readonly Value[]
}

interface Value {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

export function metricsOf(account: Account): Metric[] {
  const { topics, events } = account
  const { state, 'alarm/state': alarms, 'fan/state': fan } = topics
  const { recognizer, supervisor } = topics.health ?? {}
  const metrics: Metric[] = [
    gauge('info', 'What runs here; always 1', [
      {
        value: 1,
        labels: {
          version: account.version,
          device: account.device.id,
          engine: state?.engine ?? '',
          embedder: state?.embedder ?? '',
        },
      },
    ]),
    gauge('uptime_seconds', 'Since the supervisor started', one(account.uptimeSeconds)),
    gauge('broker_connected', '1 while there is a connection to the MQTT broker', one(bit(account.connected))),
    gauge('lock_locked', '1 while the door is locked', one(is(topics['lock/state'], 'LOCKED'))),
    gauge(
      'door_open',
      '1 while the door is open; absent without a door contact',
      one(is(topics['door/state'], 'open')),
    ),
    gauge('alarm', '1 while the alarm lasts', labelled('alarm', mapped(alarms, bit))),
    gauge('camera_live', '1 while pictures come', one(is(state?.camera, 'live'))),
    gauge(
      'camera_failed',
      '1 while nothing has helped the camera',
      one(supervisor?.camera && bit(supervisor.camera.failed)),
    ),
    counter('camera_faults_total', 'Faults of the camera', labelled('kind', supervisor?.camera?.faults ?? {})),
    counter('camera_steps_total', 'What was done about them', labelled('step', supervisor?.camera?.steps ?? {})),
    gauge('recognizer_running', '1 while the recognizer runs', one(is(state?.recognizer, 'running'))),
    counter('recognizer_losses_total', 'Times the recognizer was started again', one(account.recognizerLosses)),
    gauge('store_ok', '0 while events cannot be kept', one(is(state?.store, 'ok'))),
    gauge(
      'store_problems',
      'What "facelatch status" says of the store, its key and its nights',
      one(account.store?.problems.length),
    ),
    gauge('people', 'People enrolled', one(state?.people)),
    gauge('people_recognisable', 'Of them, whose templates can be used', one(account.store?.recognisable)),
    counter('events_total', 'Events since the start', labelled('type', events)),
    counter('commands_total', 'Commands by what became of them', labelled('outcome', { ...supervisor?.commands })),
    counter('frames_total', 'Frames judged since the recognizer started', one(recognizer?.frames)),
    counter('frames_dropped_total', 'Frames that were never looked at', one(recognizer?.dropped)),
    counter('sweeps_total', 'Frames searched whole for faces', one(recognizer?.sweeps)),
    counter('embeddings_total', 'Faces identified', one(recognizer?.embeddings)),
    gauge('frames_per_second', 'Frames judged', one(recognizer?.fps)),
    gauge('frame_seconds', 'From a decoded frame to its verdicts', quantiles(recognizer?.frameMs)),
    gauge('stage_seconds', 'Mean time a frame spends in a stage', labelled('stage', mapped(recognizer?.stages, perMs))),
    gauge('strike_seconds', "From a frame's verdict to the powered strike", quantiles(supervisor?.strike?.fromVerdict)),
    gauge('event_loop_delay_seconds', "Of the supervisor's event loop", quantiles(supervisor?.eventLoopDelayMs)),
    gauge('peak_memory_bytes', 'Largest resident memory of a process', [
      ...one(supervisor?.peakMemory, { process: 'supervisor' }),
      ...one(recognizer?.peakMemory, { process: 'recognizer' }),
    ]),
    gauge('temperature_celsius', 'The hottest thermal zone that counts', one(fan?.celsius)),
    gauge('fan_percent', 'Of full speed, as the fan is driven', one(fan?.percent)),
    gauge('fan_rpm', 'As the fan reports it', one(fan?.rpm)),
  ]
  return metrics.filter(({ values }) => values.length > 0)
}

const gauge = (name: string, help: string, values: readonly Value[]): Metric => ({
  name: `facelatch_${name}`,
  help,
  type: 'gauge',
  values,
})
const counter = (name: string, help: string, values: readonly Value[]): Metric => ({
  ...gauge(name, help, values),
  type: 'counter',
})

const one = (value: number | undefined, labels?: Value['labels']): Value[] =>
  value === undefined ? [] : [{ value, ...(labels && { labels }) }]
const bit = (value: boolean) => (value ? 1 : 0)
const is = (value: unknown, wanted: string) => (value === undefined ? undefined : bit(value === wanted))
const perMs = (ms: number) => ms / 1000

const mapped = <T>(values: Readonly<Record<string, T>> | undefined, to: (value: T) => number) =>
  Object.fromEntries(Object.entries(values ?? {}).map(([key, value]) => [key, to(value)]))

const labelled = (label: string, values: Readonly<Record<string, number>>): Value[] =>
  Object.entries(values).map(([key, value]) => ({ value, labels: { [label]: key } }))

const quantileOf: Readonly<Record<string, string>> = { p50: '0.5', p99: '0.99', max: '1' }

/** From `{p50, p99, max?}` in milliseconds. */
const quantiles = (spread: object | undefined): Value[] =>
  Object.entries(spread ?? {}).map(([key, ms]) => ({
    value: perMs(ms as number),
    labels: { quantile: quantileOf[key]! },
  }))

/** Every configuration key: its meaning, its check and its default. The type `Config` follows from this table. */
import { hostname } from 'node:os'
import type { Curve } from './domain/fan.js'
import { parseLine } from './domain/lines.js'
import { defaultTrackerOptions, type TrackerOptions } from './domain/tracker.js'
import { defaultVotesOptions, type VotesOptions } from './domain/votes.js'
import { inputLines, outputLines } from './ports.js'

/** One key. `check` answers what is wrong with a value, as the end of a sentence: "must be …". */
export interface Key<T> {
  readonly doc: string
  readonly default: T
  readonly check: (value: unknown) => string | undefined
}

export type Section = { readonly [name: string]: Key<unknown> | Section }

export type ValuesOf<S> = { readonly [K in keyof S]: S[K] extends Key<infer T> ? T : ValuesOf<S[K]> }

export const isKey = (node: Key<unknown> | Section): node is Key<unknown> => typeof node.check === 'function'

const must = (what: string, good: (value: unknown) => boolean) => (value: unknown) =>
  good(value) ? undefined : `must be ${what}`

const text = (doc: string, fallback = '', check = must('text', (value) => typeof value === 'string')): Key<string> => ({
  doc,
  default: fallback,
  check,
})
const path = (doc: string, fallback: string, most = 4096) =>
  text(
    doc,
    fallback,
    must(
      `a path of 1 to ${most} bytes`,
      (value) => typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= most,
    ),
  )
const flag = (doc: string, fallback: boolean): Key<boolean> => ({
  doc,
  default: fallback,
  check: must('true or false', (value) => typeof value === 'boolean'),
})
const choice = <T extends string>(doc: string, fallback: T, ...others: T[]): Key<T> => {
  const all = [fallback, ...others]
  return {
    doc,
    default: fallback,
    check: must(all.length === 1 ? `"${fallback}"` : `one of ${all.map((one) => `"${one}"`).join(', ')}`, (value) =>
      all.includes(value as T),
    ),
  }
}
const whole = (doc: string, fallback: number, low: number, high: number): Key<number> => ({
  doc,
  default: fallback,
  check: must(
    `a whole number from ${low} to ${high}`,
    (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
  ),
})
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const seconds = (doc: string, fallback: number, most = 86_400): Key<number> => ({
  doc,
  default: fallback,
  check: must(`a number above 0 and up to ${most}`, (value) => isNumber(value) && value > 0 && value <= most),
})
const part = (doc: string, fallback: number): Key<number> => ({
  doc,
  default: fallback,
  check: must('a number from 0 to 1', (value) => isNumber(value) && value >= 0 && value <= 1),
})

const topicLevel = must(
  'letters, digits, "_", "." and "-" only: it is a level of an MQTT topic',
  (value) => typeof value === 'string' && /^[A-Za-z0-9_.-]+$/.test(value),
)
const topicPath = must(
  'an MQTT topic without wildcards, e.g. "facelatch"',
  (value) => typeof value === 'string' && /^[^+#\s\0/]+(\/[^+#\s\0/]+)*$/.test(value),
)
const cameraSource = must(
  'csi:N, v4l2:/dev/videoN, rtsp://…, file:PATH or gst:PIPELINE',
  (value) => typeof value === 'string' && /^(csi:\d+|v4l2:\/.+|rtsps?:\/\/.+|file:.+|gst:.+)$/s.test(value),
)
const cronExpression = must(
  'a cron expression of five fields (minute hour day month weekday), or "" for never',
  (value) => value === '' || (typeof value === 'string' && /^[\w*,/#?-]+( +[\w*,/#?-]+){4}$/.test(value)),
)
/** A broker of our own asks for no password, so it stays on loopback. */
const brokerUrl = must('mqtt://host:port, mqtts://host:port, embedded://127.0.0.1:port, or "" for none', (value) => {
  if (value === '') return true
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol === 'embedded:') return url.hostname === '127.0.0.1'
  return url !== undefined && url.hostname !== '' && ['mqtt:', 'mqtts:'].includes(url.protocol)
})

/** The domain's own option tables are the one place of their meanings and defaults; here they become keys. */
function numbers<T extends object>(options: T, where: string): { readonly [K in keyof T]: Key<number> } {
  const key = (fallback: number): Key<number> => ({
    doc: `See ${where}`,
    default: fallback,
    check: must('a number, 0 or more', (value) => isNumber(value) && value >= 0),
  })
  return Object.fromEntries(Object.entries(options).map(([name, fallback]) => [name, key(fallback)])) as {
    readonly [K in keyof T]: Key<number>
  }
}

const lineText = must(
  'a number in quotes, "chip-label:line-name", "pin:31" on a Jetson, or "" for none; never gpiochipN',
  (value) => typeof value === 'string' && (value === '' || parseLine(value) !== undefined),
)
const lineName = (value: unknown) => (typeof value === 'number' ? `must be text: write "${value}"` : lineText(value))
const lines = [...outputLines, ...inputLines] as readonly string[]
const lineList = (doc: string): Key<readonly string[]> => ({
  doc,
  default: [],
  check: must(
    `a list of ${lines.map((line) => `"${line}"`).join(', ')}`,
    (value) => Array.isArray(value) && value.every((line) => lines.includes(line)),
  ),
})

const names = (doc: string): Key<readonly string[]> => ({
  doc,
  default: [],
  check: must(
    'a list of names',
    (value) => Array.isArray(value) && value.every((name) => typeof name === 'string' && name.trim() !== ''),
  ),
})

const isPoint = (value: unknown): value is readonly [number, number] =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber)
function isCurve(value: unknown): value is Curve {
  if (!Array.isArray(value) || !value.every(isPoint) || value.at(-1)?.[1] !== 100) return false
  return value.every(([at, percent], i) => {
    const [before, least] = value[i - 1] ?? [Number.NEGATIVE_INFINITY, 0]
    return at > before && percent >= least
  })
}
const curve = (doc: string): Key<Curve> => ({
  doc,
  default: [
    [40, 0],
    [50, 30],
    [75, 100],
  ],
  check: must('a list of [degrees, percent], degrees rising, percent never falling and 100 at the end', isCurve),
})

export const schema = {
  device: {
    id: text('Names this door in MQTT topics', hostname().replace(/[^A-Za-z0-9_.-]/g, '-') || 'facelatch', topicLevel),
    name: text('For people', 'Door'),
  },
  camera: {
    source: text('csi:N, v4l2:/dev/videoN, rtsp://…, file:PATH or gst:PIPELINE', 'v4l2:/dev/video0', cameraSource),
    width: whole('Pixels, asked of csi and v4l2 cameras', 640, 64, 8192),
    height: whole('Pixels, asked of csi and v4l2 cameras', 480, 64, 8192),
    fps: whole('Frames per second, asked of csi and v4l2 cameras', 30, 1, 240),
    loop: flag('file: start again at the end', false),
    realtime: flag("file: keep the recording's own pace; false judges every frame as fast as it can", true),
    stallSeconds: seconds('Seconds without a frame that count as a fault', 5),
  },
  recognizer: {
    engine: choice(
      'What runs the nets: auto takes TensorRT where it works and the CPU where not',
      'auto',
      'tensorrt',
      'onnxruntime',
    ),
    precision: choice("TensorRT's arithmetic: auto is fp16 where the GPU is fast at it", 'auto', 'fp32', 'fp16'),
    detector: choice('Face detector; auto is mtcnn', 'auto', 'mtcnn', 'yunet'),
    embedder: text('A name from models/manifest.json, or auto for the best one installed', 'auto'),
    classifier: choice(
      'A person is his nearest template, or the mean of them; svm: the nearest, unless machines trained on all disagree',
      'nearest',
      'imprinting',
      'svm',
    ),
    minFace: whole('Side of the smallest face looked for, pixels', 40, 20, 2000),
    maxFaces: whole('Largest number of faces judged in a frame', 16, 1, 64),
    threshold: {
      doc: "Similarity for a match; null takes the embedder's measured one",
      default: null,
      check: must(
        'a cosine above 0 and below 1, or null',
        (value) => value === null || (isNumber(value) && value > 0 && value < 1),
      ),
    } as Key<number | null>,
    liveness: choice(
      'A picture of a resident: off lets it in, warn lets it in and makes an event, require lets in living faces alone',
      'off',
      'warn',
      'require',
    ),
    threads: whole('Inference threads; 0 leaves one core to the supervisor', 0, 0, 64),
    heartbeatSeconds: seconds('Silence of the recognizer after which it is killed and started again', 10),
    models: text('Folder of built models; "" is the one beside the manifest'),
    plans: text('Folder of TensorRT plans; "" is plans/ in the folder of models'),
  },
  tracker: numbers<TrackerOptions>(defaultTrackerOptions, 'TrackerOptions in firmware/domain/tracker.ts'),
  votes: numbers<VotesOptions>(defaultVotesOptions, 'VotesOptions in firmware/domain/votes.ts'),
  door: {
    strikeSeconds: seconds('How long the strike is powered for one grant', 5, 600),
    heldOpenSeconds: seconds('An open door is an alarm after this', 60),
    failMode: choice('The strike when facelatch is stopped: secure = unpowered, safe = powered', 'secure', 'safe'),
    guardSeconds: seconds('A supervisor silent for this long is killed by its guard, the strike in failMode', 3, 60),
    sensor: flag('A door contact is wired to the door line', false),
    strikeMode: choice(
      'pulse: a grant powers the strike for strikeSeconds; hold: until the door opens',
      'pulse',
      'hold',
    ),
    holdSeconds: seconds('hold: the longest that one grant powers the strike', 30, 600),
    boltSensor: flag('A bolt position monitor is wired to the bolt line, on while the bolt is out', false),
    jamSeconds: seconds('Strike and bolt that disagree for longer are jammed', 2, 60),
  },
  access: {
    rulesFile: text('JSON file of who may enter when; "" lets everybody enrolled in at any time'),
    rearmSeconds: seconds('A person who stays in view is let in again after this', 20),
    absenceSeconds: seconds('A person who was away for longer comes again: a new event', 10),
    maxSightingAgeMs: whole('A sighting older than this opens nothing, ms', 1000, 50, 5000),
  },
  gpio: {
    driver: choice(
      'What drives the lines: gpiod = character device, onoff = /sys/class/gpio, auto = the first of them that is here',
      'auto',
      'gpiod',
      'onoff',
      'simulated',
    ),
    chip: text('Label of the chip whose numbers the lines are given by'),
    lines: {
      lock: text('The strike: number, "chip-label:line-name" or "pin:31"', '', lineName),
      door: text('The door contact, on while open', '', lineName),
      exit: text('The exit button', '', lineName),
      enrol: text('The enrolment button', '', lineName),
      led: text('The status LED', '', lineName),
      buzzer: text('The buzzer', '', lineName),
      tamper: text('The tamper contact', '', lineName),
      bolt: text('The bolt position monitor, on while the bolt is out', '', lineName),
    },
    activeLow: lineList('Lines that are on at low voltage, e.g. ["exit", "door"] for contacts to ground'),
    pullUp: lineList('Inputs held high by the chip itself, where it can; not with onoff'),
    pullDown: lineList('Inputs held low by the chip itself, where it can; not with onoff'),
    debounceMs: whole('An input counts once it was steady for this long', 20, 0, 1000),
    simulated: {
      log: text('File of JSON lines {at, line, value}; "" is /run/facelatch/gpio.jsonl'),
      // sun_path of unix(7) holds 108 bytes with its end.
      control: text('Unix socket that takes {"line":"exit","value":1}; "" is /run/facelatch/gpio.sock'),
    },
  },
  fan: {
    driver: choice(
      'none leaves the fan alone; auto takes a fan that nothing of NVIDIA drives; jetson = JetPack 4, hwmon = JetPack 5 and later',
      'none',
      'auto',
      'jetson',
      'hwmon',
      'pwmchip',
      'simulated',
    ),
    path: text('Folder of the fan\'s files, of a pwmchip the controller\'s address, e.g. 32a0000; "" looks for it'),
    curve: curve('Points of degrees Celsius and percent of full speed, both rising'),
    hysteresis: {
      doc: 'The fan slows down when it is this much cooler, degrees Celsius',
      default: 4,
      check: must('a number from 0 to 30', (value) => isNumber(value) && value >= 0 && value <= 30),
    } as Key<number>,
    zones: names('Types of the thermal zones that count; [] takes all but the PMIC, which is constant'),
    periodSeconds: seconds('How often temperatures are read', 2, 60),
    channel: whole('Channel of a pwmchip', 0, 0, 15),
    pwmPeriodNs: whole('Period of a pwmchip, ns: 40000 is the 25 kHz of four-wire fans', 40_000, 1_000, 10_000_000),
    sysfs: path('Mount point of sysfs', '/sys'),
  },
  mqtt: {
    url: text(
      'mqtt://host:port, mqtts://host:port, embedded://127.0.0.1:port for a broker of our own, "" for none',
      'mqtt://127.0.0.1:1883',
      brokerUrl,
    ),
    username: text('Broker account'),
    passwordFile: text('File that holds the password; a final newline is ignored'),
    caFile: text("PEM of the authority that signed the broker's certificate"),
    certFile: text('PEM of the client certificate'),
    keyFile: text('PEM of its key'),
    baseTopic: text('First part of every topic', 'facelatch', topicPath),
    discovery: flag('Let Home Assistant find this door by itself; false takes it out again', true),
    discoveryPrefix: text("First part of Home Assistant's own topics", 'homeassistant', topicPath),
    remoteUnlock: flag('Let lock/set open the door', false),
    remoteMode: flag('Let mode/set change between normal, lockdown and open', false),
    codeFile: text('File that holds the code which UNLOCK, normal, open and enrolling must bring; "" asks for none'),
    commandMaxAgeSeconds: {
      doc: "How far a command's own time may be from ours; 0 does not look at it",
      default: 10,
      check: must('a number from 0 to 3600', (value) => isNumber(value) && value >= 0 && value <= 3600),
    } as Key<number>,
    snapshots: flag('Publish an annotated picture with known and unknown events', false),
  },
  store: {
    path: path('SQLite file of people, templates, events and the outbox', '/var/lib/facelatch/facelatch.db'),
    keyFile: text('File of the key that seals templates; "" is the systemd credential facelatch-key, else PATH.key'),
    createKey: flag('A new store may make its key file where there is none', true),
    backups: text('Folder of backups; "" is backups/ beside the store'),
    keepBackups: whole('Backups kept, the newest ones', 7, 1, 1000),
    retentionDays: whole('Events older than this are removed by night; 0 keeps them for ever', 365, 0, 36_500),
  },
  schedule: {
    retention: text('When old events are removed and the audit log is signed', '7 3 * * *', cronExpression),
    optimize: text("When the store's journal and statistics are put in order", '12 3 * * *', cronExpression),
    check: text('When the store is read through', '17 3 * * *', cronExpression),
    backup: text('When the store is backed up', '27 3 * * *', cronExpression),
    catchUpSeconds: seconds('Jobs that were missed run this long after the start', 60),
  },
  metrics: {
    port: whole('Port on loopback where Prometheus may fetch /metrics; 0 for none', 0, 0, 65_535),
  },
  enrolment: {
    samples: whole('Templates kept per enrolment', 10, 1, 50),
    minQuality: part('Worst picture accepted', 0.4),
    seconds: seconds('How long pictures are taken', 5, 600),
    admins: names('Whose presence lets the enrol button enrol somebody else; [] leaves it to the first start'),
    adminSeconds: seconds('An admin counts as present this long after he was recognized', 15, 300),
    firstBoot: flag('While nobody is enrolled, whoever presses the enrol button is', true),
    remote: flag('Let enrol/set enrol whoever stands at the door', false),
    timeoutSeconds: seconds('An enrolment at the door that is not done by then has failed', 45, 600),
    longPressSeconds: seconds('The enrol button held for this long undoes the last enrolment', 3, 60),
    undoSeconds: seconds('Without an admin the last enrolment can be undone for this long', 60, 3600),
  },
} satisfies Section

export type Config = ValuesOf<typeof schema>

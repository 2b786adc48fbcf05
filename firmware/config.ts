/**
 * The configuration: one convict schema, read from files and then variables, checked strictly, frozen. Every key is
 * documented by its `doc`; `facelatch config show` prints the values in force and where the schema's defaults stand.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import convict from 'convict'
import { defaultTrackerOptions } from './domain/tracker.js'
import { defaultVotesOptions } from './domain/votes.js'

/** A configuration that cannot be used: one line per problem, each with the key, the place and the remedy. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'))
  }
}

type Leaf = { doc: string; format: unknown; default: unknown; env?: string; nullable?: boolean }
type Tree = { [key: string]: Leaf | Tree }

const positive = (value: unknown) => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw new Error('must be a number above 0')
}
const notNegative = (value: unknown) => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw new Error('must be a number, 0 or more')
}
const wholeWithin = (low: number, high: number) => (value: unknown) => {
  if (!Number.isInteger(value) || (value as number) < low || (value as number) > high)
    throw new Error(`must be a whole number from ${low} to ${high}`)
}
const topicLevel = (value: unknown) => {
  if (typeof value !== 'string' || !/^[A-Za-z0-9_.-]+$/.test(value))
    throw new Error('must be letters, digits, "_", "." and "-" only: it is a level of an MQTT topic')
}
const topicPath = (value: unknown) => {
  if (typeof value !== 'string' || !/^[^+#\s\0/]+(\/[^+#\s\0/]+)*$/.test(value))
    throw new Error('must be an MQTT topic without wildcards, e.g. "facelatch"')
}
const cameraSource = (value: unknown) => {
  if (typeof value !== 'string' || !/^(csi:\d+|v4l2:\/.+|rtsps?:\/\/.+|file:.+|gst:.+)$/.test(value))
    throw new Error('must be csi:N, v4l2:/dev/videoN, rtsp://…, file:PATH or gst:PIPELINE')
}
const brokerUrl = (value: unknown) => {
  if (value === '') return
  const url = URL.canParse(String(value)) ? new URL(String(value)) : undefined
  if (!url?.hostname || !['mqtt:', 'mqtts:', 'embedded:'].includes(url.protocol))
    throw new Error('must be mqtt://host:port, mqtts://host:port, embedded://127.0.0.1:port, or "" for none')
  if (url.protocol === 'embedded:' && url.hostname !== '127.0.0.1')
    throw new Error('must be embedded://127.0.0.1:port: the broker of our own asks for no password and stays on loopback')
}
/** convict turns a variable's text into a number only for its own number formats, so it is done here. */
const similarity = (value: unknown) => {
  if (value === null) return
  if (typeof value !== 'number' || !(value > -1 && value < 1)) throw new Error('must be a cosine between -1 and 1, or null')
}

/** The domain's own option tables are the single place of their defaults and meanings; here they become keys. */
function numbers(options: object, section: string): Tree {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key,
      { doc: `see ${section}Options in firmware/domain/${section.toLowerCase()}.ts`, format: notNegative, default: value },
    ]),
  )
}

const schema: Tree = {
  device: {
    id: { doc: 'Names this door in MQTT topics', format: topicLevel, default: hostname().replace(/[^A-Za-z0-9_.-]/g, '-') },
    name: { doc: 'For people', format: String, default: 'Door' },
  },
  camera: {
    source: { doc: 'csi:N, v4l2:/dev/videoN, rtsp://…, file:PATH or gst:PIPELINE', format: cameraSource, default: 'v4l2:/dev/video0' },
    width: { doc: 'Pixels, asked of csi and v4l2 cameras', format: wholeWithin(64, 8192), default: 640 },
    height: { doc: 'Pixels, asked of csi and v4l2 cameras', format: wholeWithin(64, 8192), default: 480 },
    fps: { doc: 'Frames per second, asked of csi and v4l2 cameras', format: wholeWithin(1, 240), default: 30 },
    loop: { doc: 'file: start again at the end', format: Boolean, default: false },
    realtime: { doc: 'file: keep the recording\'s own pace; false judges every frame as fast as it can', format: Boolean, default: true },
    stallSeconds: { doc: 'Seconds without a frame that count as a fault', format: positive, default: 5 },
  },
  recognizer: {
    engine: { doc: 'What runs the nets', format: ['auto', 'onnxruntime'], default: 'auto' },
    precision: { doc: 'Arithmetic of the nets', format: ['auto', 'fp32'], default: 'auto' },
    detector: { doc: 'Face detector', format: ['auto', 'mtcnn'], default: 'auto' },
    embedder: { doc: 'A name from models/manifest.json, or auto for the best one installed', format: String, default: 'auto' },
    classifier: { doc: 'How an embedding becomes a person', format: ['nearest'], default: 'nearest' },
    minFace: { doc: 'Side of the smallest face looked for, pixels', format: wholeWithin(20, 2000), default: 40 },
    maxFaces: { doc: 'Largest number of faces judged in a frame', format: wholeWithin(1, 64), default: 16 },
    threshold: { doc: 'Similarity for a match; null takes the embedder\'s measured one', format: similarity, default: null, nullable: true },
    liveness: { doc: 'Photo and screen detection', format: ['off'], default: 'off' },
    threads: { doc: 'Inference threads; 0 leaves one core to the supervisor', format: wholeWithin(0, 64), default: 0 },
    heartbeatSeconds: { doc: 'Silence of the recognizer after which it is killed and started again', format: positive, default: 10 },
    models: { doc: 'Folder of built models; "" is the one beside the manifest', format: String, default: '' },
  },
  tracker: numbers(defaultTrackerOptions, 'Tracker'),
  votes: numbers(defaultVotesOptions, 'Votes'),
  door: {
    strikeSeconds: { doc: 'How long the strike is powered for one grant', format: positive, default: 5 },
    heldOpenSeconds: { doc: 'An open door is an alarm after this', format: positive, default: 60 },
    failMode: { doc: 'The strike when facelatch is not running: secure = unpowered, safe = powered', format: ['secure', 'safe'], default: 'secure' },
    sensor: { doc: 'A door contact is wired to gpio.lines.door', format: Boolean, default: false },
  },
  access: {
    rearmSeconds: { doc: 'A person who stays in view is let in again after this', format: positive, default: 20 },
    maxSightingAgeMs: { doc: 'A sighting older than this opens nothing', format: positive, default: 1000 },
  },
  gpio: {
    driver: { doc: 'What drives the lines', format: ['simulated'], default: 'simulated' },
    simulated: {
      log: { doc: 'File of JSON lines {at, line, value}', format: String, default: '/run/facelatch/gpio.jsonl' },
      control: { doc: 'Unix socket that takes {"line":"exit","value":1}', format: String, default: '/run/facelatch/gpio.sock' },
    },
  },
  mqtt: {
    url: { doc: 'mqtt://host:port, mqtts://host:port, embedded://127.0.0.1:port for a broker of our own, "" for none', format: brokerUrl, default: 'mqtt://127.0.0.1:1883' },
    username: { doc: 'Broker account', format: String, default: '' },
    passwordFile: { doc: 'File that holds the password; a final newline is ignored', format: String, default: '' },
    caFile: { doc: 'PEM of the authority that signed the broker\'s certificate', format: String, default: '' },
    certFile: { doc: 'PEM of the client certificate', format: String, default: '' },
    keyFile: { doc: 'PEM of its key', format: String, default: '' },
    baseTopic: { doc: 'First part of every topic', format: topicPath, default: 'facelatch' },
    remoteUnlock: { doc: 'Let lock/set open the door', format: Boolean, default: false },
    snapshots: { doc: 'Publish an annotated picture with known and unknown events', format: Boolean, default: false },
  },
  store: {
    path: { doc: 'SQLite file of people, templates, events and the outbox', format: String, default: '/var/lib/facelatch/facelatch.db' },
  },
  enrolment: {
    samples: { doc: 'Templates kept per enrolment', format: wholeWithin(1, 50), default: 10 },
    minQuality: { doc: 'Worst picture accepted, 0 to 1', format: notNegative, default: 0.4 },
    seconds: { doc: 'How long the camera is watched', format: positive, default: 5 },
  },
}

export interface Config {
  readonly device: { readonly id: string; readonly name: string }
  readonly camera: {
    readonly source: string
    readonly width: number
    readonly height: number
    readonly fps: number
    readonly loop: boolean
    readonly realtime: boolean
    readonly stallSeconds: number
  }
  readonly recognizer: {
    readonly engine: 'auto' | 'onnxruntime'
    readonly precision: 'auto' | 'fp32'
    readonly detector: 'auto' | 'mtcnn'
    readonly embedder: string
    readonly classifier: 'nearest'
    readonly minFace: number
    readonly maxFaces: number
    readonly threshold: number | null
    readonly liveness: 'off'
    readonly threads: number
    readonly heartbeatSeconds: number
    readonly models: string
  }
  readonly tracker: typeof defaultTrackerOptions
  readonly votes: typeof defaultVotesOptions
  readonly door: {
    readonly strikeSeconds: number
    readonly heldOpenSeconds: number
    readonly failMode: 'secure' | 'safe'
    readonly sensor: boolean
  }
  readonly access: { readonly rearmSeconds: number; readonly maxSightingAgeMs: number }
  readonly gpio: { readonly driver: 'simulated'; readonly simulated: { readonly log: string; readonly control: string } }
  readonly mqtt: {
    readonly url: string
    readonly username: string
    readonly passwordFile: string
    readonly caFile: string
    readonly certFile: string
    readonly keyFile: string
    readonly baseTopic: string
    readonly remoteUnlock: boolean
    readonly snapshots: boolean
  }
  readonly store: { readonly path: string }
  readonly enrolment: { readonly samples: number; readonly minQuality: number; readonly seconds: number }
}

const isLeaf = (node: Leaf | Tree): node is Leaf => 'default' in node && 'format' in node

/** `recognizer.embedder` is FACELATCH_RECOGNIZER_EMBEDDER, `camera.stallSeconds` FACELATCH_CAMERA_STALL_SECONDS. */
export const variableOf = (path: string) =>
  `FACELATCH_${path.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replaceAll('.', '_').toUpperCase()}`

function* leaves(tree: Tree, prefix = ''): Generator<[string, Leaf]> {
  for (const [key, node] of Object.entries(tree))
    if (isLeaf(node)) yield [prefix + key, node]
    else yield* leaves(node, `${prefix}${key}.`)
}

/** Every key with its meaning and default, for `config show` and the README's test. */
export const configKeys = () => [...leaves(schema)].map(([path, leaf]) => ({ path, doc: leaf.doc, default: leaf.default, variable: variableOf(path) }))

function fromVariable(path: string, leaf: Leaf, text: string): unknown {
  if (typeof leaf.default === 'number' || leaf.nullable) {
    if (leaf.nullable && (text === '' || text === 'null')) return null
    const number = Number(text)
    return text.trim() !== '' && Number.isFinite(number) ? number : text
  }
  if (typeof leaf.default === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  return text
}

function readJson(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError([`cannot read configuration ${file}: ${(error as Error).message.split(',')[0]}; check --config`])
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
    throw new Error('it is not a JSON object')
  } catch (error) {
    throw new ConfigError([`configuration ${file} is not valid JSON: ${(error as Error).message}; correct the file`])
  }
}

/** Keys of a file that the schema lacks, or that are a value where the schema has a section and the other way round. */
function shapeProblems(value: Record<string, unknown>, tree: Tree, file: string, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const node = Object.hasOwn(tree, key) ? tree[key] : undefined
    const path = prefix + key
    if (!node) return [`unknown configuration key "${path}" in ${file}; "facelatch config show" lists the keys`]
    if (isLeaf(node)) return []
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return [`configuration key "${path}" in ${file} must be a section {…}`]
    return shapeProblems(inner as Record<string, unknown>, node, file, `${path}.`)
  })
}

const freeze = <T extends object>(value: T): T => {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}

/**
 * Reads files in order (later ones win), then variables.
 * @throws ConfigError naming every bad key at once.
 */
export function loadConfig(files: readonly string[], variables: NodeJS.ProcessEnv = process.env): Config {
  const known = new Map([...leaves(schema)].map(([path, leaf]) => [variableOf(path), { path, leaf }] as const))
  const config = convict(structuredCloneSchema(schema) as convict.Schema<object>)
  const problems: string[] = []
  const origin = new Map<string, string>()
  for (const file of files) {
    const value = readJson(file)
    const shape = shapeProblems(value, schema, file)
    problems.push(...shape)
    if (shape.length > 0) continue
    for (const { path: key } of known.values()) if (hasPath(value, key)) origin.set(key, file)
    config.load(value)
  }
  for (const [name, text] of Object.entries(variables)) {
    const entry = known.get(name)
    if (!entry || text === undefined) continue
    origin.set(entry.path, `variable ${name}`)
    config.set(entry.path as never, fromVariable(entry.path, entry.leaf, text) as never)
  }
  for (const [path, leaf] of leaves(schema)) {
    const problem = valueProblem(leaf, config.get(path as never))
    if (problem) problems.push(`configuration key "${path}" ${problem}, not ${JSON.stringify(config.get(path as never))} (${origin.get(path) ?? 'default'})`)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return freeze(config.getProperties() as unknown as Config)
}

/** One format check for all sources: convict's own messages name neither the file nor the variable. */
function valueProblem(leaf: Leaf, value: unknown): string | undefined {
  const { format } = leaf
  if (Array.isArray(format)) return format.includes(value) ? undefined : `must be one of ${format.map((x) => `"${x}"`).join(', ')}`
  if (format === String) return typeof value === 'string' ? undefined : 'must be text'
  if (format === Boolean) return typeof value === 'boolean' ? undefined : 'must be true or false'
  try {
    ;(format as (value: unknown) => void)(value)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const hasPath = (value: unknown, path: string) =>
  path.split('.').reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined), value) !== undefined

/** convict coerces by format (the text "5" becomes 5 for Number); '*' keeps each value as it was written, for our check. */
function structuredCloneSchema(tree: Tree): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([key, node]) => [key, isLeaf(node) ? { doc: node.doc, format: '*', default: node.default } : structuredCloneSchema(node)]),
  )
}

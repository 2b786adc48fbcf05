import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { loadRecognizer, native } from '../adapters/recognizer-native.js'
import type { Account } from '../app/account.js'
import { wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { withoutPasswords } from '../domain/addresses.js'
import { tryBroker } from '../home.js'
import { driverFor, inspectLines, simulatedPaths } from '../lines.js'
import { chooseModels } from '../models.js'
import type { LineReport } from '../ports.js'
import { nativeRemedy } from '../root.js'
import { secretProblems, sharedSecrets } from '../secrets.js'
import { readArguments, readConfig } from './arguments.js'
import { crashFindings } from './doctor-crashes.js'
import { fanFindings } from './doctor-fan.js'
import { hostFindings } from './doctor-host.js'
import { livenessFindings, modelFindings } from './doctor-models.js'
import { storeFindings } from './doctor-store.js'
import { type Finding, fault, faultOf, note, ok } from './findings.js'
import { askAccount, askedBeside } from './last-good.js'
import { loadRules } from './rules.js'
import { closedToUs, serviceFindings } from './service-reads.js'
import { runningFindings } from './service-unit.js'

const usage = `usage: facelatch doctor [--config FILE] [--last-good FILE] [--json]
What this machine has and lacks, each with its remedy. Exit code 1 when something the door needs is missing.`

export async function main(args: string[]): Promise<number> {
  const options = { json: { type: 'boolean' }, 'last-good': { type: 'string' } } as const
  const { values, positionals } = readArguments(args, options, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const tell = (finding: Finding) => console.log(values.json ? JSON.stringify(finding) : line(finding))
  let config: Config
  try {
    config = readConfig(values.config)
  } catch (error) {
    for (const finding of standsIn(await askedBeside(values.config, values['last-good']))) tell(finding)
    throw error
  }
  const findings: Finding[] = []
  const closed = closedToUs(config)
  const models = [modelFindings, livenessFindings, engine]
  const store = [(config: Config) => storeFindings(config, values.config), crashFindings]
  for (const check of [
    machine,
    async () => runningFindings(values.config),
    async (config: Config) => standsIn(await askAccount(config).catch(() => undefined)),
    (config: Config) => serviceFindings(config, values.config),
    nativeAddon,
    ...(closed.length > 0 ? [async () => notLookedAt(closed)] : models),
    camera,
    hostFindings,
    lines,
    rules,
    enrolment,
    fanFindings,
    ...(closed.length > 0 ? [] : store),
    broker,
  ]) {
    for (const finding of await check(config)) {
      findings.push(finding)
      tell(finding)
    }
  }
  return findings.some(({ level }) => level === 'fault') ? 1 : 0
}

const signs = { ok: 'ok   ', note: 'note ', fault: 'FAULT' }
const line = ({ check, level, what, remedy }: Finding) =>
  `${signs[level]} ${check.padEnd(9)} ${what}${remedy ? ` → ${remedy}` : ''}`

/** The running door does without what was configured. */
const standsIn = (account: Account | undefined): Finding[] => {
  const { rejected } = account ?? {}
  if (rejected === undefined) return []
  const what = `${rejected.file} could not be used when the door was started: the last good one, in use since ${rejected.since}, guards it`
  return [fault('config', what, 'facelatch config check; correct it, then: systemctl restart facelatch')]
}

const notLookedAt = (closed: readonly string[]): Finding[] => [
  note('rights', `models, engine and store were not looked at: ${closed.join(', ')}: EACCES`, 'sudo facelatch doctor'),
]

async function machine(): Promise<Finding[]> {
  const board = await readFile('/proc/device-tree/model', 'utf8').then(
    (text) => text.replace(/\0+$/, ''),
    () => `${process.arch} computer, no Jetson`,
  )
  return [
    ok(
      'machine',
      `${board}, ${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(1)} GiB, Node ${process.versions.node}`,
    ),
  ]
}

async function nativeAddon(): Promise<Finding[]> {
  try {
    const { gstreamer, onnxruntime } = native().versions()
    return [ok('native', `GStreamer ${gstreamer}, ONNX Runtime ${onnxruntime}`)]
  } catch (error) {
    return [faultOf('native', error, nativeRemedy())]
  }
}

async function engine(config: Config): Promise<Finding[]> {
  try {
    const recognizer = await loadRecognizer(await chooseModels(config))
    await recognizer.close()
    const { engine, fallback, notes } = recognizer
    return [
      fallback === null
        ? ok('engine', `${engine}, as ${whyEngine(config, engine)}`)
        : note('engine', `${engine}, for want of TensorRT: ${fallback}`, 'slower, and it works'),
      ...notes.map((what) => ok('plans', what)),
    ]
  } catch (error) {
    // Anything else was said by the checks before.
    return config.recognizer.engine === 'tensorrt' ? [faultOf('engine', error, 'set recognizer.engine to auto')] : []
  }
}

function whyEngine({ recognizer }: Config, engine: string): string {
  if (recognizer.engine !== 'auto') return `recognizer.engine is ${recognizer.engine}`
  return engine.startsWith('TensorRT') ? 'there is a GPU that it can use' : 'there is no GPU and none was built for'
}

/** Looks, and does not open: the service may be using the camera. */
async function camera(config: Config): Promise<Finding[]> {
  const { source } = config.camera
  const [scheme, rest] = [source.slice(0, source.indexOf(':')), source.slice(source.indexOf(':') + 1)]
  if (scheme === 'v4l2' || scheme === 'file')
    return existsSync(rest)
      ? [ok('camera', source)]
      : [
          fault(
            'camera',
            `${rest} is not there`,
            scheme === 'v4l2' ? 'plug the camera in, or set camera.source' : 'set camera.source',
          ),
        ]
  if (scheme === 'csi') {
    try {
      if (!native().hasElement('nvarguscamerasrc'))
        return [
          fault(
            'camera',
            'GStreamer has no nvarguscamerasrc',
            'a CSI camera needs a Jetson with nvidia-l4t-gstreamer; or set camera.source to v4l2:/dev/video0',
          ),
        ]
    } catch {
      return []
    }
  }
  return [ok('camera', `${withoutPasswords(source)} (not tried)`)]
}

async function lines(config: Config): Promise<Finding[]> {
  try {
    const driver = driverFor(config)
    if (driver === 'simulated') {
      const { log, control } = simulatedPaths(config)
      const what = `simulated lines, log ${log}, control ${control}: no real strike is driven`
      return [note('gpio', what, 'set gpio.lines.lock and gpio.driver for a real door')]
    }
    const found = inspectLines(config, driver).map((report) => lineFinding(driver, report))
    return [...found, ...exitFindings(config)]
  } catch (error) {
    return [faultOf('gpio', error, 'see gpio.* in "facelatch config show"'), ...exitFindings(config)]
  }
}

/** Said of a door with a lock, also where its lines cannot be looked at here. */
const exitFindings = ({ gpio: { lines } }: Config): Finding[] =>
  lines.exit === '' && lines.lock !== ''
    ? [
        note(
          'gpio',
          'there is no exit button: a door that only a face opens',
          'set gpio.lines.exit, or see to another way out',
        ),
      ]
    : []

/** A button without anybody entitled to press it, and one that everybody is entitled to, are both worth knowing. */
async function enrolment({ gpio, enrolment, mqtt }: Config): Promise<Finding[]> {
  const found: Finding[] = []
  const button = gpio.lines.enrol !== '' || gpio.driver === 'simulated'
  if (button && enrolment.admins.length === 0)
    found.push(note('enrol', 'the enrol button works only while nobody is enrolled', 'name who may: enrolment.admins'))
  if (enrolment.remote && mqtt.username === '' && mqtt.certFile === '' && mqtt.url !== '')
    found.push(
      note(
        'enrol',
        'enrol/set is obeyed, and the broker knows us by no password',
        'set mqtt.username and passwordFile',
      ),
    )
  return found
}

function lineFinding(driver: string, { settings, place, problem, holder }: LineReport): Finding {
  const line = `${settings.line} "${settings.text}"`
  if (problem !== undefined) return faultOf('gpio', new Error(`${line}: ${problem}`), 'correct gpio.lines')
  const what = `${line}: ${place}, ${driver}${settings.activeLow ? ', active low' : ''}`
  if (holder === undefined) return ok('gpio', `${what}, free`)
  if (holder.startsWith('facelatch')) return ok('gpio', `${what}, held by the running ${holder}`)
  return fault('gpio', `${what}, held by ${holder}`, 'stop that, or choose another line')
}

/** A door whose rules cannot be used opens for no face. */
async function rules({ access: { rulesFile } }: Config): Promise<Finding[]> {
  if (rulesFile === '') return [ok('rules', 'none: everybody enrolled may enter at any time')]
  const loaded = loadRules(rulesFile)
  if ('problems' in loaded)
    return loaded.problems.map((problem) => fault('rules', problem, 'correct access.rulesFile or the file'))
  const { people, groups, timeZone } = loaded.rules
  return [ok('rules', `${rulesFile}: ${people.size} people, ${groups.size} groups, ${timeZone}`)]
}

async function broker(config: Config): Promise<Finding[]> {
  const { mqtt } = config
  if (mqtt.url === '') return [note('mqtt', 'no broker is configured', 'set mqtt.url')]
  const unusable = secretProblems(config)
  if (unusable.length > 0) return unusable.map((problem) => faultOf('mqtt', new Error(problem), 'correct it'))
  const shared = sharedSecrets(config).map((problem) => faultOf('mqtt', new Error(problem), 'chmod 600'))
  return [...shared, await brokerAnswer(config)]
}

/** The login, too: a broker that refuses us answers all the same. */
async function brokerAnswer(config: Config): Promise<Finding> {
  const { mqtt } = config
  const shown = withoutPasswords(mqtt.url)
  if (mqtt.url.startsWith('embedded:'))
    return note('mqtt', `a broker of our own at ${mqtt.url}, for trying things only`, 'use mosquitto for a real home')
  const trouble = await tryBroker(config)
  if (trouble === undefined) return ok('mqtt', `${shown} lets us in${mqtt.username && ` as ${mqtt.username}`}`)
  const { what, remedy, refused } = trouble
  if (!refused) return note('mqtt', `${what}; events will wait for it`, remedy)
  const known = mqtt.username === '' || mqtt.passwordFile !== '' || new URL(mqtt.url).password !== ''
  if (known) return fault('mqtt', what, remedy)
  // It may be a credential that only the service gets.
  return note('mqtt', `${what}, tried without a password, since none is known here`, 'set mqtt.passwordFile')
}

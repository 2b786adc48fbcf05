/** Reads the configuration: files, then variables, through convict; checked strictly, frozen. */
import { readFileSync, statSync } from 'node:fs'
import convict from 'convict'
import { isKey, type Key, type Section } from './config-keys.js'
import { pairProblems } from './config-pairs.js'
import { type Config, schema } from './config-schema.js'
import { findCredential } from './credentials.js'
import { repeatedKeys } from './domain/json-keys.js'

export type { Config } from './config-schema.js'

/** A configuration that cannot be used: one line per problem, each with the key, the place and the remedy. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'))
  }
}

/** `recognizer.embedder` is FACELATCH_RECOGNIZER_EMBEDDER, `camera.stallSeconds` FACELATCH_CAMERA_STALL_SECONDS. */
const variableOf = (path: string) =>
  `FACELATCH_${path
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`

function* keysOf(section: Section, prefix = ''): Generator<{ path: string; variable: string; key: Key<unknown> }> {
  for (const [name, node] of Object.entries(section))
    if (isKey(node)) yield { path: prefix + name, variable: variableOf(prefix + name), key: node }
    else yield* keysOf(node, `${prefix}${name}.`)
}

/** Every key with its variable, meaning and default. */
export const configKeys = () =>
  [...keysOf(schema)].map(({ path, variable, key }) => ({ path, variable, doc: key.doc, default: key.default }))

/** A file, or one whose text was read before. */
export type ConfigSource = string | { readonly file: string; readonly text: string }

/** The value at a dotted path, or undefined. */
export const valueAt = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (at, name) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined),
      value,
    )

/**
 * Reads files in order (later ones win), then variables; secrets that none of them names are systemd's credentials.
 * @throws ConfigError naming every bad key at once.
 */
export function loadConfig(files: readonly ConfigSource[], variables: NodeJS.ProcessEnv = process.env): Config {
  const keys = [...keysOf(schema)]
  // Our own check speaks for all sources; convict's would turn text into numbers and name neither file nor variable.
  const config = convict(
    mapKeys(schema, ({ doc, default: fallback }) => ({
      doc,
      format: '*',
      default: fallback,
    })) as convict.Schema<object>,
  )
  const problems: string[] = []
  const origins = new Map<string, string>()
  for (const source of files) {
    const { file, text } = typeof source === 'string' ? { file: source, text: readText(source) } : source
    const value = parseJson(file, text)
    const strange = shapeProblems(value, schema, file)
    problems.push(...strange)
    if (strange.length > 0) continue
    for (const { path } of keys) if (valueAt(value, path) !== undefined) origins.set(path, file)
    config.load(value)
  }
  const known = new Set([...keys.map(({ variable }) => variable), 'FACELATCH_LOG'])
  for (const name of Object.keys(variables))
    if (name.startsWith('FACELATCH_') && !known.has(name))
      problems.push(`unknown variable ${name}; "facelatch config show" lists them`)
  for (const { path, variable, key } of keys) {
    const text = variables[variable]
    if (text === undefined) continue
    origins.set(path, `variable ${variable}`)
    config.set(path as never, fromVariable(key, text) as never)
  }
  for (const path of ['mqtt.passwordFile', 'mqtt.codeFile'] as const) {
    const credential = findCredential(path, variables.CREDENTIALS_DIRECTORY)
    if (credential !== undefined && config.get(path as never) === '') config.set(path as never, credential as never)
  }
  for (const { path, key } of keys) {
    const value: unknown = config.get(path as never)
    const problem = key.check(value)
    if (problem !== undefined)
      problems.push(
        `configuration key "${path}" ${problem}, not ${JSON.stringify(value)} (${origins.get(path) ?? 'default'})`,
      )
  }
  if (problems.length > 0) throw new ConfigError(problems)
  const values = config.getProperties() as unknown as Config
  const contradictions = pairProblems(values)
  if (contradictions.length > 0) throw new ConfigError(contradictions)
  return freeze(values)
}

function mapKeys(section: Section, change: (key: Key<unknown>) => object): object {
  return Object.fromEntries(
    Object.entries(section).map(([name, node]) => [name, isKey(node) ? change(node) : mapKeys(node, change)]),
  )
}

/** Variables are text; what the key is by default says what the text means. */
function fromVariable(key: Key<unknown>, text: string): unknown {
  if (typeof key.default === 'number' || key.default === null) {
    if (key.default === null && (text === '' || text === 'null')) return null
    const number = Number(text)
    return text.trim() !== '' && Number.isFinite(number) ? number : text
  }
  if (Array.isArray(key.default) && text.trim().startsWith('[')) return listOf(text)
  if (Array.isArray(key.default)) return text.split(',').flatMap((item) => item.trim() || [])
  if (typeof key.default === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  return text
}

/** A list of lists is written as JSON. */
function listOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** @throws ConfigError in one line. */
export function readText(file: string): string {
  try {
    // Some editors begin a file with a byte order mark, which JSON does not know.
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`cannot read the configuration ${file}: ${code}; ${readRemedy(file, code)}`])
  }
}

function parseJson(file: string, text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not a JSON object')
  } catch (error) {
    throw new ConfigError([
      `the configuration ${file} is not valid JSON: ${(error as Error).message.replaceAll('\n', ' ')}; correct the file`,
    ])
  }
  const twice = repeatedKeys(text)
  if (twice.length > 0)
    throw new ConfigError(twice.map((key) => `configuration key "${key}" is there twice in ${file}; keep one of them`))
  return value as Record<string, unknown>
}

function readRemedy(file: string, code: string | undefined): string {
  if (code !== 'EACCES') return 'check --config'
  const root = 'run this with sudo, or let its user read it: the service is user facelatch'
  const found = modeOf(file)
  return found === undefined ? root : `its mode is ${found}; ${root}: chgrp facelatch ${file} && chmod 640 ${file}`
}

/** Undefined where its folder may not be entered either. */
function modeOf(file: string): string | undefined {
  try {
    return (statSync(file).mode & 0o777).toString(8)
  } catch {
    return undefined
  }
}

/** Keys of a file that the schema lacks, and values where it has a section. */
function shapeProblems(value: Record<string, unknown>, section: Section, file: string, prefix = ''): string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const node = Object.hasOwn(section, name) ? section[name] : undefined
    const path = prefix + name
    if (!node) return [`unknown configuration key "${path}" in ${file}; "facelatch config show" lists the keys`]
    if (isKey(node)) return []
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner))
      return [`configuration key "${path}" must be a section {…}, not ${JSON.stringify(inner)} (${file})`]
    return shapeProblems(inner as Record<string, unknown>, node, file, `${path}.`)
  })
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner)
  return Object.freeze(value)
}

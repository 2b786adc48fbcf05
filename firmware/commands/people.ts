import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askStatus, statusSockets } from '../adapters/status-socket.js'
import type { Account } from '../app/account.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import { chooseModels } from '../models.js'
import type { Store, StoreCare } from '../ports.js'
import { openConfigured } from '../store.js'
import { expectStore, readArguments, readConfig } from './arguments.js'
import { exportPeople, importPeople } from './people-archive.js'
import { enrol, samplesFromCamera, samplesFromFiles } from './people-enrol.js'
import { notRecognised } from './people-unknown.js'

/** So long the running facelatch may take to have forgotten somebody, ms. */
const confirmedMs = 10_000
const confirmEveryMs = 50

const usage = `usage: facelatch people list|add|remove|rename|export|import … [--config FILE] [--json]
people list                                   who is enrolled
people add NAME --images DIR [--more]         from the pictures of a folder, one face each
people add NAME --camera [--seconds N] [--source SOURCE] [--more]
                                              from the camera, or from any source, e.g. file:clip.mp4
people remove NAME                            forgets the person and all templates
people rename NAME NEW-NAME
people export FILE --key KEYFILE [--force]    everybody, encrypted; --force replaces a file
people import FILE --key KEYFILE
--more adds to somebody who is enrolled, pictures that look like those of before; --allow-unlike adds others, too.
--allow-look-alike enrols a twin.`

const options = {
  json: { type: 'boolean' },
  images: { type: 'string' },
  camera: { type: 'boolean' },
  seconds: { type: 'string' },
  source: { type: 'string' },
  more: { type: 'boolean' },
  'allow-look-alike': { type: 'boolean' },
  'allow-unlike': { type: 'boolean' },
  key: { type: 'string' },
  force: { type: 'boolean' },
} as const

type Values = ReturnType<typeof readArguments<typeof options>>['values']

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, options, usage)
  const [action, ...operands] = positionals
  const wanted: Record<string, number> = { list: 0, add: 1, remove: 1, rename: 2, export: 1, import: 1 }
  if (action === undefined || wanted[action] !== operands.length) throw wrongUsage(usage.split('\n')[0]!)
  const config = readConfig(values.config)
  if (action !== 'add' && action !== 'import') expectStore(config)
  const store = await openConfigured(config)
  try {
    switch (action) {
      case 'list':
        return await list(config, store, values)
      case 'add':
        return await add(config, store, operands[0]!, values)
      case 'remove':
        if (!(await store.removePerson(operands[0]!, [{ type: 'removed', person: operands[0]! }])))
          throw nobody(operands[0]!)
        await untilUnknown(config, operands[0]!, await store.galleryRevision())
        return say(values, { removed: operands[0]! }, `${operands[0]} is forgotten`)
      case 'rename':
        if (
          !(await store.renamePerson(operands[0]!, operands[1]!, [
            { type: 'renamed', person: operands[0]!, detail: { to: operands[1]! } },
          ]))
        )
          throw nobody(operands[0]!)
        return say(values, { renamed: operands[0]!, to: operands[1]! }, `${operands[0]} is now called ${operands[1]}`)
      case 'export': {
        const people = await exportPeople(store, operands[0]!, values)
        return say(values, { exported: people }, `${people} people written to ${operands[0]}`)
      }
      default: {
        const result = await importPeople(store, operands[0]!, values.key)
        return say(
          values,
          result,
          `${result.imported} people imported${result.kept.length > 0 ? `, already enrolled and left alone: ${result.kept.join(', ')}` : ''}`,
        )
      }
    }
  } finally {
    await store.close()
  }
}

/** What is acknowledged here holds at the door: a facelatch that runs looks for changed people once a second. */
async function untilUnknown({ store: { path } }: Config, name: string, revision: number): Promise<void> {
  const deadline = performance.now() + confirmedMs
  for (;;) {
    const account = (await askStatus(statusSockets(path)).catch(() => ({ galleryRevision: -1 }))) as Account | undefined
    if ((account?.galleryRevision ?? revision) >= revision) return
    if (performance.now() > deadline)
      throw new UserError(
        `${name} is forgotten, but the facelatch that runs did not confirm it within ${confirmedMs / 1000} s: see "facelatch status", or restart it`,
      )
    await sleep(confirmEveryMs)
  }
}

const templatesOf = (count: number) => `${count} template${count === 1 ? '' : 's'}`

const nobody = (name: string) =>
  new UserError(`nobody called "${name}" is enrolled; "facelatch people list" names everybody`)

function say(values: Values, object: object, sentence: string): number {
  console.log(values.json ? JSON.stringify(object) : sentence)
  return 0
}

async function list(config: Config, store: Store & StoreCare, values: Values): Promise<number> {
  const people = await store.people()
  if (values.json) for (const person of people) console.log(JSON.stringify(person))
  else if (people.length === 0) console.log('nobody is enrolled')
  else
    for (const { name, createdAt, templates } of people)
      console.log(
        `${name}  since ${createdAt.slice(0, 10)}  ${
          Object.entries(templates)
            .map(([embedder, count]) => `${templatesOf(count)} (${embedder})`)
            .join(', ') || 'no templates'
        }`,
      )
  const missing = await notRecognised(config, await chooseModels(config).catch(() => undefined), store, people)
  if (missing !== undefined) console.error(`facelatch: ${missing.what}; ${missing.remedy}`)
  return 0
}

async function add(config: Config, store: Store, name: string, values: Values): Promise<number> {
  if ((values.images === undefined) === !values.camera && values.source === undefined)
    throw wrongUsage('people add needs either --images DIR or --camera; "facelatch people --help" says more')
  const samples =
    values.images !== undefined
      ? samplesFromFiles(await picturesIn(values.images))
      : samplesFromCamera(values.source ?? config.camera.source, secondsOf(values.seconds, config))
  if (values['allow-unlike'] && !values.more) throw wrongUsage('--allow-unlike goes with --more')
  const { person, added, refused, unseen, unchecked } = await enrol(config, store, name, samples, {
    more: values.more === true,
    allowLookAlike: values['allow-look-alike'] === true,
    allowUnlike: values['allow-unlike'] === true,
  })
  for (const { source, reason } of refused) console.error(`facelatch: left out ${source}: ${reason}`)
  if (unchecked)
    console.error(
      `facelatch: not compared with what is known of ${person.name}, who had no templates of the embedder in use: make sure that the pictures are ${person.name}'s`,
    )
  if (unseen.length > 0)
    console.error(
      `facelatch: not compared with ${unseen.join(', ')}, who have no templates of the embedder in use; if it is one of them, remove "${person.name}" and give --more with that name`,
    )
  return say(
    values,
    { enrolled: person.name, templates: added, refused },
    `${person.name} is enrolled with ${templatesOf(added)}`,
  )
}

function secondsOf(text: string | undefined, config: Config): number {
  if (text === undefined) return config.enrolment.seconds
  const seconds = Number(text)
  if (text.trim() === '' || !(seconds > 0)) throw wrongUsage(`--seconds must be a number above 0, not "${text}"`)
  return seconds
}

async function picturesIn(folder: string): Promise<string[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    throw new UserError(`cannot read the folder ${folder}: ${(error as NodeJS.ErrnoException).code}; check --images`)
  }
  const pictures = names.filter((name) => /\.(jpe?g|png|webp|avif|tiff?|gif)$/i.test(name)).sort()
  if (pictures.length === 0)
    throw new UserError(`the folder ${folder} holds no picture (jpg, png, webp, avif, tiff, gif); check --images`)
  return pictures.map((name) => join(folder, name))
}

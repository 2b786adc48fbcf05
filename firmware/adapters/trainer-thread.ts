/** Trains on a thread of its own and keeps the result in a file, until the gallery changes. */
import { createHash, randomUUID } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import type { Gallery } from '../domain/classifiers.js'
import type { Machine } from '../domain/svm.js'
import type { Template, Trainer } from '../ports.js'

/** Counts up when the same gallery comes to be trained otherwise. */
const version = 1

/** What the file holds, as JSON. */
interface Kept {
  /** Digest of version, embedder and every template: a file of another gallery is of no use. */
  readonly key: string
  readonly people: readonly string[]
  readonly slope: number
  readonly offset: number
  readonly cost: number
  /** Little-endian float32 in base64. */
  readonly planes: string
}

export interface TrainerOptions {
  readonly file: string
  readonly embedder: string
}

export function createTrainer({ file, embedder }: TrainerOptions): Trainer {
  let training: Worker | undefined
  return {
    async train(templates) {
      await training?.terminate()
      training = undefined
      const gallery = byPerson(templates)
      if (gallery.size < 2) {
        // Who was removed is to be forgotten here, too.
        await rm(file, { force: true })
        return undefined
      }
      const people = [...gallery.keys()]
      const key = digest(embedder, gallery)
      const kept = await read(file, key, people, templates[0]!.embedding.length)
      if (kept !== undefined) return { people, machine: kept }
      await rm(file, { force: true })
      const worker = new Worker(new URL('./trainer-worker.js', import.meta.url), {
        workerData: [...gallery.values()] satisfies Gallery,
      })
      training = worker
      const machine = await answerOf(worker)
      // One that cannot be kept is trained again at the next start: that costs time, and nothing else.
      await write(file, { key, ...machine, people, planes: pack(machine.planes) }).catch(() => {})
      return { people, machine }
    },
  }
}

/** Takes away what another classifier left behind: it tells what enrolled people look like. */
export const forgetMachines = (file: string): Promise<void> => rm(file, { force: true })

/** In the order of names: who was enrolled first makes no difference. */
function byPerson(templates: readonly Template[]): Map<string, Float32Array[]> {
  const people = new Map<string, Float32Array[]>()
  for (const { person, embedding } of templates) {
    const own = people.get(person)
    if (own) own.push(embedding)
    else people.set(person, [embedding])
  }
  return new Map([...people].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function digest(embedder: string, gallery: ReadonlyMap<string, readonly Float32Array[]>): string {
  const hash = createHash('sha256').update(JSON.stringify([version, embedder]))
  for (const [person, rows] of gallery) {
    hash.update(JSON.stringify([person, rows.length]))
    for (const row of rows) hash.update(bytesOf(row))
  }
  return hash.digest('hex')
}

function answerOf(worker: Worker): Promise<Machine> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the training was called off')))
  })
}

/** Undefined for a file that is missing, cut short, altered or of another gallery. */
async function read(file: string, key: string, people: readonly string[], dimensions: number) {
  try {
    const { sum, ...kept } = JSON.parse(await readFile(file, 'utf8')) as Kept & { sum: string }
    if (kept.key !== key || sum !== sumOf(kept)) return undefined
    // A copy of its own: a Buffer's memory is shared and not aligned for floats.
    const planes = new Float32Array(Uint8Array.from(Buffer.from(kept.planes, 'base64')).buffer)
    if (planes.length !== people.length * (dimensions + 1)) return undefined
    const { slope, offset, cost } = kept
    return { people: people.length, planes, slope, offset, cost } satisfies Machine
  } catch {
    return undefined
  }
}

/** Whoever reads it meanwhile, or after a power cut, finds the old file, the new one or none. */
async function write(file: string, { key, people, slope, offset, cost, planes }: Kept): Promise<void> {
  const kept: Kept = { key, people, slope, offset, cost, planes }
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(JSON.stringify({ ...kept, sum: sumOf(kept) }))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

const sumOf = (kept: Kept) => createHash('sha256').update(JSON.stringify(kept)).digest('hex')
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength)
const pack = (values: Float32Array) => bytesOf(values).toString('base64')

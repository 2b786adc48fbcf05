/** Embeddings of many pictures, kept in a file: evaluating again, or otherwise, does not look at the pictures again. */
import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { loadRecognizer, type RecognizerSetup } from '../adapters/recognizer-native.js'
import { UserError } from '../app/errors.js'
import type { Recognizer } from '../ports.js'
import { facesOfFile, type SeenFace } from './recognition.js'

/** A picture's subject. */
export type Seen = Pick<SeenFace, 'embedding' | 'quality' | 'clarity'>

/** Null where no face was found or the file cannot be read. */
export type Embeddings = ReadonlyMap<string, Seen | null>

/** Counts up when the same nets come to say something else of a picture: another alignment, other measures. */
const method = 3

export const defaultCache = () => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'facelatch/evaluate')

/** One line of the file. A picture is known again by its path, size and time of change. */
interface Kept {
  readonly picture: string
  readonly size: number
  readonly changed: number
  readonly seen:
    | (Omit<Seen, 'embedding'> & { /** Little-endian float32 in base64. */ readonly embedding: string })
    | null
}

/** Pictures decoded and judged at a time: one is inferred while the next is decoded. */
const ahead = 3

/**
 * @param sums sha256 of the model files in use: with another model, template or smallest face another file is used.
 * @param progress called after each picture that had to be looked at.
 */
export async function embedPictures(
  pictures: readonly string[],
  { setup, sums, cache }: { setup: RecognizerSetup; sums: readonly string[]; cache: string },
  progress: (done: number, of: number) => void,
): Promise<Embeddings> {
  // Where the models lie and how many threads run them does not change what they say.
  const options = JSON.stringify({ ...setup.options, threads: 0 }, (_, value) =>
    typeof value === 'string' && value.startsWith('/') ? basename(value) : value,
  )
  const key = createHash('sha256').update(`${method}${options}`).update(sums.join()).digest('hex').slice(0, 16)
  // Embeddings tell who somebody is: nobody else on the machine is to read them.
  const file = join(cache, `${setup.embedder}-${key}.jsonl`)
  const kept = within(cache, () => {
    mkdirSync(cache, { recursive: true, mode: 0o700 })
    return read(file)
  })
  const found = new Map<string, Seen | null>()
  const missing: string[] = []
  for (const picture of new Set(pictures)) {
    const entry = kept.get(picture)
    const now = stamp(picture)
    if (entry && entry.size === now.size && entry.changed === now.changed) found.set(picture, unpack(entry.seen))
    else missing.push(picture)
  }
  if (missing.length === 0) return found
  const recognizer = await loadRecognizer(setup)
  try {
    let next = 0
    let done = 0
    const worker = async () => {
      while (next < missing.length) {
        const picture = missing[next++]!
        const seen = await subject(recognizer, picture)
        found.set(picture, seen)
        const line: Kept = { picture, ...stamp(picture), seen: pack(seen) }
        within(cache, () => appendFileSync(file, `${JSON.stringify(line)}\n`, { mode: 0o600 }))
        progress(++done, missing.length)
      }
    }
    await Promise.all(Array.from({ length: ahead }, worker))
  } finally {
    await recognizer.close()
  }
  return found
}

function within<T>(cache: string, keep: () => T): T {
  try {
    return keep()
  } catch (error) {
    throw new UserError(`cannot keep embeddings in ${cache} (${(error as NodeJS.ErrnoException).code}); check --cache`)
  }
}

async function subject(recognizer: Recognizer, picture: string): Promise<Seen | null> {
  try {
    return (await facesOfFile(recognizer, picture)).faces[0] ?? null
  } catch (error) {
    console.error(`${picture}: ${(error as Error).message}; it counts as a picture without a face`)
    return null
  }
}

function read(file: string): Map<string, Kept> {
  const kept = new Map<string, Kept>()
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  for (const line of text.split('\n')) {
    try {
      const entry = JSON.parse(line) as Kept
      kept.set(entry.picture, entry)
    } catch {
      // The last line of a run that was cut short; its picture is looked at again.
    }
  }
  return kept
}

function stamp(picture: string): { size: number; changed: number } {
  const { size, mtimeMs } = statSync(picture, { throwIfNoEntry: false }) ?? { size: -1, mtimeMs: 0 }
  return { size, changed: mtimeMs }
}

function pack(seen: Seen | null): Kept['seen'] {
  if (seen === null) return null
  const { embedding, quality, clarity } = seen
  const bytes = Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength)
  return { quality, clarity, embedding: bytes.toString('base64') }
}

function unpack(kept: Kept['seen']): Seen | null {
  if (kept === null) return null
  // A copy of its own: a Buffer's memory is shared and not aligned for floats.
  const bytes = Uint8Array.from(Buffer.from(kept.embedding, 'base64'))
  return { ...kept, embedding: new Float32Array(bytes.buffer) }
}

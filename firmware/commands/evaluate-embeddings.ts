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

/** Null where no face was found or the picture could not be looked at. */
export type Embeddings = ReadonlyMap<string, Seen | null>

/** Counts up when the same nets come to say something else of a picture: another alignment, other measures. */
const method = 3

export const defaultCache = () => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'facelatch/evaluate')

/** Times in milliseconds. The time of the last change of anything (ctime) is none that a copy or `touch` sets back. */
interface Stamp {
  readonly size: number
  readonly modified: number
  readonly changed: number
}

/** One line of the file: a picture that was decoded. It is known again by its path, size and times. */
interface Kept extends Stamp {
  readonly picture: string
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
    const seen =
      entry && same(entry, stamp(picture)) ? unpack(entry.seen, setup.options.embedder.dimensions) : undefined
    if (seen !== undefined) found.set(picture, seen)
    else missing.push(picture)
  }
  if (missing.length === 0) return found
  const recognizer = await loadRecognizer(setup)
  try {
    let next = 0
    let done = 0
    let unread = 0
    const worker = async () => {
      while (next < missing.length) {
        const picture = missing[next++]!
        // Taken before: what is written meanwhile is looked at again.
        const before = stamp(picture)
        const seen = await subject(recognizer, picture)
        found.set(picture, seen ?? null)
        if (seen === undefined) unread++
        else {
          const line: Kept = { picture, ...before, seen: pack(seen) }
          within(cache, () => appendFileSync(file, `${JSON.stringify(line)}\n`, { mode: 0o600 }))
        }
        progress(++done, missing.length)
      }
    }
    await Promise.all(Array.from({ length: ahead }, worker))
    if (unread > 0)
      console.error(
        `${unread} of ${found.size} pictures could not be read and count as pictures without a face; mend them, or take them away`,
      )
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

/** Undefined, and said why, where the picture could not be looked at: that may be mended, and is not kept. */
async function subject(recognizer: Recognizer, picture: string): Promise<Seen | null | undefined> {
  try {
    return (await facesOfFile(recognizer, picture)).faces[0] ?? null
  } catch (error) {
    console.error(`${picture}: ${(error as Error).message}; it counts as a picture without a face`)
    return undefined
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

/** Of a file that is not there, or cannot be asked about, one that no line has. */
function stamp(picture: string): Stamp {
  try {
    const { size, mtimeMs, ctimeMs } = statSync(picture)
    return { size, modified: mtimeMs, changed: ctimeMs }
  } catch {
    return { size: -1, modified: 0, changed: 0 }
  }
}

const same = (a: Stamp, b: Stamp) => a.size === b.size && a.modified === b.modified && a.changed === b.changed

function pack(seen: Seen | null): Kept['seen'] {
  if (seen === null) return null
  const { embedding, quality, clarity } = seen
  const bytes = Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength)
  return { quality, clarity, embedding: bytes.toString('base64') }
}

/** Undefined where that is no embedding of the embedder's: the picture is looked at again. */
function unpack(kept: Kept['seen'] | undefined, dimensions: number): Seen | null | undefined {
  if (kept === null) return null
  if (typeof kept?.embedding !== 'string') return undefined
  // A copy of its own: a Buffer's memory is shared and not aligned for floats.
  const bytes = Uint8Array.from(Buffer.from(kept.embedding, 'base64'))
  if (bytes.length !== dimensions * Float32Array.BYTES_PER_ELEMENT) return undefined
  return { ...kept, embedding: new Float32Array(bytes.buffer) }
}

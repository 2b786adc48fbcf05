import { readFileSync } from 'node:fs'
import { UserError, wrongUsage } from '../app/errors.js'
import { readArguments, readConfig } from './arguments.js'
import { facesOfFile, openRecognizer, type SeenFace, type SeenPicture } from './recognition.js'

const usage = `usage: facelatch embed PATH… [--list FILE] [--json] [--config FILE]
Prints one JSON object a line, in the order asked: {path, faces: [{box: [x, y, w, h], landmarks: [[x, y]…], score,
quality, embedding}]}. The picture's subject (large, whole, in the middle) comes first. A picture that cannot be read gives {path, error} and exit code 1
at the end. FILE holds one path a line; "-" is standard input.`

/** Pictures decoded and judged at a time: one is inferred while the next is decoded. */
const ahead = 3

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { list: { type: 'string' }, json: { type: 'boolean' } }, usage)
  const paths = [...positionals, ...(values.list === undefined ? [] : readList(values.list))]
  if (paths.length === 0)
    throw wrongUsage(values.list === undefined ? usage.split('\n')[0]! : `the list ${values.list} names no picture`)
  const recognizer = await openRecognizer(readConfig(values.config))
  let failed = false
  const pending: Promise<string>[] = []
  const line = async (path: string): Promise<string> => {
    try {
      return JSON.stringify({ path, faces: facesForPeople(await facesOfFile(recognizer, path)) })
    } catch (error) {
      failed = true
      return JSON.stringify({ path, error: (error as Error).message })
    }
  }
  for (const path of paths) {
    pending.push(line(path))
    if (pending.length >= ahead) await print(await pending.shift()!)
  }
  for (const rest of pending) await print(await rest)
  await recognizer.close()
  return failed ? 1 : 0
}

const facesForPeople = ({ faces, scale }: SeenPicture) => faces.map((face) => faceForPeople(face, scale))

function faceForPeople({ box, landmarks, score, quality, embedding }: SeenFace, scale: number) {
  const pixels = (value: number) => Math.round(value * scale * 100) / 100
  return {
    box: [box.x, box.y, box.width, box.height].map(pixels),
    landmarks: Array.from({ length: 5 }, (_, i) => [pixels(landmarks[2 * i]!), pixels(landmarks[2 * i + 1]!)]),
    score,
    quality,
    embedding: Array.from(embedding),
  }
}

function readList(file: string): string[] {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
      .split(/\r?\n/)
      .filter((line) => line !== '')
  } catch (error) {
    throw new UserError(`cannot read the list ${file}: ${(error as NodeJS.ErrnoException).code}; check --list`)
  }
}

/** Waits for the reader: a long list must not pile up in memory. */
const print = (line: string) => new Promise<void>((resolve) => process.stdout.write(`${line}\n`, () => resolve()))

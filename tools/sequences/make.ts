/** Sequences as files: what `facelatch evaluate tracking` plays, to be looked at, or to be played as a camera. */
import { realpathSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { decodePicture } from '../../firmware/adapters/pictures-sharp.js'
import { pictureFromRgb } from '../../firmware/adapters/recognizer-native.js'
import { readDataset } from '../../firmware/commands/evaluate-data.js'
import { openRecognizer, subjectFirst } from '../../firmware/commands/recognition.js'
import { loadConfig } from '../../firmware/config.js'
import { companyOf, type Member, type Plan, planSequences } from '../../firmware/evaluation/sequences/cast.js'
import { type Kind, kinds } from '../../firmware/evaluation/sequences/script.js'
import { playScript } from '../../firmware/evaluation/sequences/sequence.js'
import type { Still } from '../../firmware/evaluation/sequences/sprite.js'
import type { Recognizer } from '../../firmware/ports.js'
import { inRoot } from '../../firmware/root.js'
import { writeAvi } from './avi.js'

const usage = `usage: node dist/tools/sequences/make.js --out DIR [--data DIR] [--count N] [--seed N] [--enrol N] [--kind KIND]… [--png]
Writes DIR/NNN-KIND.avi, a recording for camera.source "file:…", or with --png a folder of frames, and DIR/NNN-KIND.json with the
truth about every frame. Pictures are taken from --data as by "facelatch evaluate"; the same seed makes the same sequences.
kinds: ${kinds.join(' ')}`

/** Little of it is seen, and less changes what a net says. */
const quality = 95

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: 'string' },
      data: { type: 'string' },
      count: { type: 'string', default: String(kinds.length) },
      seed: { type: 'string', default: '1' },
      enrol: { type: 'string', default: '5' },
      kind: { type: 'string', multiple: true },
      png: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const wanted = (values.kind ?? kinds).filter((kind): kind is Kind => (kinds as readonly string[]).includes(kind))
  const numbers = [values.count, values.seed, values.enrol]
  const wrong = values.out === undefined || numbers.some((text) => !/^\d+$/.test(text))
  if (values.help || wrong || wanted.length !== (values.kind ?? kinds).length) {
    console.error(usage)
    return values.help ? 0 : 2
  }
  const out = resolve(values.out!)
  const data = readDataset(resolve(values.data ?? inRoot('../shared/data/lfw-dev')))
  const plans = planSequences(companyOf(data, Number(values.enrol)), Number(values.seed), Number(values.count), wanted)
  const recognizer = await openRecognizer(loadConfig([], {}))
  try {
    await mkdir(out, { recursive: true })
    for (const [i, plan] of plans.entries()) {
      const name = `${String(i).padStart(3, '0')}-${plan.script.kind}`
      const stills = await Promise.all(plan.cast.map((member) => readStill(recognizer, member)))
      await save(plan, stills, join(out, name), values.png)
      console.log(name)
    }
  } finally {
    await recognizer.close()
  }
  return 0
}

export async function readStill(recognizer: Recognizer, { person, picture }: Member): Promise<Still> {
  const { rgb, width, height } = await decodePicture(picture)
  const frame = pictureFromRgb(rgb, width, height)
  try {
    const [face] = subjectFirst((await recognizer.detect(frame)).faces, frame)
    if (face === undefined) throw new Error(`${picture} shows no face; take it away, or another --seed`)
    return { person, rgb, width, height, face: face.box }
  } finally {
    frame.release()
  }
}

async function save({ script, cast }: Plan, stills: readonly Still[], path: string, png: boolean): Promise<void> {
  const { kind, seed, width, height, fps } = script
  const truth: unknown[] = []
  const pictures: Buffer[] = []
  if (png) await mkdir(path, { recursive: true })
  for (const { index, at, pixels, truth: faces } of playScript(script, stills)) {
    const picture = sharp(pixels, { raw: { width, height, channels: 3 } })
    if (png) await picture.png().toFile(join(path, `${String(index).padStart(4, '0')}.png`))
    else pictures.push(await picture.jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer())
    truth.push({ index, at, faces })
  }
  if (!png) await writeFile(`${path}.avi`, writeAvi(pictures, width, height, fps))
  await writeFile(`${path}.json`, `${JSON.stringify({ kind, seed, width, height, fps, cast, frames: truth })}\n`)
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code
    },
    (error: Error) => {
      console.error(`tools/sequences/make: ${error.message}`)
      process.exitCode = 1
    },
  )

/** Recordings decoded once into one raw file, so that every contestant is given the very same pixels and pays for none of it. */
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openCamera } from '../../firmware/adapters/recognizer-native.js'
import { enrolmentFile, enrolmentSeconds, type Scene } from './scenes.js'

export interface RawFrame {
  /** RGB, rows packed. */
  readonly rgb: Buffer
  readonly width: number
  readonly height: number
  /** Stream time, ms. */
  readonly at: number
}

interface Place extends Omit<RawFrame, 'rgb'> {
  readonly offset: number
}

export interface DecodedScene {
  readonly name: string
  readonly known: boolean
  readonly frames: readonly Place[]
}

interface Index {
  readonly enrolment: readonly Place[]
  readonly scenes: readonly DecodedScene[]
}

const rawName = 'frames.rgb'
const indexName = 'frames.json'

/** Decodes into `folder`: the enrolment's frames, and up to `most` frames in a row of each scene. */
export async function decodeScenes(folder: string, scenes: readonly Scene[], most: number): Promise<void> {
  const file = openSync(join(folder, rawName), 'w')
  let offset = 0
  const keep = (frame: { rgb(): Buffer } & Omit<RawFrame, 'rgb'>): Place => {
    const { width, height, at } = frame
    const place = { width, height, at, offset }
    offset += writeSync(file, frame.rgb())
    return place
  }
  try {
    const enrolment: Place[] = []
    await watch(enrolmentFile(), (frame, second) => {
      if (second >= enrolmentSeconds[enrolment.length]!) enrolment.push(keep(frame))
      return enrolment.length < enrolmentSeconds.length
    })
    const decoded: DecodedScene[] = []
    for (const { name, known, file: path, from } of scenes) {
      const frames: Place[] = []
      await watch(path, (frame, second) => {
        if (second >= from) frames.push(keep(frame))
        return frames.length < most
      })
      decoded.push({ name, known, frames })
    }
    const index: Index = { enrolment, scenes: decoded }
    writeFileSync(join(folder, indexName), JSON.stringify(index))
  } finally {
    closeSync(file)
  }
}

type Taken = { rgb(): Buffer } & Omit<RawFrame, 'rgb'>

/** Shows a recording's frames with the second they stand at until `more` says no. */
async function watch(path: string, more: (frame: Taken, second: number) => boolean): Promise<void> {
  const camera = await openCamera({ source: `file:${path}`, realtime: false, stallSeconds: 60 })
  try {
    let begun: number | undefined
    for (;;) {
      const outcome = await camera.next()
      if (outcome.type === 'end') return
      if (outcome.type !== 'frame') throw new Error(`${path} cannot be decoded (${outcome.type})`)
      const { frame } = outcome
      begun ??= frame.at
      const goOn = more(frame, (frame.at - begun) / 1000)
      frame.release()
      if (!goOn) return
    }
  } finally {
    await camera.close()
  }
}

/** What `decodeScenes` left in a folder, read one frame at a time. */
export class Frames {
  readonly #file: number
  readonly #index: Index

  constructor(folder: string) {
    this.#index = JSON.parse(readFileSync(join(folder, indexName), 'utf8')) as Index
    this.#file = openSync(join(folder, rawName), 'r')
  }

  get enrolment(): readonly Place[] {
    return this.#index.enrolment
  }

  get scenes(): readonly DecodedScene[] {
    return this.#index.scenes
  }

  read({ width, height, at, offset }: Place): RawFrame {
    const rgb = Buffer.allocUnsafe(width * height * 3)
    const got = readSync(this.#file, rgb, 0, rgb.length, offset)
    if (got !== rgb.length) throw new Error(`${rawName} ends at ${offset + got}, inside a frame`)
    return { rgb, width, height, at }
  }

  close(): void {
    closeSync(this.#file)
  }
}

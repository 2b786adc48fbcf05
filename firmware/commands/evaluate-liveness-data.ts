/** Frames of living faces and of pictures of them: from folders, or rendered of stills. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { decodePicture } from '../adapters/pictures-sharp.js'
import { pictureFromRgb } from '../adapters/recognizer-native.js'
import { UserError } from '../app/errors.js'
import { framesTogether } from '../domain/liveness.js'
import { attack, attackKinds } from '../evaluation/attacks.js'
import type { Picture } from '../ports.js'
import { readDataset } from './evaluate-data.js'

export interface Shown {
  readonly subject: string
  readonly kind: string
  /** Frames in order, each decoded or rendered when it is its turn. */
  readonly frames: readonly (() => Promise<Picture>)[]
}

const picture = /\.(jpe?g|png|webp)$/i

/** @throws UserError where there are too few subjects to judge each at the operating point of others. */
export function recorded(dir: string): Shown[] {
  const list = (path: string) => {
    try {
      return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    } catch (error) {
      throw new UserError(`cannot read the folder ${path} (${(error as NodeJS.ErrnoException).code}); check --data`)
    }
  }
  const folders = (path: string) => list(path).filter((entry) => entry.isDirectory())
  const shown = folders(dir).flatMap(({ name: kind }) =>
    folders(join(dir, kind)).map(({ name: subject }) => ({
      subject,
      kind,
      frames: list(join(dir, kind, subject))
        .filter(({ name }) => picture.test(name))
        .map(
          ({ name }) =>
            () =>
              decoded(join(dir, kind, subject, name)),
        ),
    })),
  )
  const subjectsOf = (wanted: (kind: string) => boolean) =>
    new Set(shown.filter(({ kind }) => wanted(kind)).map((one) => one.subject))
  const [alive, attacked] = [subjectsOf((kind) => kind === 'live'), subjectsOf((kind) => kind !== 'live')]
  if (alive.size < 2 || attacked.size < 2)
    throw new UserError(`${dir} needs live/SUBJECT/ and KIND/SUBJECT/ of two subjects or more each; check --data`)
  return shown
}

/** For each person one rendering of each kind, of his first still, in front of somebody else's; and the still itself. */
export function rendered(dir: string, people: number): Shown[] {
  const { pictures } = readDataset(dir)
  const names = [...pictures.keys()].slice(0, people)
  if (names.length < 2) throw new UserError(`${dir} has pictures of ${names.length} people; two are needed`)
  return names.flatMap((subject, i) => {
    const still = pictures.get(subject)![0]!
    const room = pictures.get(names[(i + 1) % names.length]!)![0]!
    const attacks = attackKinds.map((kind, k): Shown => {
      let film: ReturnType<typeof attack> | undefined
      const frame = (at: number) => async () => {
        film ??= attack(kind, await decodePicture(still), await decodePicture(room), 1000 * i + k, framesTogether)
        const { rgb, width, height } = film[at]!
        if (at === framesTogether - 1) film = undefined
        return pictureFromRgb(rgb, width, height)
      }
      return { subject, kind, frames: Array.from({ length: framesTogether }, (_, at) => frame(at)) }
    })
    // One still is one frame: fused, it is that frame ten times.
    return [{ subject, kind: 'live', frames: Array(framesTogether).fill(() => decoded(still)) }, ...attacks]
  })
}

async function decoded(file: string): Promise<Picture> {
  const { rgb, width, height } = await decodePicture(file).catch((error: Error) => {
    throw new UserError(`${file} ${error.message}`)
  })
  return pictureFromRgb(rgb, width, height)
}

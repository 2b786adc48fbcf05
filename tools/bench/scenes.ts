/** What every contestant sees, and who may enter there. */
import { existsSync } from 'node:fs'
import { clip } from '../../firmware/commands/clips.js'
import { inRoot } from '../../firmware/root.js'

export interface Scene {
  readonly name: string
  readonly file: string
  /** Second of the recording from which frames are taken. */
  readonly from: number
  /** The enrolled man is in it and may enter; else nobody may. */
  readonly known: boolean
}

/** The man is enrolled from one frame in each of these seconds of this recording. */
export const enrolmentSeconds = [0, 1, 2, 3, 4]
export const enrolmentFile = () => clip('cap12_edit')

/** Evaluation data beside the checkout; its scene is left out where it is missing. */
const walking = inRoot('../shared/data/video/face-demographics-walking.mkv')

export function scenes(): Scene[] {
  const all: Scene[] = [
    { name: 'cap12_edit', file: clip('cap12_edit'), from: 6, known: true },
    { name: 'cap13_edit2', file: clip('cap13_edit2'), from: 0, known: true },
    { name: 'franck', file: clip('franck'), from: 0, known: false },
  ]
  if (existsSync(walking)) all.push({ name: 'walking', file: walking, from: 0, known: false })
  return all
}

/** From a face in view to the strike: people walk up to the door, made of pictures, and the real nets, tracker and votes judge. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../config.js'
import { dealt } from '../evaluation/dataset.js'
import { decisions, type JudgedFrame, type Visit } from '../evaluation/decisions.js'
import { companyOf, planSequences } from '../evaluation/sequences/cast.js'
import { type ShareChart, sharesSvg } from '../evaluation/share-chart.js'
import { quantile } from '../evaluation/statistics.js'
import type { Demands } from '../evaluation/tracking.js'
import { embed } from './evaluate.js'
import { readDataset } from './evaluate-data.js'
import { Theatre } from './evaluate-tracking-play.js'
import { openRecognizer } from './recognition.js'

/** As "facelatch evaluate tracking" has it: people are enrolled with so many pictures, and a face counts from half of it on. */
const enrolled = 5
const leastVisible = 0.5

export interface Walkups {
  readonly walkups: number
  /** Those who were let in; the others left before. */
  readonly letIn: readonly Grant[]
  readonly wrongGrants: number
  readonly people: number
  readonly file: string
}

export interface Grant {
  /** From the first frame with the face in it, both counted. */
  readonly frames: number
  /** From that frame to the one that decided, of the camera's time. */
  readonly camera: number
  /** What judging that last frame took, ms. */
  readonly judging: number
}

/** One thread. Only those who are enrolled walk up; each `seed` is another two hundred. */
export async function measureWalkups(folder: string, dataset: string, count: number, seed: number): Promise<Walkups> {
  const data = readDataset(dataset)
  const given = loadConfig([], {})
  const config = { ...given, recognizer: { ...given.recognizer, threads: 1, liveness: 'off' as const } }
  const templates = data.people.map((person) => ({ person, pictures: dealt(data, person, enrolled).templates }))
  const pictures = templates.flatMap(({ pictures: own }) => own)
  const { embeddings } = await embed(config, config.recognizer, 'nearest', data, pictures)
  const recognizer = await openRecognizer(config)
  const visits: { visit: Visit; frames: readonly JudgedFrame[] }[] = []
  try {
    recognizer.setGallery(
      templates.flatMap(({ person, pictures: own }) =>
        own.flatMap((picture) => {
          const embedding = embeddings.get(picture)?.embedding
          return embedding ? [{ person, embedding }] : []
        }),
      ),
    )
    const theatre = new Theatre(recognizer, config)
    const demands: Demands = { visible: leastVisible, side: config.recognizer.minFace }
    for (const plan of planSequences(companyOf(data, enrolled), seed, count, ['approach'])) {
      const frames = await theatre.play(plan)
      if (frames === undefined) continue
      const { visits: all } = decisions(frames, new Set(data.people), recognizer.threshold, demands)
      visits.push(...all.map((visit) => ({ visit, frames })))
    }
  } finally {
    await recognizer.close()
  }
  const letIn = visits.flatMap(({ visit: { person, granted }, frames }) => {
    const last = frames.find(({ grants }) => grants.some((grant) => grant.person === person))
    return granted && last ? [{ frames: granted.frames, camera: granted.ms, judging: last.judgedMs }] : []
  })
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'walkups.svg')
  writeFileSync(file, sharesSvg(chart(letIn, visits.length)))
  const wrongGrants = visits.reduce((sum, { visit }) => sum + visit.wrongGrants, 0)
  return { walkups: visits.length, letIn, wrongGrants, people: data.people.length, file }
}

const whole = ({ camera, judging }: Grant) => camera + judging

function chart(letIn: readonly Grant[], walkups: number): ShareChart {
  return {
    title: `Face in view to the strike, ${walkups} walk-ups`,
    x: 'ms since the first frame with the face',
    y: 'let in by then',
    values: letIn.map(whole),
    of: walkups,
  }
}

export function printWalkups({ walkups, letIn, wrongGrants, people, file }: Walkups): void {
  console.log(
    `${walkups} walk-ups of people of ${people} enrolled: ${letIn.length} let in, ${wrongGrants} as somebody else (${file})`,
  )
  const row = (label: string, values: readonly number[], digits: number) =>
    console.log(
      `${label.padEnd(34)}${[0.1, 0.5, 0.9, 0.95, 0.99, 1]
        .map((share) => `p${100 * share} ${quantile(values, share).toFixed(digits)}`.padStart(12))
        .join('')}`,
    )
  row('frames with the face', letIn.map(({ frames }) => frames), 0) // biome-ignore format: one a line
  row('ms of the camera', letIn.map(({ camera }) => camera), 0) // biome-ignore format: one a line
  row('ms to judge the last frame', letIn.map(({ judging }) => judging), 1) // biome-ignore format: one a line
  row('face in view to strike, ms', letIn.map(whole), 0) // biome-ignore format: one a line
}

/** What no key can know alone: keys that contradict each other. */
import type { Config } from './config-schema.js'
import { type LineName, parseLine } from './domain/lines.js'
import { inputLines, outputLines } from './ports.js'

type Parts = Pick<Config, 'door' | 'gpio' | 'recognizer' | 'votes'>

/** Every contradiction, with its keys and its remedy. */
export const pairProblems = (config: Parts): string[] => [
  ...contactProblems(config),
  ...lineProblems(config),
  ...thresholdProblems(config),
  ...voteProblems(config),
]

/** Similarities of one embedder say nothing of another's: what is strict for one lets everybody in with another. */
function thresholdProblems({ recognizer: { threshold, embedder } }: Parts): string[] {
  if (threshold === null || embedder !== 'auto') return []
  return [
    `recognizer.threshold is ${threshold}, of no embedder in particular; name one in recognizer.embedder, or set the threshold to null`,
  ]
}

function contactProblems({ door, gpio }: Parts): string[] {
  const problems: string[] = []
  if (door.strikeMode === 'hold' && !door.sensor)
    problems.push('door.strikeMode is "hold" without a door contact; set door.sensor to true, or "pulse"')
  // Simulated lines have all contacts; `auto` takes none of them where a lock is wired.
  const real = gpio.driver === 'auto' ? gpio.lines.lock !== '' : gpio.driver !== 'simulated'
  if (real && door.sensor && gpio.lines.door === '')
    problems.push('door.sensor is true without a line; set gpio.lines.door, or door.sensor to false')
  if (real && door.boltSensor && gpio.lines.bolt === '')
    problems.push('door.boltSensor is true without a line; set gpio.lines.bolt, or door.boltSensor to false')
  return problems
}

/** Below 1 less than one vote would do, no vote would be kept, or the first one against somebody could not be counted. */
const atLeastOne = ['minVotes', 'minUnknownVotes', 'revokeVotes', 'maxVotes', 'maxPerFrame'] as const
/** Divided by, or ages that no vote is below. */
const aboveZero = ['halfLifeMs', 'maxAgeMs', 'freshMs', 'fullQuality', 'clear'] as const

function voteProblems({ votes }: Parts): string[] {
  const problems = [
    ...atLeastOne.filter((key) => votes[key] < 1).map((key) => `votes.${key} is ${votes[key]}, and must be 1 or more`),
    ...aboveZero.filter((key) => votes[key] === 0).map((key) => `votes.${key} is 0, and must be more`),
  ].map((problem) => `${problem}; leave it out for its default`)
  if (votes.minVotes > votes.maxVotes)
    problems.push(
      `votes.minVotes ${votes.minVotes} is more than the votes that are kept, votes.maxVotes ${votes.maxVotes}: nobody would be known; make it smaller`,
    )
  if (votes.minQuality > 1) problems.push('votes.minQuality is above 1: nobody would be known; make it smaller')
  return problems
}

function lineProblems({ gpio }: Parts): string[] {
  const problems: string[] = []
  const users = new Map<string, string>()
  for (const line of [...outputLines, ...inputLines]) {
    if (gpio.pullUp.includes(line) && gpio.pullDown.includes(line))
      problems.push(`"${line}" is in gpio.pullUp and in gpio.pullDown; take it out of one of them`)
    const pulls = (['pullUp', 'pullDown'] as const).filter((pull) => gpio[pull].includes(line))
    for (const pull of pulls)
      if (outputLines.some((output) => output === line))
        problems.push(`"${line}" in gpio.${pull} is an output, which drives its line by itself; take it out`)
      else if (gpio.driver === 'onoff')
        problems.push(`"${line}" in gpio.${pull} does nothing with gpio.driver onoff; fit a resistor and take it out`)
    const name = parseLine(gpio.lines[line])
    if (name === undefined) continue
    const other = users.get(sameAs(name))
    if (other === undefined) users.set(sameAs(name), line)
    else problems.push(`gpio.lines.${line} and gpio.lines.${other} are both "${gpio.lines[line]}"; choose another line`)
  }
  return problems
}

/** Equal for names that mean one line whatever the machine: `5` and `05`. */
const sameAs = (name: LineName) => JSON.stringify(name)

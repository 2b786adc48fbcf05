/** The command `npm run bench:peers`. */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { entries } from './contestant.js'
import { installPeers } from './install.js'
import { judge } from './judge.js'
import { scenes } from './scenes.js'
import { formatGoals, formatTable, formatWrong, goals, rowOf } from './table.js'

const usage = `usage: npm run bench:peers -- [--json] [--frames N] [--only NAME,...]
Judges the same decoded frames with facelatch and with what one might use instead, one thread each, one after the other,
within ten minutes: time and CPU of a frame, peak memory, and in how many recordings the right one was let in.
  --frames N   frames in a row of each recording (default 75)
  --only …     some of: ${entries.map(({ name }) => name).join(', ')}`

/** Leaves a minute of the ten for installing and decoding. */
const seconds = 540

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, frames: { type: 'string', default: '75' }, only: { type: 'string' } },
  })
  const frames = Number(values.frames)
  const names = values.only?.split(',') ?? entries.map(({ name }) => name)
  const strange = names.find((name) => !entries.some((entry) => entry.name === name))
  if (!Number.isInteger(frames) || frames < 1) throw new TypeError(`--frames must be a whole number above 0\n${usage}`)
  if (strange !== undefined) throw new TypeError(`no contestant is called "${strange}"\n${usage}`)
  const chosen = entries.filter(({ name }) => names.includes(name))
  if (chosen.some(({ peer }) => peer)) tryInstall()

  const tell = (line: string) => values.json || console.log(line)
  tell(
    `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}, Node ${process.versions.node}`,
  )
  const results = await judge(chosen, {
    scenes: scenes(),
    frames,
    seconds,
    onResult: ({ title, problem }) => values.json || console.error(`${title}: ${problem ?? 'done'}`),
  })
  const rows = results.map(rowOf)
  const ratios = goals(results)
  if (values.json) {
    const verdicts = results.map(({ name, verdicts: own }) => ({ name, verdicts: own }))
    console.log(JSON.stringify({ load: loadavg(), rows, verdicts, goals: ratios }))
    return 0
  }
  for (const line of ['', ...formatTable(rows), '', ...formatWrong(results), '', ...formatGoals(ratios)]) tell(line)
  return 0
}

/** Without the peers the others are measured all the same, and their rows say what is missing. */
function tryInstall(): void {
  try {
    installPeers()
  } catch (error) {
    console.error((error as Error).message)
  }
}

// Leaves no decoded frames behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: Error) => {
    console.error(error.message)
    process.exitCode = error instanceof TypeError ? 2 : 1
  },
)

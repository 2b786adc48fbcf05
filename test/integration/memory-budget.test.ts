/** Both processes keep to the memory they are allowed, over a recording judged as fast as it goes. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import type { HealthTopic } from '../../firmware/app/health.js'
import { memoryBudgets } from '../../firmware/memory-budgets.js'
import { root } from '../support/appliance.js'

t.test('supervisor and recognizer stay below their budgets', async (t) => {
  // The test runner loads 30 MiB of its own into every Node that it sees started.
  const script = 'unset NODE_OPTIONS; exec "$0" "$1"'
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    script,
    process.execPath,
    `${root}/dist/test/support/peaks.js`,
  ])
  const { recognizer, supervisor } = JSON.parse(stdout) as HealthTopic
  t.ok(recognizer.frames > 100, `${recognizer.frames} frames were judged`)
  for (const [name, used] of Object.entries({ recognizer: recognizer.peakMemory, supervisor: supervisor.peakMemory })) {
    const budget = memoryBudgets[name as keyof typeof memoryBudgets]
    t.ok(used > 2 ** 20, `${name} tells its peak`)
    t.ok(used <= budget, `${name}: ${(used / 2 ** 20).toFixed(0)} of ${budget / 2 ** 20} MiB`)
  }
})

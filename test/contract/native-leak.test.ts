import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../support/appliance.js'

t.setTimeout(900_000)
t.test('the addon is loaded, used and dropped 1000 times, and nothing stays', async (t) => {
  const env = { ...process.env, NODE_OPTIONS: '' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'native/test/leak.mjs'), '1000'], {
    env,
    encoding: 'utf8',
  })
  for (const line of stdout.trim().split('\n').slice(-2)) t.comment(line)
  t.equal(status, 0, stderr)
})

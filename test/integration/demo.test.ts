import { readFileSync } from 'node:fs'
import t from 'tap'
import { facelatch } from '../support/appliance.js'
import { temporaryDirectory } from '../support/temp.js'

t.setTimeout(900_000)

t.test('the demo does what it says, and leaves a picture of each clip', async (t) => {
  const { code, stdout, stderr } = await facelatch(['demo', '--json', '--out', temporaryDirectory(t)])
  t.equal(code, 0, stderr)
  const rows = stdout
    .trim()
    .split('\n')
    .map((row) => JSON.parse(row))
  const { ok, results } = rows.at(-1).summary
  t.ok(ok)
  const [man, stranger] = results
  t.ok(man.known > 0 && man.unlocks > 0 && man.unknown === 0, JSON.stringify(man))
  t.ok(stranger.unknown > 0 && stranger.unlocks === 0 && stranger.known === 0, JSON.stringify(stranger))
  for (const { picture } of results) t.equal(readFileSync(picture).subarray(1, 4).toString(), 'PNG')
})

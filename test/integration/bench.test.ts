/** `facelatch bench`: what it refuses. */
import t from 'tap'
import { facelatch } from '../support/appliance.js'

t.test('what makes no sense is refused in one line', async (t) => {
  for (const [args, code, said] of [
    [['--memory', '--hours', 'two'], 2, /--hours takes a number above 0, up to 1000, not "two"/],
    [['--walkups', '--count', '0'], 2, /--count and --seed take whole numbers/],
    [['--walkups', '--data', '/nowhere'], 1, /\/nowhere.*check --data/],
    [['--start', 'now'], 2, /usage: facelatch bench/],
  ] as const) {
    const result = await facelatch(['bench', ...args])
    t.equal(result.code, code)
    t.match(result.stderr, said)
    t.equal(result.stderr.trim().split('\n').length, 1)
  }
})

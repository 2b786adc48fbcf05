import t from 'tap'
import { Housekeeping, type Job } from '../../firmware/app/housekeeping.js'
import { storeJobs } from '../../firmware/app/store-jobs.js'
import type { NewEvent } from '../../firmware/domain/events.js'
import type { JobRecord, Store, StoreCare } from '../../firmware/ports.js'
import { memoryLog } from '../support/temp.js'

const hour = 3_600_000
const day = 24 * hour

/** A clock cranked by hand: `now` for timers, `wall` for people, which may jump. */
function bench(start: string, notes: JobRecord[] = []) {
  let now = 0
  let wall = Date.parse(start)
  let timers: { at: number; call: () => void }[] = []
  const cron: (() => void)[] = []
  const events: NewEvent[] = []
  const records = new Map(notes.map((note) => [note.name, note]))
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    events,
    records,
    /** The next 03:00 UTC. */
    ports: {
      clock: {
        now: () => now,
        wall: () => new Date(wall),
        after: (ms: number, call: () => void) => {
          const timer = { at: now + ms, call }
          timers.push(timer)
          return () => {
            timers = timers.filter((one) => one !== timer)
          }
        },
      },
      scheduler: {
        schedule: (_: string, job: () => void) => {
          cron.push(job)
          return { next: () => new Date((Math.floor((wall - 3 * hour) / day) + 1) * day + 3 * hour), stop: () => {} }
        },
      },
      store: {
        jobs: async () => [...records.values()],
        noteJob: async (note: JobRecord) => void records.set(note.name, note),
      },
      log: memoryLog(),
      record: (event: NewEvent) => void events.push(event),
    },
    async pass(ms: number, jump = 0) {
      wall += jump
      for (const end = now + ms; now < end; ) {
        const step = Math.min(60_000, end - now)
        now += step
        wall += step
        const due = timers.filter(({ at }) => at <= now)
        timers = timers.filter(({ at }) => at > now)
        for (const { call } of due) call()
        for (let i = 0; i < 6; i++) await settle()
      }
    },
    fire: async () => {
      for (const job of cron) job()
      for (let i = 0; i < 6; i++) await settle()
    },
  }
}

function counting(name = 'backup') {
  const runs: (JobRecord | undefined)[] = []
  const job: Job = {
    name,
    when: '0 3 * * *',
    run: async (last) => {
      runs.push(last)
      return 'done'
    },
  }
  return { runs, job }
}

const note = (name: string, ranAt: string, nextAt: string, ok = true): JobRecord => ({
  ...{ name, ranAt, nextAt, ok, said: 'done' },
})

t.test('a job runs at its time, and notes when it is due again', async (t) => {
  const { runs, job } = counting()
  const b = bench('2026-11-22T02:00:00Z', [note('backup', '2026-11-21T03:00:00Z', '2026-11-22T03:00:00.000Z')])
  new Housekeeping([job], b.ports).start(60_000)
  await b.pass(59 * 60_000)
  t.equal(runs.length, 0)
  await b.pass(2 * 60_000)
  t.equal(runs.length, 1)
  await b.fire()
  t.equal(runs.length, 2, 'at the call of the scheduler, too')
  t.match(b.records.get('backup'), { nextAt: '2026-11-23T03:00:00.000Z', ok: true, said: 'done' })
  await b.pass(20 * hour)
  t.equal(runs.length, 2)
})

t.test('a missed night is caught up after the start, once', async (t) => {
  const { runs, job } = counting()
  const b = bench('2026-11-25T09:00:00Z', [note('backup', '2026-11-21T03:00:00Z', '2026-11-22T03:00:00Z')])
  new Housekeeping([job], b.ports).start(60_000)
  t.equal(runs.length, 0, 'not in the middle of the start')
  await b.pass(2 * 60_000)
  t.equal(runs.length, 1)
  await b.pass(10 * hour)
  t.equal(runs.length, 1)
})

t.test('the clock jumps', async (t) => {
  const { runs, job } = counting()
  const b = bench('2026-11-22T12:00:00Z', [note('backup', '2026-11-22T03:00:00Z', '2026-11-23T03:00:00Z')])
  new Housekeeping([job], b.ports).start(60_000)
  await b.pass(hour)
  t.equal(runs.length, 0)
  await b.pass(hour, 20 * 365 * day)
  t.equal(runs.length, 1, 'twenty years ahead: one run, not thousands')
  await b.pass(hour, -20 * 365 * day)
  t.equal(runs.length, 2, 'back again: what was noted in the future is not waited for')
  await b.pass(10 * hour)
  t.equal(runs.length, 2)
  await b.pass(hour, -2 * hour)
  t.ok(runs.length <= 3, 'an hour back at the end of summer costs a run at most')
})

t.test('one that fails is told once, tried again within the hour, and does not stop the others', async (t) => {
  const { runs, job } = counting('check')
  let tries = 0
  const failing: Job = {
    name: 'backup',
    when: '0 3 * * *',
    run: async () => {
      tries += 1
      throw new Error('the disk is full')
    },
  }
  const b = bench('2026-11-22T12:00:00Z')
  new Housekeeping([failing, job], b.ports).start(60_000)
  await b.pass(5 * 60_000)
  t.equal(tries, 1)
  t.equal(runs.length, 1)
  await b.pass(3 * hour)
  t.equal(tries, 4)
  t.same(b.events, [{ type: 'job_failed', detail: { job: 'backup', reason: 'the disk is full' } }])
  t.match(b.records.get('backup'), { ok: false, said: 'the disk is full' })
})

t.test('jobs run one at a time, and none begins after the end', async (t) => {
  let release = () => {}
  const order: string[] = []
  const slow: Job = {
    name: 'a',
    when: '* * * * *',
    run: () =>
      new Promise((resolve) => {
        order.push('a')
        release = () => resolve('done')
      }),
  }
  const { runs, job } = counting('b')
  const b = bench('2026-11-22T12:00:00Z')
  const keeping = new Housekeeping([slow, job], b.ports)
  keeping.start(0)
  await b.pass(60_000)
  await b.fire()
  t.same(order, ['a'])
  t.equal(runs.length, 0)
  const stopped = keeping.stop()
  release()
  await stopped
  t.same(order, ['a'])
  t.equal(runs.length, 0)
})

t.test('old events are removed only when two runs agree about the time', async (t) => {
  const asked: string[] = []
  const store = {
    sealEvents: async () => {},
    removeEventsBefore: async (time: Date) => asked.push(time.toISOString()),
  } as unknown as Store & StoreCare
  const at = (wall: string) => ({ now: () => 0, wall: () => new Date(wall), after: () => () => {} })
  const schedule = { retention: 'x', optimize: '', check: '', backup: '' }
  const run = async (wall: string, last: JobRecord | undefined, retentionDays = 30) => {
    const jobs = storeJobs(store, at(wall), { retentionDays, schedule })
    t.same(
      jobs.map(({ name }) => name),
      ['retention'],
    )
    await jobs[0]!.run(last)
    return asked.splice(0)
  }
  const last = note('retention', '2026-11-21T03:00:00Z', '')
  t.same(await run('2026-11-22T03:00:00Z', last), ['2026-10-23T03:00:00.000Z'])
  t.same(await run('2026-11-22T03:00:00Z', undefined), [], 'the first run only notes the time')
  t.same(await run('2038-01-01T03:00:00Z', last), [], 'a clock far ahead removes nothing')
  t.same(await run('1970-01-01T03:00:00Z', last), [], 'nor one far behind')
  t.same(await run('2026-11-22T03:00:00Z', last, 0), [], '0 keeps them for ever')
})

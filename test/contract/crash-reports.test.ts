import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { crashReports, createCrashReports, markRunning } from '../../firmware/adapters/crash-reports.js'
import { temporaryDirectory } from '../support/temp.js'

t.test('a report names nobody and holds no password', async (t) => {
  const folder = join(temporaryDirectory(t), 'crashes')
  const facts = {
    latest: [{ type: 'granted', person: 'Quirinalia' }],
    config: {
      enrolment: { admins: ['Quirinalia'] },
      camera: { source: 'gst:rtspsrc location=rtsp://me:my@secret@10.0.0.5/1 user-pw=secret ! decodebin' },
      other: { source: 'rtsp://10.0.0.6/user=admin&password=secret&channel=1' },
      mqtt: { url: 'mqtts://me:secret@broker:8883' },
    },
  }
  const reports = createCrashReports({ folder, now: () => new Date(0), facts: () => facts })
  reports.write('recognizer', 'killed by SIGSEGV', 'at rtsp://me:secret@10.0.0.5/1')
  const [report] = crashReports(folder)
  t.match(report, { part: 'recognizer', reason: 'killed by SIGSEGV', at: '1970-01-01T00:00:00.000Z' })
  const text = readFileSync(report!.path, 'utf8')
  t.notMatch(text, /Quirinalia|secret/)
  t.match(text, /rtsp:\/\/\*\*\*@10\.0\.0\.5/, 'the rest of the address stays')
  t.match(text, /user=admin&password=\*\*\*&channel=1/)
  t.equal(statSync(report!.path).mode & 0o777, 0o600)
  t.equal(statSync(folder).mode & 0o777, 0o700)
})

t.test('a loop of crashes fills no disk and drives no other crash out', async (t) => {
  const folder = temporaryDirectory(t)
  let now = 0
  const reports = createCrashReports({ folder, now: () => new Date(now), facts: () => ({}) })
  for (now = 0; now < 600_000; now += 1000) reports.write('recognizer', 'exit code 1')
  t.equal(crashReports(folder).length, 1, 'once an hour')
  for (let i = 0; i < 30; i++, now += 1000) reports.write('supervisor', `reason ${i}`)
  t.same(
    crashReports(folder).map(({ reason }) => reason),
    Array.from({ length: 10 }, (_, i) => `reason ${i + 20}`),
    'the newest ten',
  )
  now = Date.UTC(2026, 0)
  for (let i = 0; i < 10; i++, now += 1000) reports.write('supervisor', `later ${i}`)
  now = 100
  reports.write('supervisor', 'before the clock was set')
  const left = crashReports(folder).map(({ reason }) => reason)
  t.equal(left.length, 10)
  t.ok(left.includes('before the clock was set'))
  writeFileSync(join(folder, '19700101T000000000Z-supervisor.json'), '{"at":')
  t.equal(crashReports(folder).length, 10, 'one cut short is passed over')
})

t.test('what was left half written goes with the next start; what could not be finished, at once', async (t) => {
  const folder = temporaryDirectory(t)
  const left = join(folder, '19700101T000000000Z-recognizer.json.new')
  writeFileSync(left, '{"at":')
  writeFileSync(join(folder, 'notes.new'), 'of somebody else')
  const reports = createCrashReports({ folder, now: () => new Date(0), facts: () => ({}) })
  t.same(readdirSync(folder), ['notes.new'])
  mkdirSync(join(folder, '19700101T000000000Z-recognizer.json'))
  reports.write('recognizer', 'killed')
  t.same(readdirSync(folder).sort(), ['19700101T000000000Z-recognizer.json', 'notes.new'])
})

t.test('a place that cannot be written stops nobody', async (t) => {
  const reports = createCrashReports({ folder: '/proc/crashes', now: () => new Date(), facts: () => ({}) })
  t.doesNotThrow(() => reports.write('supervisor', 'x'))
  t.equal(markRunning('/proc/none.running').lastEnd, undefined)
})

t.test('the mark of a run tells a kill from a power cut, and an orderly end leaves none', async (t) => {
  const folder = temporaryDirectory(t)
  const path = join(folder, 'f.db.running')
  const first = markRunning(path)
  t.equal(first.lastEnd, undefined)
  const second = markRunning(path)
  t.equal(second.lastEnd, 'killed')
  writeFileSync(path, 'another boot\n')
  const third = markRunning(path)
  t.equal(third.lastEnd, 'power_cut')
  third.clear()
  t.same(readdirSync(folder), [])
  t.equal(markRunning(path).lastEnd, undefined)
})

import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createSimulatedGpio } from '../../firmware/adapters/gpio-simulated.js'
import type { Gpio } from '../../firmware/ports.js'
import { end, firmware, script, silentLog, spawnChild } from '../support/child.js'
import { memoryLog, temporaryDirectory, until } from '../support/temp.js'

const at = '2026-11-21T08:00:00.000Z'

function paths(t: Test) {
  const directory = temporaryDirectory(t)
  return { log: join(directory, 'new', 'gpio.jsonl'), control: join(directory, 'run', 'gpio.sock') }
}

async function createGpio(t: Test, where = paths(t)) {
  const messages = memoryLog()
  const gpio = await createSimulatedGpio({ ...where, clock: { wall: () => new Date(at) }, messages })
  t.teardown(() => gpio.close())
  return { ...where, gpio, messages }
}

function logged(path: string): [string, number][] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return lines.map((text) => JSON.parse(text)).map(({ line, value }) => [line, value])
}

/** Sends the text, ends, and answers the lines that came back. */
async function say(control: string, text: string | Buffer): Promise<{ ok?: true; error?: string }[]> {
  const socket = connect(control)
  socket.end(text)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

t.test('outputs are in the log when write returns, changes only', async (t) => {
  const { gpio, log } = await createGpio(t)
  t.same(logged(log), [
    ['lock', 0],
    ['led', 0],
    ['buzzer', 0],
  ])
  gpio.write('lock', true)
  t.same(logged(log).at(-1), ['lock', 1])
  gpio.write('lock', true)
  gpio.write('lock', false)
  t.equal(logged(log).length, 5)
  t.equal(readFileSync(log, 'utf8').split('\n')[3], `{"at":"${at}","line":"lock","value":1}`)
})

t.test('inputs start at 0 and move through the socket', async (t) => {
  const { gpio, log, control } = await createGpio(t)
  const heard: [string, boolean, boolean][] = []
  gpio.onInput((line, on) => heard.push([line, on, gpio.read(line)]))
  t.equal(gpio.read('door'), false)
  const press = '{"line":"exit","value":1}\n{"line":"exit","value":1}\r\n{"line":"exit","value":0}\n'
  t.same(await say(control, press), [{ ok: true }, { ok: true }, { ok: true }])
  t.same(await say(control, '{"line":"door","value":1}'), [{ ok: true }], 'a last line needs no newline')
  t.same(heard, [
    ['exit', true, true],
    ['exit', false, false],
    ['door', true, true],
  ])
  t.same(logged(log).slice(3), [
    ['exit', 1],
    ['exit', 0],
    ['door', 1],
  ])
})

t.test('what makes no sense is answered, and the connection goes on', async (t) => {
  const { gpio, control } = await createGpio(t)
  gpio.onInput(() => t.fail('nothing was set'))
  const cases: [string, RegExp][] = [
    ['exit=1', /not JSON/],
    ['', /not JSON/],
    ['[]', /not an object/],
    ['null', /not an object/],
    ['{"line":"exit"}', /value must be 0 or 1/],
    ['{"line":"exit","value":true}', /value must be 0 or 1/],
    ['{"line":"exit","value":"1"}', /value must be 0 or 1/],
    ['{"line":"window","value":1}', /no such line: the inputs are door, exit, enrol, tamper/],
    ['{"line":["exit"],"value":1}', /no such line/],
    ['{"line":"__proto__","value":1}', /no such line/],
    ['{"line":"lock","value":1}', /line lock is an output/],
    ['\u0000\ufffd', /not JSON/],
  ]
  const answers = await say(control, cases.map(([command]) => `${command}\n`).join(''))
  t.equal(answers.length, cases.length)
  cases.forEach(([command, message], i) => {
    t.match(answers[i]?.error, message, command)
  })
})

t.test('an oversized line is answered once and skipped', async (t) => {
  const { gpio, control } = await createGpio(t)
  const big = `{"line":"${'x'.repeat(100_000)}","value":1}`
  const answers = await say(control, `${big}\n{"line":"exit","value":1}\n${big}`)
  t.match(answers, [{ error: /longer than 4096 bytes/ }, { ok: true }, { error: /longer than 4096 bytes/ }])
  t.equal(answers.length, 3)
  t.equal(gpio.read('exit'), true)
})

t.test('lines may come in pieces and from several clients', async (t) => {
  const { gpio, control } = await createGpio(t)
  const slow: Socket = connect(control)
  const rude: Socket = connect(control)
  await Promise.all([once(slow, 'connect'), once(rude, 'connect')])
  slow.write('{"line":"exit",')
  rude.write('{"line":"do')
  rude.destroy()
  t.same(await say(control, '{"line":"door","value":1}\n'), [{ ok: true }])
  slow.write('"value":1}\n')
  t.equal(String((await once(slow, 'data'))[0]), '{"ok":true}\n')
  t.equal(gpio.read('exit'), true)
  slow.destroy()
})

t.test('a listener that throws is reported, and the line has moved', async (t) => {
  const { gpio, control, messages } = await createGpio(t)
  gpio.onInput(() => {
    throw new Error('clumsy')
  })
  t.same(await say(control, '{"line":"exit","value":1}\n'), [{ ok: true }])
  t.equal(gpio.read('exit'), true)
  t.match(messages.lines, [/error: input listener failed/])
})

t.test('the socket is for its owner, and goes with the lines', async (t) => {
  const { gpio, control, log } = await createGpio(t)
  t.equal(statSync(control).mode & 0o777, 0o600)
  const idle = connect(control)
  await once(idle, 'connect')
  gpio.write('lock', true)
  await gpio.close()
  await gpio.close()
  t.notOk(existsSync(control))
  t.same(logged(log).at(-1), ['lock', 1], 'the outputs stay as they are')
  t.throws(() => gpio.write('lock', true), /were let go/)
})

t.test('a socket left by a killed process is taken over, a live one is not', async (t) => {
  const where = paths(t)
  const code = `
    const { createSimulatedGpio } = await import(${firmware('adapters/gpio-simulated.js')})
    const clock = { wall: () => new Date() }
    await createSimulatedGpio({ ...${JSON.stringify(where)}, clock, messages: ${silentLog} })`
  const child = spawnChild(t, script(code))
  await until('it listens', () => existsSync(where.control))
  const create = (): Promise<Gpio> =>
    createSimulatedGpio({ ...where, clock: { wall: () => new Date() }, messages: memoryLog() })
  await t.rejects(create(), { message: /gpio\.sock: in use by another facelatch: .*\(gpio\.simulated\.control\)/ })
  await end(child, 'SIGKILL')
  t.ok(existsSync(where.control))
  const gpio = await create()
  t.same(await say(where.control, '{"line":"exit","value":1}\n'), [{ ok: true }])
  await gpio.close()
})

t.test('other obstacles are named', async (t) => {
  const where = paths(t)
  const create = (more: object) =>
    createSimulatedGpio({ ...where, clock: { wall: () => new Date() }, messages: memoryLog(), ...more })
  const file = join(temporaryDirectory(t), 'precious')
  writeFileSync(file, 'keep me')
  await t.rejects(create({ control: file }), { message: /precious: exists and is not a socket/ })
  t.equal(readFileSync(file, 'utf8'), 'keep me')
  await t.rejects(create({ log: join(file, 'x') }), { message: /cannot write .*: correct gpio\.simulated\.log/ })
  await t.rejects(create({ control: `/tmp/${'x'.repeat(200)}` }), { message: /longer than 107 bytes/ })
})

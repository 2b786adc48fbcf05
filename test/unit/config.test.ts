import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, configKeys, loadConfig } from '../../firmware/config.js'
import { root } from '../support/appliance.js'
import { temporaryDirectory } from '../support/temp.js'

function problems(
  t: Parameters<typeof temporaryDirectory>[0],
  value: unknown,
  variables: NodeJS.ProcessEnv = {},
): readonly string[] {
  const file = join(temporaryDirectory(t), 'config.json')
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  try {
    loadConfig([file], variables)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

t.test('every configuration in config/ can be used', async (t) => {
  const names = readdirSync(join(root, 'config')).filter((name) => name.endsWith('.json') && !name.startsWith('rules.'))
  t.ok(names.length >= 3)
  for (const name of names) t.ok(loadConfig([join(root, 'config', name)], {}), name)
})

t.test('the defaults can be used, and are frozen to the bottom', async (t) => {
  const config = loadConfig([], {})
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.gpio.simulated))
  t.equal(config.camera.stallSeconds, 5)
})

t.test('a threshold of no embedder, and votes that decide nothing or too early', async (t) => {
  t.match(problems(t, { recognizer: { threshold: 0.6 } }), [
    /recognizer.threshold is 0.6, of no embedder in particular/,
  ])
  t.same(problems(t, { recognizer: { threshold: 0.6, embedder: 'dlib-resnet' } }), [])
  t.match(problems(t, { votes: { revokeVotes: 0, clear: 0 } }), [/votes.revokeVotes is 0/, /votes.clear is 0/])
  t.match(problems(t, { votes: { minVotes: 0.1 } }), [/votes.minVotes is 0.1, and must be 1 or more; leave it out/])
  t.match(problems(t, { votes: { minVotes: 30 } }), [/votes.minVotes 30 is more than .* votes.maxVotes 20/])
  t.match(problems(t, { votes: { minQuality: 15 } }), [/votes.minQuality is above 1/])
})

t.test('bad keys are named with their place and what they must be', async (t) => {
  t.match(problems(t, { camera: { sourc: 'x' } }), [/unknown configuration key "camera.sourc" in .*config.json/])
  t.match(problems(t, { camera: { fps: '30' } }), [
    /"camera.fps" must be a whole number from 1 to 240, not "30" \(.*config.json\)/,
  ])
  t.match(problems(t, { door: 5 }), [/"door" must be a section/])
  t.match(problems(t, { camera: { source: 'webcam' } }), [/"camera.source" must be csi:N/])
  t.match(problems(t, { mqtt: { url: 'http://x' } }), [/"mqtt.url" must be mqtt/])
  t.match(problems(t, { mqtt: { url: 'embedded://0.0.0.0:1883' } }), [/"mqtt.url" must be .*127.0.0.1/])
  t.match(problems(t, { device: { id: 'a/b' } }), [/"device.id" must be letters/])
  t.match(problems(t, { recognizer: { threshold: 1 } }), [/"recognizer.threshold" must be a cosine/])
  t.match(problems(t, { toString: 1 }), [/unknown configuration key "toString"/])
  t.match(problems(t, '{"a":'), [/is not valid JSON/])
  t.match(problems(t, [1]), [/not a JSON object/])
  t.equal(problems(t, { camera: { fps: 0, width: 1 }, x: 1 }).length >= 1, true)
})

t.test('a key that is there twice is no choice of ours', async (t) => {
  t.match(problems(t, '{"door":{"strikeSeconds":3,"guardSeconds":2,"strike\\u0053econds":30}}'), [
    /^configuration key "door.strikeSeconds" is there twice in .*config.json; keep one of them/,
  ])
  t.equal(problems(t, '{"mqtt":{"url":""},"door":{},"mqtt":{"url":""},"door":{}}').length, 2)
})

t.test('keys that contradict each other are named together', async (t) => {
  const wired = { driver: 'gpiod', lines: { lock: '4', door: '', bolt: '' } }
  t.match(problems(t, { door: { strikeMode: 'hold' } }), [/^door.strikeMode is "hold" .*door.sensor/])
  t.same(problems(t, { door: { strikeMode: 'hold', sensor: true } }), [])
  for (const gpio of [wired, { ...wired, driver: 'onoff' }, { ...wired, driver: 'auto' }]) {
    t.match(problems(t, { door: { sensor: true }, gpio }), [/^door.sensor is true without a line; set gpio.lines.door/])
    t.match(problems(t, { door: { boltSensor: true }, gpio }), [/^door.boltSensor is true .*gpio.lines.bolt/])
  }
  t.same(problems(t, { door: { sensor: true }, gpio: { ...wired, driver: 'simulated' } }), [])
  t.same(problems(t, { door: { sensor: true }, gpio: { ...wired, lines: { lock: '4', door: '6' } } }), [])
  t.match(problems(t, { gpio: { lines: { lock: '5', exit: '5' } } }), [
    /^gpio.lines.exit and gpio.lines.lock are both "5"; choose another line/,
  ])
  t.match(problems(t, { gpio: { lines: { lock: '5', exit: '05' } } }), [
    /^gpio.lines.exit and gpio.lines.lock are both/,
  ])
  t.same(problems(t, { gpio: { lines: { lock: 'pin:5', exit: '5', door: 'chip:5' } } }), [], 'these may differ')
  t.match(problems(t, { gpio: { pullUp: ['exit', 'door'], pullDown: ['door'] } }), [
    /^"door" is in gpio.pullUp and in gpio.pullDown/,
  ])
  t.match(problems(t, { gpio: { pullUp: ['lock', 'exit'], pullDown: ['led'] } }), [
    /^"lock" in gpio.pullUp is an output, .*; take it out/,
    /^"led" in gpio.pullDown is an output/,
  ])
  t.match(problems(t, { gpio: { driver: 'onoff', lines: { lock: '4' }, pullUp: ['exit'] } }), [
    /^"exit" in gpio.pullUp does nothing with gpio.driver onoff; fit a resistor/,
  ])
})

t.test('a line is written as text', async (t) => {
  t.match(problems(t, { gpio: { lines: { led: 11 } } }), [/"gpio.lines.led" must be text: write "11", not 11 \(/])
  t.match(problems(t, { gpio: { lines: { led: 'gpiochip0:3' } } }), [/"gpio.lines.led" must be a number in quotes/])
})

t.test('variables win over files and mean what the key is', async (t) => {
  const file = join(temporaryDirectory(t), 'config.json')
  writeFileSync(file, JSON.stringify({ camera: { stallSeconds: 9, loop: true } }))
  const config = loadConfig([file], {
    FACELATCH_CAMERA_STALL_SECONDS: '2.5',
    FACELATCH_RECOGNIZER_EMBEDDER: 'dlib-resnet',
    FACELATCH_MQTT_URL: '',
    FACELATCH_RECOGNIZER_THRESHOLD: '0.9',
  })
  t.equal(config.camera.stallSeconds, 2.5)
  t.equal(config.camera.loop, true)
  t.equal(config.recognizer.embedder, 'dlib-resnet')
  t.equal(config.mqtt.url, '')
  t.equal(config.recognizer.threshold, 0.9)
  t.match(problems(t, {}, { FACELATCH_CAMERA_FPS: 'fast' }), [
    /"camera.fps" .* not "fast" \(variable FACELATCH_CAMERA_FPS\)/,
  ])
  t.match(problems(t, {}, { FACELATCH_CAMERA_LOOP: 'yes' }), [/"camera.loop" must be true or false/])
})

t.test('no two keys share a variable, and each says what it is', async (t) => {
  const keys = configKeys()
  t.equal(new Set(keys.map(({ variable }) => variable)).size, keys.length)
  t.ok(keys.every(({ doc }) => doc.length > 5))
})

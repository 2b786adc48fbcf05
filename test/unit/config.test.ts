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

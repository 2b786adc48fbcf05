/** The door tells nobody of itself but its home: no library of it keeps or sends anything. */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { facelatch, makeHome } from '../support/appliance.js'
import { temporaryDirectory } from '../support/temp.js'

t.test('nets are loaded, and no telemetry is gathered', async (t) => {
  const folder = temporaryDirectory(t)
  const [home, cache, temporary] = ['home', 'cache', 'tmp'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const path of [home, cache, temporary]) mkdirSync(path)
  const { config } = makeHome(t, { recognizer: { engine: 'onnxruntime' } })
  const { stdout } = await facelatch(['doctor', '--config', config], {
    HOME: home,
    XDG_CACHE_HOME: cache,
    TMPDIR: temporary,
    // As it is where nobody has thought of it.
    ORT_DISABLE_TELEMETRY: undefined,
  })
  t.match(stdout, /^ok +engine +ONNX Runtime/m, 'the nets ran')
  const left = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  // GStreamer knows its plugins by a registry.
  t.same(
    left.filter((name) => !/^(home|cache|tmp)$|gstreamer-1\.0/.test(name)),
    [],
  )
})

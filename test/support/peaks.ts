/** Prints the last health of a door that has judged one recording as fast as it goes, as JSON. */
import { clip } from '../../firmware/commands/clips.js'
import { makeFolder, removeFolder, startGuard } from '../../firmware/commands/guarded.js'

const folder = makeFolder()
let last: unknown
const guard = await startGuard({
  folder,
  config: {
    camera: { source: `file:${clip('cap13_edit2')}`, realtime: false },
    recognizer: { engine: 'onnxruntime' },
  },
  onMessage(topic, payload) {
    if (topic === 'health') last = JSON.parse(payload.toString('utf8'))
  },
})
try {
  await guard.ended
} finally {
  await guard.stop()
  removeFolder(folder)
}
console.log(JSON.stringify(last))

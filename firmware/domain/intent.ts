/**
 * Whether somebody wants to come in: near enough, turned to the door, in the right part of the picture, for long enough.
 * A resident who only walks past opens nothing.
 */
import { centre, size } from './geometry.js'
import type { FrameSize } from './quality.js'
import type { Box } from './types.js'

export interface Intent {
  /** Side of the face, pixels. */
  readonly facePixels: number
  /** Side of the face, part of the picture's height. */
  readonly faceShare: number
  /** `qualityFactors(...).pose`: 1 looks straight into the camera, 0.8 about 20 degrees, 0.6 about 30. */
  readonly frontal: number
  /** Where the middle of the face must be, parts of the picture's width and height. */
  readonly zone: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number }
  /** All of this, for so long, ms. */
  readonly dwellMs: number
  /** The same person is not asked for again after a grant, ms. */
  readonly coolDownMs: number
}

export const noIntent: Intent = {
  facePixels: 0,
  faceShare: 0,
  frontal: 0,
  zone: { left: 0, top: 0, right: 1, bottom: 1 },
  dwellMs: 0,
  coolDownMs: 0,
}

/** How a face was seen in one frame. */
export interface View {
  readonly box: Box
  readonly frame: FrameSize
  readonly pose: number
}

/** A face missed for no longer than this, ms, goes on dwelling. */
const gapMs = 300

export function intends({ box, frame, pose }: View, intent: Intent): boolean {
  const side = size(box)
  const { x, y } = centre(box)
  const { left, top, right, bottom } = intent.zone
  return (
    side >= intent.facePixels &&
    side >= intent.faceShare * frame.height &&
    pose >= intent.frontal &&
    x >= left * frame.width &&
    x <= right * frame.width &&
    y >= top * frame.height &&
    y <= bottom * frame.height
  )
}

/** How long each track has dwelt. */
export class Dwelling {
  readonly #since = new Map<number, { from: number; last: number }>()

  reset(): void {
    this.#since.clear()
  }

  /** All live tracks of one frame, `view` where it was seen; answers those that have dwelt long enough. `now`: any ms. */
  see(tracks: readonly { readonly id: number; readonly view?: View }[], intent: Intent, now: number): Set<number> {
    const listed = new Set(tracks.map(({ id }) => id))
    for (const id of this.#since.keys()) if (!listed.has(id)) this.#since.delete(id)
    const ready = new Set<number>()
    for (const { id, view } of tracks) {
      const before = this.#since.get(id)
      // Seen, and not as it should be: that ends it at once. Not seen: that may be a blink.
      if (view !== undefined && !intends(view, intent)) this.#since.delete(id)
      if (view === undefined || !intends(view, intent)) continue
      const from = before !== undefined && now - before.last <= gapMs ? before.from : now
      this.#since.set(id, { from, last: now })
      if (now - from >= intent.dwellMs) ready.add(id)
    }
    return ready
  }
}

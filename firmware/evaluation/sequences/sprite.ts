/** A head cut out of a still, ready to be drawn anywhere in any size. */
import type { Box } from '../../domain/types.js'

export interface Still {
  readonly person: string
  /** RGB, rows packed. */
  readonly rgb: Uint8Array
  readonly width: number
  readonly height: number
  /** The face in it, as a detector boxes it. */
  readonly face: Box
}

interface Level {
  /** Red, green, blue and coverage, 8 bits each, not premultiplied. */
  readonly rgba: Uint8Array
  readonly width: number
  readonly height: number
  /** Pixels of this level per pixel of the still. */
  readonly scale: number
}

export interface Sprite {
  readonly person: string
  /** The still and its halves: small faces are drawn from small pictures, or they would flicker. */
  readonly levels: readonly Level[]
  /** Middle of the face box, pixels of the still. */
  readonly x: number
  readonly y: number
  /** Side of the square with the face box's area: the unit of `reach` and of `coverage`. */
  readonly side: number
  /** Width and height of the face box in sides. */
  readonly box: { readonly width: number; readonly height: number }
}

/** The cut is an ellipse round head and hair: middle above the face box's, half axes in sides. */
const head = { up: 0.12, across: 0.9, down: 1.2 }
/** Part of the ellipse's radius over which it fades. */
const softness = 0.14

/** Half the width and height, in sides, outside of which nothing is drawn. */
export const reach = { x: head.across, y: head.down + head.up }

/** How much of the picture at (u, v) is this head, in [0, 1]; sides from the face's middle. */
export function coverage(u: number, v: number): number {
  const [across, down] = [u / head.across, (v + head.up) / head.down]
  const square = across * across + down * down
  return square >= 1 ? 0 : Math.min(1, (1 - Math.sqrt(square)) / softness)
}

export function cutOut({ person, rgb, width, height, face }: Still): Sprite {
  const side = Math.sqrt(face.width * face.height)
  const [x, y] = [face.x + face.width / 2, face.y + face.height / 2]
  const rgba = new Uint8Array(width * height * 4)
  for (let row = 0, at = 0; row < height; row++)
    for (let column = 0; column < width; column++, at++) {
      rgba[4 * at] = rgb[3 * at]!
      rgba[4 * at + 1] = rgb[3 * at + 1]!
      rgba[4 * at + 2] = rgb[3 * at + 2]!
      rgba[4 * at + 3] = Math.round(255 * coverage((column + 0.5 - x) / side, (row + 0.5 - y) / side))
    }
  const levels: Level[] = [{ rgba, width, height, scale: 1 }]
  while (levels.length < 3 && levels.at(-1)!.width >= 32 && levels.at(-1)!.height >= 32)
    levels.push(half(levels.at(-1)!))
  return { person, levels, x, y, side, box: { width: face.width / side, height: face.height / side } }
}

/** Means of four pixels each. Colours are not weighted by coverage: outside the cut they are the still's own. */
function half({ rgba, width, height, scale }: Level): Level {
  const [w, h] = [width >> 1, height >> 1]
  const small = new Uint8Array(w * h * 4)
  for (let row = 0; row < h; row++)
    for (let column = 0; column < w; column++)
      for (let c = 0; c < 4; c++) {
        const at = 4 * (2 * row * width + 2 * column) + c
        const below = at + 4 * width
        small[4 * (row * w + column) + c] = (rgba[at]! + rgba[at + 4]! + rgba[below]! + rgba[below + 4]! + 2) >> 2
      }
  return { rgba: small, width: w, height: h, scale: scale / 2 }
}

/** The level to draw from when a pixel of the still becomes `scale` pixels. */
export function levelFor(sprite: Sprite, scale: number): Level {
  return sprite.levels.findLast((level) => level.scale >= scale * 0.9) ?? sprite.levels[0]!
}

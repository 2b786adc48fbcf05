/** Pictures from files and to PNG, through sharp. */
import { access, constants, stat } from 'node:fs/promises'
import sharp from 'sharp'
import type { Box } from '../domain/types.js'

/** Longest side that is looked at, pixels: larger pictures are made smaller first, which bounds time and memory. */
const longestSide = 2048
/** More pixels than this are refused before they are decoded. */
const mostPixels = 120_000_000

export interface DecodedPicture {
  readonly rgb: Buffer
  readonly width: number
  readonly height: number
  /** Multiply positions by this to get pixels of the file's own picture (upright). */
  readonly scale: number
}

/** @throws Error with one line: what is wrong with the file. */
export async function decodePicture(file: string): Promise<DecodedPicture> {
  const info = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'ENOENT' ? 'no such file' : `cannot be read (${error.code})`)
  })
  if (info.isDirectory()) throw new Error('is a folder, not a picture')
  if (info.size === 0) throw new Error('is empty')
  // sharp calls a file that it may not open one of an unsupported format.
  await access(file, constants.R_OK).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot be read (${error.code})`)
  })
  try {
    // Phones store how they were held; a face lying on its side is found by no detector.
    const upright = sharp(file, { failOn: 'truncated', limitInputPixels: mostPixels }).autoOrient()
    const { data, info: raw } = await upright
      .resize({ width: longestSide, height: longestSide, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#808080' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true })
    if (raw.channels !== 3) throw new Error(`has ${raw.channels} channels after decoding`)
    const { autoOrient } = await sharp(file, { limitInputPixels: mostPixels }).metadata()
    return { rgb: data, width: raw.width, height: raw.height, scale: autoOrient.width / raw.width }
  } catch (error) {
    throw new Error(`cannot be decoded: ${oneLine(error)}`)
  }
}

export interface Mark {
  readonly box: Box
  readonly label: string
  readonly colour: string
}

/** A PNG of the picture with a box and a line of text per mark. */
export function annotate(
  picture: { rgb: Buffer; width: number; height: number },
  marks: readonly Mark[],
): Promise<Buffer> {
  const { rgb, width, height } = picture
  const text = Math.max(12, Math.round(height / 20))
  const shapes = marks.map(({ box, label, colour }) => {
    const below = box.y < text * 1.6
    const y = below ? Math.min(height - 4, box.y + box.height + text * 1.2) : box.y - text * 0.4
    const x = Math.max(4, Math.min(box.x, width - label.length * text * 0.62))
    return `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" fill="none" stroke="${colour}" stroke-width="${Math.max(2, text / 6)}"/>
      <text x="${x}" y="${y}" font-family="DejaVu Sans, sans-serif" font-weight="bold" font-size="${text}" fill="${colour}" stroke="#000" stroke-width="${text / 5}" paint-order="stroke">${escapeXml(label)}</text>`
  })
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${shapes.join('')}</svg>`
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .composite([{ input: Buffer.from(overlay) }])
    .png()
    .toBuffer()
}

const escapeXml = (text: string) => text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`)

const oneLine = (error: unknown) =>
  (error as Error).message
    .trim()
    .split('\n')[0]!
    .replace(/^Input file/, 'it')

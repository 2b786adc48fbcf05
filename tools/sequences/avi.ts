/** Motion-JPEG in an AVI file (Microsoft's RIFF layout, OpenDML left out): small to write, and every player knows it. */

const fourCc = (text: string) => Buffer.from(text, 'latin1')

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i)
  return bytes
}

/** A chunk's body is padded to an even length, which its size does not count. */
function chunk(name: string, ...body: Buffer[]): Buffer {
  const content = Buffer.concat(body)
  return Buffer.concat([fourCc(name), words(content.length), content, Buffer.alloc(content.length % 2)])
}

const list = (type: string, ...body: Buffer[]) => chunk('LIST', fourCc(type), ...body)

/** The flag of an index entry whose frame needs no other; all of Motion-JPEG are. */
const keyFrame = 0x10
const hasIndex = 0x10

/** @param frames JPEG files of one size. @throws RangeError beyond a gibibyte, where readers of this layout stop. */
export function writeAvi(frames: readonly Uint8Array[], width: number, height: number, fps: number): Buffer {
  const bytes = frames.reduce((sum, frame) => sum + frame.length + 9, 0)
  if (bytes > 2 ** 30) throw new RangeError(`an AVI file of ${bytes} bytes is too long; make shorter sequences`)
  const largest = Math.max(0, ...frames.map((frame) => frame.length))
  const main = words(Math.round(1e6 / fps), largest * fps, 0, hasIndex, frames.length, 0, 1, largest, width, height)
  const stream = Buffer.concat([
    fourCc('vidsMJPG'),
    words(0, 0, 0, 1, fps, 0, frames.length, largest, 0xffffffff, 0),
    Buffer.from(Uint16Array.of(0, 0, width, height).buffer),
  ])
  // BITMAPINFOHEADER: one plane of 24 bits.
  const format = Buffer.concat([
    words(40, width, height, 1 | (24 << 16)),
    fourCc('MJPG'),
    words(3 * width * height, 0, 0, 0, 0),
  ])
  const pictures = frames.map((frame) => chunk('00dc', Buffer.from(frame)))
  let offset = 4
  const index = frames.map((frame, i) => {
    const entry = Buffer.concat([fourCc('00dc'), words(keyFrame, offset, frame.length)])
    offset += pictures[i]!.length
    return entry
  })
  const header = list(
    'hdrl',
    chunk('avih', main, Buffer.alloc(16)),
    list('strl', chunk('strh', stream), chunk('strf', format)),
  )
  return chunk('RIFF', fourCc('AVI '), header, list('movi', ...pictures), chunk('idx1', ...index))
}

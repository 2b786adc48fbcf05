import type { Operator, Tflite } from '../../tools/models/tflite.js'

/*
 * Evaluates a TFLite net one operator after another, in TFLite's own layout (NHWC), with its own weights, PReLU in the four
 * operators it is spelled out in: slow, plain, and sharing nothing with the converter but the reader of the file.
 */

/** A single picture, [height, width, channel]. */
interface Map3 {
  height: number
  width: number
  channels: number
  data: Float64Array
}

/** `input` is [height, width, channel]; answers the output of the first of the batch. */
export function interpret(net: Tflite, input: ArrayLike<number>): Float64Array {
  const values = new Map<number, Map3>()
  const [, height, width, channels] = net.tensors[net.input]!.shape as [number, number, number, number]
  values.set(net.input, { height, width, channels, data: Float64Array.from(input) })
  for (const operator of net.operators) values.set(operator.output, apply(net, values, operator))
  return values.get(net.output)!.data
}

function apply(net: Tflite, values: ReadonlyMap<number, Map3>, operator: Operator): Map3 {
  const [a, b] = operator.inputs as [number, number]
  const x = values.get(a)
  const y = values.get(b)
  const constant = (index: number) => net.tensors[index]!.data!
  const each = (map: Map3, value: (number: number, i: number) => number) => ({ ...map, data: map.data.map(value) })
  switch (operator.type) {
    case 'CONV_2D':
    case 'DEPTHWISE_CONV_2D':
      return convolve(x!, net, operator)
    case 'RELU':
      return each(x!, (value) => Math.max(0, value))
    case 'ABS':
      return each(x!, Math.abs)
    case 'SUB':
      return each(x!, (value, i) => value - y!.data[i]!)
    case 'ADD':
      return each(x!, (value, i) => value + y!.data[i]!)
    case 'MUL':
      // A constant a channel times a map.
      return each(y!, (value, i) => value * constant(a)[i % y!.channels]!)
    case 'RESHAPE':
      return x!
  }
}

function convolve(x: Map3, net: Tflite, { type, inputs, output, convolution }: Operator): Map3 {
  const weights = net.tensors[inputs[1]!]!
  const bias = net.tensors[inputs[2]!]!.data!
  const [, rows, columns] = weights.shape as [number, number, number, number]
  const [, height, width, channels] = net.tensors[output]!.shape as [number, number, number, number]
  const { stride, padding } = convolution!
  // TensorFlow, "Notes on padding semantics": zeros before are half of all, rounded down.
  const before = (size: number, out: number, kernel: number, step: number) =>
    padding === 'VALID' ? 0 : Math.floor(Math.max(0, (out - 1) * step + kernel - size) / 2)
  const top = before(x.height, height, rows, stride.y)
  const left = before(x.width, width, columns, stride.x)
  const depthwise = type === 'DEPTHWISE_CONV_2D'
  const data = new Float64Array(height * width * channels)
  for (let oy = 0, to = 0; oy < height; oy++)
    for (let ox = 0; ox < width; ox++)
      for (let o = 0; o < channels; o++, to++) {
        let sum = bias[o]!
        for (let ky = 0; ky < rows; ky++) {
          const iy = oy * stride.y + ky - top
          if (iy < 0 || iy >= x.height) continue
          for (let kx = 0; kx < columns; kx++) {
            const ix = ox * stride.x + kx - left
            if (ix < 0 || ix >= x.width) continue
            const at = (iy * x.width + ix) * x.channels
            if (depthwise) {
              sum += x.data[at + o]! * weights.data![(ky * columns + kx) * channels + o]!
              continue
            }
            const from = ((o * rows + ky) * columns + kx) * x.channels
            for (let c = 0; c < x.channels; c++) sum += x.data[at + c]! * weights.data![from + c]!
          }
        }
        data[to] = sum
      }
  return { height, width, channels, data }
}

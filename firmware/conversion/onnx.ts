import onnxProto from 'onnx-proto'
import type { Tensor } from './tensor.js'

const { onnx } = onnxProto

/** Opset 13 is the oldest with Softmax along one axis; TensorRT 8.5 and ONNX Runtime 1.8 and later read it. */
const OPSET = 13
/** The IR version ONNX 1.8 to 1.9 pair with opset 13. */
const IR_VERSION = 7

/** A number fixes a side of a shape; a name leaves it to the caller of the model. */
export type Dimension = number | string

type Attribute = number | string | readonly number[] | { float: number }

/**
 * Writes one ONNX model, node by node. Every method that adds a node takes and returns value names, so that a net reads
 * like the function it is. All tensors are float32 and NCHW. The bytes depend on nothing but the calls made.
 */
export class Graph {
  readonly #nodes: onnxProto.onnx.INodeProto[] = []
  readonly #tensors: onnxProto.onnx.ITensorProto[] = []
  readonly #inputs: onnxProto.onnx.IValueInfoProto[] = []
  readonly #outputs: onnxProto.onnx.IValueInfoProto[] = []
  #count = 0

  /** @param prefix of every value's name, where the graph is to be part of another. */
  constructor(
    readonly name: string,
    readonly description: string,
    readonly prefix = '',
  ) {}

  input(name: string, shape: readonly Dimension[]): string {
    this.#inputs.push(valueInfo(name, shape))
    return name
  }

  /** Gives `value` the public name `name`. */
  output(name: string, value: string, shape: readonly Dimension[]): void {
    const node = this.#nodes.find((candidate) => candidate.output?.[0] === value)
    if (!node) throw new Error(`${this.name}: no node makes ${value}`)
    for (const user of this.#nodes) user.input = (user.input ?? []).map((used) => (used === value ? name : used))
    node.output = [name]
    this.#outputs.push(valueInfo(name, shape))
  }

  tensor(name: string, tensor: Tensor): string {
    this.#tensors.push({
      name,
      dims: [...tensor.shape],
      dataType: onnx.TensorProto.DataType.FLOAT,
      rawData: rawFloats(tensor.data),
    })
    return name
  }

  node(opType: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    const value = `${this.prefix}${opType.toLowerCase()}_${++this.#count}`
    this.#nodes.push({
      opType,
      name: value,
      input: [...inputs],
      output: [value],
      attribute: Object.entries(attributes).map(attribute),
    })
    return value
  }

  /** `weights` is [out, in / group, kernel height, kernel width]; `pads` top, left, bottom, right. */
  conv(
    x: string,
    name: string,
    weights: Tensor,
    bias: Tensor,
    { stride = 1, pads = [0, 0, 0, 0], group = 1 } = {},
  ): string {
    const inputs = [x, this.tensor(`${name}.weight`, weights), this.tensor(`${name}.bias`, bias)]
    const [, , height, width] = weights.shape as [number, number, number, number]
    const attributes = { kernel_shape: [height, width], pads, strides: [stride, stride] }
    // Only where it says something: the bytes of the nets without groups are named in the manifest.
    return this.node('Conv', inputs, group === 1 ? attributes : { ...attributes, group })
  }

  /** Flattens each sample in NCHW order and multiplies; `weights` is [in, out]. */
  dense(x: string, name: string, weights: Tensor, bias: Tensor): string {
    const inputs = [
      this.node('Flatten', [x]),
      this.tensor(`${name}.weight`, weights),
      this.tensor(`${name}.bias`, bias),
    ]
    return this.node('Gemm', inputs)
  }

  /** Zeros after the last channel, row and column. */
  padEnd(x: string, { channels = 0, rows = 0, columns = 0 }): string {
    const pads = this.#integers(`pads_${this.#count}`, [0, 0, 0, 0, 0, channels, rows, columns])
    return this.node('Pad', [x, pads], { mode: 'constant' })
  }

  /** Divides [batch, n] by its length, or by a tiny number where that is zero: a black picture must not become NaN. */
  l2Normalised(x: string): string {
    const length = this.node('ReduceL2', [x], { axes: [1], keepdims: 1 })
    const floor = this.tensor('tiny', { shape: [1], data: Float32Array.of(1e-12) })
    return this.node('Div', [x, this.node('Max', [length, floor])])
  }

  /**
   * Each picture of [batch, 3, side, side] less its own mean, divided by its own deviation; both over all channels. The input being
   * (pixel - 127.5) / 128, the floor of the deviation is that of davidsandberg/facenet's prewhiten: pixels' / sqrt(3 side side).
   */
  whitened(x: string, side: number): string {
    const flat = this.#integers(`${this.prefix}one_channel`, [-1, 1, 3 * side, side])
    const planes = this.#integers(`${this.prefix}three_channels`, [-1, 3, side, side])
    const map = this.node('Reshape', [x, flat])
    const centred = this.node('Sub', [map, this.node('GlobalAveragePool', [map])])
    const variance = this.node('GlobalAveragePool', [this.node('Mul', [centred, centred])])
    const least = 1 / (128 * Math.sqrt(3 * side * side))
    const floor = this.tensor(`${this.prefix}least_deviation`, { shape: [1], data: Float32Array.of(least) })
    const deviation = this.node('Max', [this.node('Sqrt', [variance]), floor])
    return this.node('Reshape', [this.node('Div', [centred, deviation]), planes])
  }

  #integers(name: string, values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt)
    this.#tensors.push({
      name,
      dims: [values.length],
      dataType: onnx.TensorProto.DataType.INT64,
      rawData: rawInts(data),
    })
    return name
  }

  encode(): Uint8Array {
    const model = onnx.ModelProto.create({
      irVersion: IR_VERSION,
      producerName: 'facelatch',
      producerVersion: '1',
      docString: this.description,
      opsetImport: [{ domain: '', version: OPSET }],
      graph: {
        name: this.name,
        node: this.#nodes,
        initializer: this.#tensors,
        input: this.#inputs,
        output: this.#outputs,
      },
    })
    return onnx.ModelProto.encode(model).finish()
  }
}

/** A published embedder: one input picture a row, one output vector. */
export interface PublishedEmbedder {
  readonly side: number
  readonly dimensions: number
  /** Channels come last. */
  readonly nhwc: boolean
  /** The same net with other pictures going in: what `head` makes of them. */
  readonly behind: (head: (graph: Graph, x: string) => string) => Uint8Array
}

/** What faces are told apart by has 64 numbers at the least: fewer are the answer of another net, a detector's or a classifier's. */
export const fewestDimensions = 64

/** @throws Error saying why the file is no embedder of square colour pictures. */
export function readEmbedder(bytes: Uint8Array): PublishedEmbedder {
  const model = decoded(bytes)
  const graph = model.graph!
  const weights = new Set((graph.initializer ?? []).map(({ name }) => name))
  const inputs = (graph.input ?? []).filter(({ name }) => !weights.has(name))
  if (inputs.length !== 1 || graph.output?.length !== 1)
    throw new Error(
      `it has ${inputs.length} inputs and ${graph.output?.length ?? 0} outputs, where an embedder has one of each`,
    )
  const [input, output] = [sidesOf(inputs[0]!), sidesOf(graph.output[0]!)]
  const [batch, a, b, c] = input
  const nhwc = c === 3
  const side = nhwc ? a : c
  if (input.length !== 4 || !(nhwc ? a === b : a === 3 && b === c) || !side)
    throw new Error(
      `its input is of shape ${shown(input)}, not [batch, 3, side, side] or [batch, side, side, 3] of 32-bit floats`,
    )
  const dimensions = output[1]
  if (output.length !== 2 || !dimensions)
    throw new Error(`its output is of shape ${shown(output)}, not [batch, numbers] of 32-bit floats`)
  if (dimensions < fewestDimensions)
    throw new Error(`it answers ${dimensions} numbers, where an embedding has ${fewestDimensions} or more`)
  return {
    side,
    dimensions,
    nhwc,
    behind(head) {
      const before = new Graph('', '', 'facelatch_')
      const picture = before.input('facelatch_input', [batch || 'batch', 3, side, side])
      before.output(inputs[0]!.name!, head(before, picture), [])
      const first = decoded(before.encode()).graph!
      const { node, initializer, input } = graph
      const behind = {
        ...graph,
        node: [...first.node!, ...(node ?? [])],
        initializer: [...first.initializer!, ...(initializer ?? [])],
        input: [...first.input!, ...(input ?? []).filter(({ name }) => weights.has(name))],
      }
      return onnx.ModelProto.encode({ ...model, graph: behind }).finish()
    },
  }
}

function decoded(bytes: Uint8Array): onnxProto.onnx.IModelProto {
  try {
    const model = onnx.ModelProto.decode(bytes)
    if (model.graph) return model
  } catch {
    // Said below.
  }
  throw new Error('it is no ONNX model')
}

/** 0 where a side is free; none at all where the value is no tensor of 32-bit floats. */
function sidesOf({ type }: onnxProto.onnx.IValueInfoProto): number[] {
  if (type?.tensorType?.elemType !== onnx.TensorProto.DataType.FLOAT) return []
  return (type.tensorType.shape?.dim ?? []).map(({ dimValue }) => Number(dimValue ?? 0))
}

const shown = (sides: readonly number[]) => `[${sides.map((side) => side || '?').join(', ')}]`

function valueInfo(name: string, shape: readonly Dimension[]): onnxProto.onnx.IValueInfoProto {
  const dim = shape.map((side) => (typeof side === 'number' ? { dimValue: side } : { dimParam: side }))
  return { name, type: { tensorType: { elemType: onnx.TensorProto.DataType.FLOAT, shape: { dim } } } }
}

function attribute([name, value]: [string, Attribute]): onnxProto.onnx.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value }
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: Buffer.from(value) }
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float }
  return { name, type: AttributeType.INTS, ints: [...value] }
}

/** onnx.proto, TensorProto.raw_data: little endian, whatever machine writes it. */
function rawFloats(values: Float32Array): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, i) => {
    bytes.setFloat32(i * 4, value, true)
  })
  return new Uint8Array(bytes.buffer)
}

function rawInts(values: BigInt64Array): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(values.length * 8))
  values.forEach((value, i) => {
    bytes.setBigInt64(i * 8, value, true)
  })
  return new Uint8Array(bytes.buffer)
}

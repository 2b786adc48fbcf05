import onnxProto from 'onnx-proto'
import type { Tensor } from './weights.js'

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

  constructor(
    readonly name: string,
    readonly description: string,
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
    const value = `${opType.toLowerCase()}_${++this.#count}`
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
    const pads = BigInt64Array.from([0, 0, 0, 0, 0, channels, rows, columns].map(BigInt))
    const name = `pads_${this.#count}`
    this.#tensors.push({ name, dims: [8], dataType: onnx.TensorProto.DataType.INT64, rawData: rawInts(pads) })
    return this.node('Pad', [x, name], { mode: 'constant' })
  }

  /** Divides [batch, n] by its length, or by a tiny number where that is zero: a black picture must not become NaN. */
  l2Normalised(x: string): string {
    const length = this.node('ReduceL2', [x], { axes: [1], keepdims: 1 })
    const floor = this.tensor('tiny', { shape: [1], data: Float32Array.of(1e-12) })
    return this.node('Div', [x, this.node('Max', [length, floor])])
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

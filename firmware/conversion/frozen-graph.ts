import { readFileSync } from 'node:fs'
import { Message } from './protobuf.js'
import type { Tensor, Weights } from './tensor.js'

/*
 * Reads the constants of a frozen TensorFlow graph. Numbers are those of tensorflow/core/framework: graph.proto,
 * node_def.proto, attr_value.proto, tensor.proto, tensor_shape.proto and types.proto.
 */

const GRAPH = { node: 1 }
const NODE = { name: 1, op: 2, attr: 5 }
const ENTRY = { key: 1, value: 2 }
const ATTR = { tensor: 8 }
const TENSOR = { dtype: 1, shape: 2, content: 4, floats: 5 }
const SHAPE = { dim: 2 }
const DIM = { size: 1 }
const DT_FLOAT = 1

/**
 * The float32 constants of the graph, by the names they have below `scope`: frozen variables keep their names.
 * @throws Error when the file cannot be read, is no graph, or lacks the weight asked for.
 */
export function readFrozenGraph(file: string, scope: string): Weights {
  let graph: Message
  const constants = new Map<string, Message>()
  try {
    graph = new Message(readFileSync(file))
    for (const node of graph.messages(GRAPH.node)) {
      const name = node.text(NODE.name)
      if (node.text(NODE.op) === 'Const' && name.startsWith(`${scope}/`))
        constants.set(name.slice(scope.length + 1), node)
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new Error('it is no frozen TensorFlow graph')
  }
  return (name, rank) => {
    const node = constants.get(name)
    if (node === undefined) throw new Error(`no weight named ${scope}/${name}`)
    const tensor = constant(node)
    if (tensor === undefined) throw new Error(`${scope}/${name} is not of whole 32-bit floats`)
    if (tensor.shape.length !== rank) throw new Error(`${scope}/${name} has shape [${tensor.shape}], not ${rank} sides`)
    return tensor
  }
}

function constant(node: Message): Tensor | undefined {
  const value = node.messages(NODE.attr).find((entry) => entry.text(ENTRY.key) === 'value')
  const tensor = value?.message(ENTRY.value).message(ATTR.tensor)
  if (tensor?.number(TENSOR.dtype) !== DT_FLOAT) return undefined
  const shape = tensor
    .message(TENSOR.shape)
    .messages(SHAPE.dim)
    .map((dim) => dim.number(DIM.size))
  const length = shape.reduce((product, side) => product * side, 1)
  const content = tensor.bytes(TENSOR.content)
  const values = floats(content.length > 0 ? content : Buffer.concat(tensor.all(TENSOR.floats)))
  // tensor.proto: the last value of a list that is too short is repeated.
  if (content.length === 0 && values.length > 0 && values.length < length) {
    const data = new Float32Array(length).fill(values.at(-1)!)
    data.set(values)
    return { shape, data }
  }
  return values.length === length ? { shape, data: values } : undefined
}

function floats(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getFloat32(i * 4, true))
}

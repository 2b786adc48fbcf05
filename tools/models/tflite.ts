import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Table } from './flatbuffer.js'

/*
 * Reads TFLite files: the schema is tensorflow/lite/schema/schema.fbs, version 3. Field numbers below are positions in its
 * tables. Only float32 nets of the operators that face nets are made of are read; anything else is refused by name.
 */

/** schema.fbs, enum BuiltinOperator. */
const OPERATORS = {
  0: 'ADD',
  3: 'CONV_2D',
  4: 'DEPTHWISE_CONV_2D',
  18: 'MUL',
  19: 'RELU',
  22: 'RESHAPE',
  41: 'SUB',
  101: 'ABS',
} as const
export type OperatorName = (typeof OPERATORS)[keyof typeof OPERATORS]

/** schema.fbs, enum TensorType. */
const FLOAT32 = 0

export interface TfliteTensor {
  name: string
  /** NHWC; the batch is the file's own. */
  shape: readonly number[]
  /** Row-major; absent for what the net computes. */
  data?: Float32Array
}

export interface Convolution {
  /** SAME pads so that the output has ceil(input / stride) rows, the odd one at the end; VALID pads nothing. */
  padding: 'SAME' | 'VALID'
  stride: { x: number; y: number }
}

/** Positions of tensors. A convolution's inputs are the picture, its weights and its bias. */
export interface Operator {
  type: OperatorName
  inputs: readonly number[]
  output: number
  convolution?: Convolution
}

export interface Tflite {
  tensors: readonly TfliteTensor[]
  /** In an order in which each finds its inputs computed. */
  operators: readonly Operator[]
  input: number
  output: number
}

/** The folder tools/setup puts the files of packages into that are too heavy to install. Compiled, this is dist/tools/models. */
export const fetchedWeights = () => fileURLToPath(new URL('../../../build/weights/', import.meta.url))

/**
 * @throws Error naming the file when it is no TFLite file, is cut short, or holds what is not read here: several subgraphs,
 * inputs or outputs, an unknown operator, a dilated convolution, a fused activation, a weight that is not float32.
 */
export function readTflite(file: string): Tflite {
  if (!existsSync(file)) throw new Error(`${file} is missing: run npm run setup, which fetches it`)
  try {
    return parseTflite(readFileSync(file))
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}; fetch the file again`)
  }
}

export function parseTflite(bytes: Uint8Array): Tflite {
  const model = Table.root(bytes, 'TFL3')
  const [graph, ...others] = model.tables(2)
  if (!graph || others.length > 0) throw new Error(`holds ${others.length + (graph ? 1 : 0)} subgraphs, not one`)
  const codes = model.tables(1).map(operatorCode)
  const buffers = model.tables(4)
  const [inputs, outputs] = [graph.ints(1), graph.ints(2)]
  if (inputs.length !== 1 || outputs.length !== 1)
    throw new Error(`has ${inputs.length} inputs and ${outputs.length} outputs, not one of each`)
  return {
    tensors: graph.tables(0).map((tensor) => readTensor(tensor, buffers)),
    operators: graph.tables(3).map((operator, i) => readOperator(operator, codes, i)),
    input: inputs[0]!,
    output: outputs[0]!,
  }
}

/** Codes above 126 stand in the later, wider field; the older one then holds 127 or 0. */
function operatorCode(code: Table): number {
  return Math.max(code.byte(0), code.int(3))
}

function readTensor(tensor: Table, buffers: readonly Table[]): TfliteTensor {
  const name = tensor.text(3)
  const shape = tensor.ints(0)
  const bytes = buffers[tensor.int(2)]?.bytes(0) ?? new Uint8Array()
  // The shape given to RESHAPE is a tensor of integers, of which the output's own shape tells as much.
  if (bytes.length === 0 || tensor.byte(1) !== FLOAT32) return { name, shape }
  const length = shape.reduce((product, side) => product * side, 1)
  if (bytes.length !== length * 4) throw new Error(`${name} has ${bytes.length} bytes for shape [${shape}]`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { name, shape, data: Float32Array.from({ length }, (_, i) => view.getFloat32(i * 4, true)) }
}

function readOperator(operator: Table, codes: readonly number[], i: number): Operator {
  const code = codes[operator.int(0)]
  const type = OPERATORS[code as keyof typeof OPERATORS]
  if (!type)
    throw new Error(`operator ${i} has code ${code}; only ${Object.values(OPERATORS).join(', ')} are read here`)
  const [output, ...more] = operator.ints(2)
  if (output === undefined || more.length > 0) throw new Error(`operator ${i}, ${type}, has not one output`)
  const options = operator.table(4)
  const inputs = operator.ints(1)
  if (type !== 'CONV_2D' && type !== 'DEPTHWISE_CONV_2D') {
    // AddOptions, MulOptions and SubOptions begin with their fused activation; the others have none.
    if ((type === 'ADD' || type === 'MUL' || type === 'SUB') && options?.byte(0)) throw new Error(fused(type, i))
    return { type, inputs, output }
  }
  // DepthwiseConv2DOptions has the depth multiplier where Conv2DOptions has the activation.
  const activation = type === 'CONV_2D' ? 3 : 4
  if (options?.byte(activation)) throw new Error(fused(type, i))
  if (options?.int(activation + 1, 1) !== 1 || options.int(activation + 2, 1) !== 1)
    throw new Error(`operator ${i}, ${type}, is dilated, which is not read here`)
  const convolution: Convolution = {
    padding: options.byte(0) === 0 ? 'SAME' : 'VALID',
    stride: { x: options.int(1), y: options.int(2) },
  }
  return { type, inputs, output, convolution }
}

const fused = (type: string, i: number) => `operator ${i}, ${type}, has a fused activation, which is not read here`

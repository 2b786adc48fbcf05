/** A dense float32 tensor in row-major order, as a weight file stores it. */
export interface Tensor {
  shape: readonly number[]
  data: Float32Array
}

/** Looks a weight up by its name; throws when the file has none of that name or it has another rank. */
export type Weights = (name: string, rank: number) => Tensor

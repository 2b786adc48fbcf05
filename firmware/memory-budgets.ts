/** What the two processes may hold of memory, bytes, and how Node is told to keep to it. */

const mebibyte = 2 ** 20

/**
 * Resident at most, with every net on the CPU, pictures of 640x480 and some thousand templates; GPUs take more. Where it
 * went in two minutes of frames judged as fast as they came (smaps, x64, MiB): supervisor: Node's own file 46, heaps 39,
 * libraries 6. Recognizer: Node 39, heaps, nets and pictures 91, ONNX Runtime 23, GStreamer 16, other libraries 32. A third
 * is left for boards, codecs and versions that differ.
 */
export const memoryBudgets = { supervisor: 128 * mebibyte, recognizer: 288 * mebibyte } as const

/**
 * Node's young generation may take three times 16 MiB, which is meant for compilers. Neither process makes much that lives
 * long: with 2 MiB each of them is 25 MiB smaller.
 */
export const nodeFlags = ['--max-semi-space-size=2'] as const

/**
 * SQLite's four threads would each keep what they have freed in an arena of their own (mallopt(3)): 2 MiB more, and an
 * hour before they stop to grow. The recognizer's addon allows itself two.
 */
export const nodeEnvironment = { MALLOC_ARENA_MAX: '1' } as const

/**
 * The whole contract of the second addon, build/native/facelatch-gpio.node: Linux's GPIO character device, interface
 * version 2 (kernel 5.10 and later). Every call is one or two system calls on the calling thread. What fails throws an
 * `Error` with the kernel's number in `errno`, positive: EBUSY for a line that somebody holds, EINVAL or ENOTTY from
 * kernels that know only version 1.
 */

/** `path`: /dev/gpiochipN. */
export function chipInfo(path: string): { name: string; label: string; lines: number }
/** `consumer`: who holds it, in that program's own words; may be empty although `used`. */
export function lineInfo(path: string, offset: number): { name: string; consumer: string; used: boolean }

export interface LineRequest {
  offset: number
  /** At most 31 bytes are kept. */
  consumer: string
  output: boolean
  /** Logical level of an output from its first moment on. */
  initial: boolean
  activeLow: boolean
  bias: 'asIs' | 'up' | 'down'
  /** Of an input; 0 for none. The kernel does it in software where the chip cannot. */
  debounceMicroseconds: number
}

/** A descriptor that holds the line until all of its copies, in other processes too, are closed. */
export function request(path: string, options: LineRequest): number
export function get(descriptor: number): boolean
export function set(descriptor: number, on: boolean): void
export function release(descriptor: number): void
/**
 * Calls back after each edge of the inputs, in order, with the logical level; `undefined`: the line is gone. Keeps no
 * program running. Answers how to stop, which must happen before the descriptors are released.
 */
export function watch(
  descriptors: readonly number[],
  listener: (descriptor: number, on: boolean | undefined) => void,
): () => void

/** Whether something grows: the slope of a series that is noisy, and not independent from one sample to the next. */
import { mean } from './statistics.js'

export interface Sample {
  readonly x: number
  readonly y: number
}

export interface Slope {
  /** Per unit of x, with the limits within which the true one lies 19 times in 20. */
  readonly value: number
  readonly low: number
  readonly high: number
}

/**
 * Least squares over the means of `blocks` equal parts of the series: neighbours resemble each other, and samples taken as
 * independent would promise too narrow limits. Throws RangeError for fewer than two samples a block.
 */
export function slope(samples: readonly Sample[], blocks = 20): Slope {
  const size = Math.floor(samples.length / blocks)
  if (size < 2) throw new RangeError(`${samples.length} samples are too few for a slope of ${blocks} blocks`)
  const points = Array.from({ length: blocks }, (_, i) => {
    const block = samples.slice(i * size, (i + 1) * size)
    return { x: mean(block.map(({ x }) => x)), y: mean(block.map(({ y }) => y)) }
  })
  const [x0, y0] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))]
  const spread = points.reduce((sum, { x }) => sum + (x - x0) ** 2, 0)
  const value = points.reduce((sum, { x, y }) => sum + (x - x0) * (y - y0), 0) / spread
  const rest = points.reduce((sum, { x, y }) => sum + (y - y0 - value * (x - x0)) ** 2, 0)
  const half = student95(blocks - 2) * Math.sqrt(rest / (blocks - 2) / spread)
  return { value, low: value - half, high: value + half }
}

/** Student's t for 95 %, two-sided: Cornish and Fisher's series (Abramowitz and Stegun 26.7.5), to 0.001 from 8 degrees on. */
export function student95(degrees: number): number {
  const z = 1.959964
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ]
  return terms.reduce((sum, term, i) => sum + term / degrees ** (i + 1), z)
}

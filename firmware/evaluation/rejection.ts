/**
 * Does quality tell which pictures will not be recognised? Error against rejects (Grother and Tabassi, IEEE TPAMI 29, 2007):
 * the worst pictures are taken out, a share after the other; of a quality that knows something the errors go first.
 */
import { type Rate, rate } from './operating-points.js'

export interface Judged {
  /** In [0, 1]. */
  readonly quality: number
  /** The right person came first and reached the threshold. */
  readonly right: boolean
}

export interface Rejection {
  /** Share of the pictures taken out, worst first. */
  readonly rejected: number
  /** Quality of the worst picture that is left. */
  readonly from: number
  /** Of those that are left. */
  readonly missed: Rate
}

const shares = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3]

export function rejections(judged: readonly Judged[]): Rejection[] {
  const sorted = [...judged].sort((a, b) => a.quality - b.quality)
  return shares.map((rejected) => {
    const left = sorted.slice(Math.round(rejected * sorted.length))
    const missed = left.filter(({ right }) => !right).length
    return { rejected, from: left[0]?.quality ?? 1, missed: rate(missed, left.length) }
  })
}

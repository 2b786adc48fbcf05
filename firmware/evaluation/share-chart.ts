/** Which share of something has happened by when, as SVG. */
import { area, colour, escaped, round, size } from './chart.js'

export interface ShareChart {
  readonly title: string
  readonly x: string
  readonly y: string
  /** When it happened, at least 0, in any order. */
  readonly values: readonly number[]
  /** How often it could have happened. */
  readonly of: number
}

const columns = 8
const rows = 5

/** Both axes linear, from 0. */
export function sharesSvg({ title, x, y, values, of }: ShareChart): string {
  const sorted = [...values].sort((a, b) => a - b)
  const step = roundUp((sorted.at(-1) ?? 0) / columns)
  const inner = { width: size.width - area.left - area.right, height: size.height - area.top - area.bottom }
  const bottom = size.height - area.bottom
  const atX = (value: number) => round(area.left + (inner.width * value) / (columns * step))
  const atY = (share: number) => round(bottom - inner.height * share)
  const parts = [
    `<text x="${area.left}" y="22" font-size="16" font-weight="bold">${escaped(title)}</text>`,
    ...Array.from({ length: columns + 1 }, (_, i) => i * step).map(
      (value) =>
        `<line x1="${atX(value)}" x2="${atX(value)}" y1="${area.top}" y2="${bottom}" stroke="#ddd"/>` +
        `<text x="${atX(value)}" y="${bottom + 18}" text-anchor="middle">${value}</text>`,
    ),
    ...Array.from({ length: rows + 1 }, (_, i) => i / rows).map(
      (share) =>
        `<line x1="${area.left}" x2="${size.width - area.right}" y1="${atY(share)}" y2="${atY(share)}" stroke="#ddd"/>` +
        `<text x="${area.left - 8}" y="${atY(share) + 4}" text-anchor="end">${Math.round(100 * share)} %</text>`,
    ),
    `<text x="${area.left + inner.width / 2}" y="${size.height - 14}" text-anchor="middle">${escaped(x)}</text>`,
    `<text transform="translate(16 ${area.top + inner.height / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>`,
    `<path fill="none" stroke="${colour(0)}" stroke-width="2" d="M${atX(0)} ${atY(0)}${sorted
      .map((value, i) => `H${atX(value)}V${atY((i + 1) / of)}`)
      .join('')}H${atX(columns * step)}"/>`,
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>`
}

/** To 1, 2 or 5 of a power of ten. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((digit) => digit * power).find((rounded) => rounded >= value)!
}

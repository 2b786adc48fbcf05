/** What something costs as it grows, as SVG: milliseconds over a size, both logarithmic. */
import { area, colour, escaped, round, size } from './chart.js'

export interface Cost {
  readonly name: string
  readonly points: readonly { readonly at: number; readonly ms: number }[]
}

export interface CostChart {
  readonly title: string
  readonly x: string
  /** For a size in points, what people call it. */
  readonly label: (at: number) => string
  readonly costs: readonly Cost[]
}

/** Sizes stand in their order at even distances: 0 has no logarithm, and each was measured anyway. */
export function costSvg({ title, x, label, costs }: CostChart): string {
  const sizes = [...new Set(costs.flatMap(({ points }) => points.map(({ at }) => at)))].sort((a, b) => a - b)
  const all = costs.flatMap(({ points }) => points.map(({ ms }) => ms)).filter((ms) => ms > 0)
  const low = Math.floor(Math.log10(Math.min(...all)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all))))
  const inner = { width: size.width - area.left - area.right, height: size.height - area.top - area.bottom }
  const bottom = size.height - area.bottom
  const atX = (at: number) => round(area.left + (inner.width * (sizes.indexOf(at) + 0.5)) / sizes.length)
  const atY = (ms: number) => round(bottom - (inner.height * (Math.log10(ms) - low)) / (high - low))
  const decades = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))
  const parts = [
    `<text x="${area.left}" y="22" font-size="16" font-weight="bold">${escaped(title)}</text>`,
    ...sizes.map((at) => `<text x="${atX(at)}" y="${bottom + 18}" text-anchor="middle">${escaped(label(at))}</text>`),
    ...decades.map(
      (ms) =>
        `<line x1="${area.left}" x2="${size.width - area.right}" y1="${atY(ms)}" y2="${atY(ms)}" stroke="#ddd"/>` +
        `<text x="${area.left - 8}" y="${atY(ms) + 4}" text-anchor="end">${Number(ms.toPrecision(1))}</text>`,
    ),
    `<text x="${area.left + inner.width / 2}" y="${size.height - 14}" text-anchor="middle">${escaped(x)}</text>`,
    `<text transform="translate(16 ${area.top + inner.height / 2}) rotate(-90)" text-anchor="middle">CPU time, ms</text>`,
    ...costs.map(({ points }, i) =>
      drawn(
        points.filter(({ ms }) => ms > 0).map(({ at, ms }) => [atX(at), atY(ms)]),
        i,
      ),
    ),
    ...costs.map(
      ({ name }, i) =>
        `<line x1="${area.left + 8}" x2="${area.left + 28}" y1="${area.top + 10 + 18 * i}" y2="${area.top + 10 + 18 * i}" stroke="${colour(i)}" stroke-width="3"/>` +
        `<text x="${area.left + 34}" y="${area.top + 14 + 18 * i}">${escaped(name)}</text>`,
    ),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>`
}

function drawn(points: readonly (readonly [x: number, y: number])[], series: number): string {
  const line = points.map(([x, y]) => `${x},${y}`).join(' ')
  const dots = points.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour(series)}"/>`).join('')
  return `<polyline fill="none" stroke="${colour(series)}" stroke-width="2" points="${line}"/>${dots}`
}

/** Curves as SVG, which browsers show and people can paste. */

export interface Series {
  readonly name: string
  /** Shares in [0, 1]. */
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Drawn with gaps: what is compared with the others. */
  readonly dashed?: boolean
}

export interface Chart {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly series: readonly Series[]
  /** Least share shown on the logarithmic x axis. */
  readonly from: number
  /** Least share shown on the y axis. */
  readonly least: number
}

export const size = { width: 720, height: 440 }
export const area = { left: 64, right: 20, top: 40, bottom: 56 }
// Okabe and Ito's colours: told apart also by people who see few of them.
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00']

/** x logarithmic from `from` to 1, y linear from `least` to 1. A false rate of 0 stands at the left edge. */
export function svg({ title, x, y, series, from, least }: Chart): string {
  const inner = { width: size.width - area.left - area.right, height: size.height - area.top - area.bottom }
  const decades = -Math.log10(from)
  const atX = (share: number) => area.left + inner.width * (1 + Math.log10(Math.max(share, from)) / decades)
  const atY = (share: number) => area.top + (inner.height * (1 - Math.max(share, least))) / (1 - least)
  const columns = Array.from({ length: Math.floor(decades + 1e-9) + 1 }, (_, i) => 10 ** -i)
  const rows = Array.from({ length: 6 }, (_, i) => least + ((1 - least) * i) / 5)
  const bottom = size.height - area.bottom
  const parts = [
    `<text x="${area.left}" y="22" font-size="16" font-weight="bold">${escaped(title)}</text>`,
    ...columns.map(
      (share) =>
        `<line x1="${round(atX(share))}" x2="${round(atX(share))}" y1="${area.top}" y2="${bottom}" stroke="#ddd"/>` +
        `<text x="${round(atX(share))}" y="${bottom + 18}" text-anchor="middle">${percent(share)}</text>`,
    ),
    ...rows.map(
      (share) =>
        `<line x1="${area.left}" x2="${size.width - area.right}" y1="${round(atY(share))}" y2="${round(atY(share))}" stroke="#ddd"/>` +
        `<text x="${area.left - 8}" y="${round(atY(share)) + 4}" text-anchor="end">${percent(share)}</text>`,
    ),
    `<text x="${area.left + inner.width / 2}" y="${size.height - 14}" text-anchor="middle">${escaped(x)}</text>`,
    `<text transform="translate(16 ${area.top + inner.height / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>`,
    ...series.map(({ points, dashed }, i) => {
      const line = points.map(([a, b]) => `${round(atX(a))},${round(atY(b))}`).join(' ')
      return `<polyline fill="none" stroke="${colour(i)}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ''} points="${line}"/>`
    }),
    ...series.map(({ name }, i) => {
      const top = bottom - 14 - (series.length - 1 - i) * 18
      const right = size.width - area.right
      return (
        `<text x="${right - 28}" y="${top + 4}" text-anchor="end">${escaped(name)}</text>` +
        `<line x1="${right - 22}" x2="${right - 4}" y1="${top}" y2="${top}" stroke="${colour(i)}" stroke-width="3"/>`
      )
    }),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>`
}

/** A page of tables and drawings that needs nothing else. */
export function page(title: string, sections: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title>
<style>body{font:15px/1.45 sans-serif;max-width:760px;margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:1em 0}th,td{border:1px solid #ccc;padding:.25em .6em;text-align:left;font-variant-numeric:tabular-nums}th{background:#f3f3f3}svg{max-width:100%;height:auto}</style>
<h1>${escaped(title)}</h1>
${sections.join('\n')}
</html>
`
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) => row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')
  return `<table><tr>${cells('th', head)}</tr>\n${rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n')}</table>`
}

export function paragraph(text: string): string {
  return `<p>${escaped(text)}</p>`
}

export function colour(i: number): string {
  return colours[i % colours.length]!
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(4))} %`
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}

export function escaped(text: string): string {
  return text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`)
}

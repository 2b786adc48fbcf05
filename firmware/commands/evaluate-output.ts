/** Evaluations for people: lines on the terminal, and one page. */
import { type Chart, page, paragraph, svg, table } from '../evaluation/chart.js'
import type { Result } from '../evaluation/identification.js'
import type { OperatingPoint, Rate } from '../evaluation/operating-points.js'
import { amount } from '../evaluation/support.js'
import type { Evaluation } from './evaluate.js'
import type { AttractionResult } from './evaluate-attraction.js'
import type { IdentificationResult } from './evaluate-identification.js'
import type { VerificationResult } from './evaluate-verification.js'

export const percent = (value: number) => `${(100 * value).toFixed(2)} %`
export const counted = ({ count, of, value, low, high }: Rate) =>
  `${percent(value)} (${count} of ${of}; ${percent(low)} to ${percent(high)})`
const detected = ({ embedder, detector }: Evaluation) => (detector === 'mtcnn' ? embedder : `${embedder}, ${detector}`)
const similarity = (value: number) => value.toFixed(4)

/** What has curves. */
type Drawn = Exclude<Evaluation, AttractionResult>

/** A table: its first row is the head. */
export type Grid = string[][]

export const printResult = (result: Evaluation): void => printGrids(heading(result), tables(result))

export function printGrids(title: string, grids: readonly Grid[]): void {
  console.log(`\n${title}`)
  for (const [head, ...rows] of grids) {
    console.log('')
    const all = [head!, ...rows]
    const widths = head!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
    for (const row of all)
      console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
  }
}

function heading({ embedder, detector, minFace, data, ...result }: Evaluation): string {
  const nets = `${embedder}, ${detector} (min face ${minFace}), ${data}`
  const missed = `${result.withoutFace} pictures without a face`
  if (result.kind === 'verification')
    return `${nets}: ${result.pairs.same} pairs of one person, ${result.pairs.different} of two; ${missed}`
  if (result.kind === 'attraction')
    return `${nets}: one person with ${amount(result.many, 'template')}, ${result.others} with ${result.few}; ${missed}`
  return `${nets}: ${enrolled(result)}${result.refused > 0 ? ` (${result.refused} refused)` : ''}, ${result.classifier}; ${missed}`
}

export const enrolled = ({ people, templates }: { people: number; templates: number }) =>
  `${people === 1 ? '1 person' : `${people} people`} enrolled with ${amount(templates, 'template')}`

function tables(result: Evaluation): string[][][] {
  switch (result.kind) {
    case 'verification':
      return verificationTables(result)
    case 'identification':
      return identificationTables(result)
    case 'attraction':
      return attractionTables(result)
  }
}

function attractionTables({ crowded, few, many, asked, classifiers }: AttractionResult): string[][][] {
  const counts = ({ few, many }: { few: number; many: number }) => [String(few), String(many)]
  const heads = (who: string, of: number) => [`of ${of} ${who} nearest to him with ${few}`, `with ${many}`]
  return [
    [
      ['', ...heads('strangers', asked.strangers), ...heads('pictures of others', asked.residents)],
      ...classifiers.map(({ name, strangers, residents }) => [name, ...counts(strangers), ...counts(residents)]),
    ],
    [
      ['one after the other', 'his pictures; the rest repeat them'],
      ...crowded.map(({ name, pictures }) => [name, String(pictures)]),
    ],
  ]
}

function verificationTables({ accuracy, points }: VerificationResult): string[][][] {
  return [
    [
      ['accuracy, ten folds', 'standard error', 'threshold'],
      [percent(accuracy.mean), percent(accuracy.standardError), similarity(accuracy.threshold)],
    ],
    [
      ['false accept rate', 'threshold', 'true accept rate', 'falsely accepted'],
      ...points.map((point) => [percent(point.wanted), ...cells(point)]),
    ],
  ]
}

function identificationTables(result: IdentificationResult): string[][][] {
  const { classifier, single, leftOut, mostAlike } = result
  // The machines' score is a probability; the threshold in use is a cosine.
  const probability = classifier === 'svm-alone'
  const rows = (result: Result) => [...atRates(result), ...(probability ? [] : [inUse(result)])]
  return [
    [['strangers (one picture)', 'threshold', 'known identified', 'strangers accepted'], ...rows(single)],
    [
      ['enrolled, left out (one picture)', 'threshold', 'known identified', 'left out accepted'],
      ...rows(leftOut.single),
    ],
    [['the same, fused over five', 'threshold', 'known identified', 'left out accepted'], ...rows(leftOut.fused)],
    [
      ['probes left, the worst pictures taken out', 'of quality', 'not identified at the threshold in use'],
      ...(probability ? [] : result.rejections).map(({ rejected, from, missed }) => [
        percent(1 - rejected),
        from.toFixed(2),
        counted(missed),
      ]),
    ],
    [
      ['taken for another person at the threshold in use', 'pictures'],
      ['one picture', `${single.mistaken} of ${single.known}`],
      ['fused over five', `${leftOut.fused.mistaken} of ${leftOut.fused.known}`],
    ],
    [
      ['not identified at the threshold in use, least like their own', 'own', 'most like', 'similarity', 'quality'],
      ...(probability ? [] : result.missed)
        .slice(0, shownMissed)
        .map(({ picture, own, best, score, quality }) => [
          picture,
          similarity(own),
          best,
          similarity(score),
          quality.toFixed(2),
        ]),
    ],
    [
      ['most alike of two people enrolled', 'taken for', 'similarity'],
      ...mostAlike.map(({ subject, takenFor, score }) => [subject, takenFor, similarity(score)]),
    ],
  ]
}

/** Of the probes that were missed; `--json` has them all. */
const shownMissed = 10

const atRates = ({ points }: Result): string[][] =>
  points.map((point) => [`at most ${percent(point.wanted)}`, ...cells(point)])

const inUse = ({ shipped }: Result): string[] => ['at the threshold in use', ...cells(shipped)]

/** A dash for none that could be used: where the machines veto every stranger, 0 would do, and they would be the only guard. */
const cells = ({ threshold, accepted, falselyAccepted }: OperatingPoint) => [
  threshold >= 0.00005 ? similarity(threshold) : '–',
  counted(accepted),
  counted(falselyAccepted),
]

const limits = 'In brackets: what was counted, and the limits within which the true share lies 19 times in 20.'

/** One evaluation's page. */
export const pageOf = (title: string, drawing: string, subtitle: string, grids: readonly Grid[]): string =>
  page(title, [drawing, paragraph(limits), paragraph(subtitle), ...grids.map(([head, ...body]) => table(head!, body))])

/** All results are of one kind. `bare`: the curves alone. */
export function reportPage(results: readonly Drawn[], bare: boolean): string {
  const drawing = svg(chart(results))
  if (bare) return drawing
  const title = `facelatch evaluate ${results[0]!.kind}`
  const sections = results.flatMap((result) => [
    paragraph(heading(result)),
    ...tables(result).map(([head, ...body]) => table(head!, body)),
  ])
  return page(title, [drawing, paragraph(limits), ...sections])
}

function chart(results: readonly Drawn[]): Chart {
  if (results[0]!.kind === 'verification')
    return {
      title: 'Are two pictures of one person?',
      x: 'false accept rate',
      y: 'true accept rate',
      from: 1e-3,
      least: 0.8,
      series: results.map((result) => ({ name: detected(result), points: (result as VerificationResult).roc })),
    }
  return {
    title: 'Who is it, if anybody?',
    x: 'false-positive identification rate',
    y: 'true-positive identification rate',
    from: 1e-3,
    least: 0.6,
    series: (results as readonly IdentificationResult[]).flatMap((result) => [
      { name: detected(result), points: result.single.curve },
      { name: `${detected(result)}, five fused`, points: result.leftOut.fused.curve, dashed: true },
    ]),
  }
}

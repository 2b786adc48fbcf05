/** `evaluate tracking` as tables. */
import type { SingleSummary } from '../evaluation/decisions.js'
import { counted, enrolled, percent } from './evaluate-output.js'
import type { Figures, TrackingResult } from './evaluate-tracking.js'

const whole = (value: number) => (Number.isFinite(value) ? String(Math.round(value)) : '–')

export function trackingTables(result: TrackingResult): string[][][] {
  const { all, byKind, strangers, estimate, settings, mishaps } = result
  const named: [string, Figures][] = [...Object.entries(byKind), ['all', all]]
  return [
    [
      [
        'sequences',
        'count',
        'faces',
        'IDF1',
        'MOTA',
        'misses',
        'false positives',
        'identity switches',
        'fragmentations',
      ],
      ...named.map(([name, { sequences, tracking }]) => [
        name,
        String(sequences),
        String(tracking.faces),
        percent(tracking.idf1),
        percent(tracking.mota),
        String(tracking.misses),
        String(tracking.falsePositives),
        String(tracking.switches),
        String(tracking.fragmentations),
      ]),
    ],
    [
      [
        'residents',
        'admitted',
        'frames to the grant, median',
        '95 %',
        'ms, median',
        '95 %',
        'called somebody else',
        'called unknown',
      ],
      ...named
        .filter(([, { decisions }]) => decisions.residents.visits > 0)
        .map(
          ([
            name,
            {
              decisions: { residents },
            },
          ]) => [
            name,
            counted(residents.admitted),
            whole(residents.frames.median),
            whole(residents.frames.p95),
            whole(residents.ms.median),
            whole(residents.ms.p95),
            String(residents.wrongVerdicts),
            String(residents.calledUnknown),
          ],
        ),
    ],
    [
      ['wrong grants', 'residents as somebody else', 'strangers', 'true share below, 19 times in 20', 'to no face'],
      ...[...named, ...(strangers ? [['strangers, short', strangers] as [string, Figures]] : [])].map(
        ([name, { decisions }]) => [
          name,
          counted(decisions.residents.wrongGrants),
          counted(decisions.strangers.wrongGrants),
          percent(decisions.strangers.below),
          String(decisions.wrongGrantsOfNobody),
        ],
      ),
    ],
    [
      [
        'what one frame would have decided',
        'pictures',
        'right',
        'wrong',
        'visits with a wrong one',
        'frames to a right one, median',
      ],
      ['residents', ...singleCells(all.decisions.residents.single)],
      ['strangers', ...singleCells(all.decisions.strangers.single)],
      ...(strangers ? [['strangers, short', ...singleCells(strangers.decisions.strangers.single)]] : []),
    ],
    ...(estimate
      ? [
          [
            ['estimate', 'short sequences planned', 'wrong grants', 'true share below, 19 times in 20'],
            [
              `strangers less than ${settings.likely} like everybody taken as refused`,
              String(estimate.planned),
              counted(estimate.wrongGrants),
              percent(estimate.below),
            ],
          ],
        ]
      : []),
    ...(mishaps.length === 0
      ? []
      : [
          [
            ['opened for the wrong one', 'seed', 'who was there'],
            ...mishaps.map(({ kind, seed, cast }) => [kind, String(seed), cast.map(({ person }) => person).join(', ')]),
          ],
        ]),
  ]
}

const singleCells = ({ answers, right, wrong, visitsWrong, frames }: SingleSummary) => [
  String(answers),
  String(right),
  String(wrong),
  counted(visitsWrong),
  whole(frames.median),
]

export function trackingHeading(result: TrackingResult): string {
  const { embedder, detector, minFace, threshold, data, settings, people, templates, strangers, withoutFace } = result
  const nets = `${embedder}, ${detector} (min face ${minFace}), threshold ${threshold}, ${data}`
  const short = strangers
    ? `, ${strangers.sequences} short ones of ${strangers.decisions.strangers.people} strangers`
    : ''
  const left = withoutFace === 0 ? '' : `; ${withoutFace} left out, their pictures show no face`
  return `${nets}: ${enrolled({ people, templates })}, ${settings.classifier}; ${settings.count} sequences${short}, seed ${settings.seed}${left}`
}

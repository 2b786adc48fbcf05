import { findModel } from '../adapters/models-manifest.js'
import { UserError, wrongUsage } from '../app/errors.js'
import type { Config } from '../config.js'
import type { Dataset } from '../evaluation/dataset.js'
import { tooFewStrangers } from '../evaluation/support.js'
import { chooseModels, detectorName, expectModelsWritable, passedOverLines, readManifest } from '../models.js'
import { asIfMeasured } from '../models-embedder.js'
import { readArguments, readConfig } from './arguments.js'
import { type AttractionResult, runAttraction } from './evaluate-attraction.js'
import { dataFolder, readDataset } from './evaluate-data.js'
import { defaultCache, type Embeddings, embedPictures } from './evaluate-embeddings.js'
import {
  type EvaluatedClassifier,
  type EvaluationOptions,
  evaluatedClassifiers,
  type IdentificationResult,
  runIdentification,
  type ThresholdClassifier,
  thresholdFrom,
} from './evaluate-identification.js'
import { printResult, reportPage } from './evaluate-output.js'
import { expectReport, writeReport } from './evaluate-report.js'
import { expectDetectorInUse, expectEnough, write } from './evaluate-threshold.js'
import { runVerification, type VerificationResult } from './evaluate-verification.js'

const usage = `usage: facelatch evaluate verification|identification|attraction|tracking|liveness [--data DIR] [--embedder NAME]… [--detector NAME]… [--enrol N] [--as-enrolled] [--classifier NAME] [--json] [--report FILE] [--write-threshold [--force]] [--cache DIR] [--config FILE]
verification     are two pictures of one person: accuracy in ten folds, ROC, true accept rate at false accept rates
identification   who is it, if anybody: people enrolled with their first N pictures (5) and asked for with the others,
                 strangers never enrolled; one picture at a time, and fused over five
attraction       the ten people with most pictures, one after the other, have twenty templates and all others N: do they
                 attract strangers, and with which classifier
tracking         walk-ups made of the pictures: see "facelatch evaluate tracking --help"
liveness         are photographs told from living faces; see facelatch evaluate liveness --help
--data DIR         DIR/NAME/*.jpg, a folder for each person, or DIR/images/NAME/*.jpg with any of DIR/pairs.tsv, people.txt and
                   strangers.txt; default: ../shared/data/lfw-dev beside the program
--embedder NAME    a name from models/manifest.json, several times to compare; default: the one in use
--detector NAME    mtcnn or yunet, likewise
--as-enrolled      leave out of a person's pictures those that "people add" would refuse as not resembling the others
--classifier NAME  as recognizer.classifier: nearest (default), imprinting or svm; svm-alone for the machines' probabilities
--report FILE      one page with tables and curves: .html, or .svg for the curves alone
--write-threshold  identification: puts the similarity that one stranger in a thousand reaches (with svm-alone: the probability
                   that one in a hundred reaches), with how it was measured, into local.json beside the models; not from too few
                   strangers, nor a laxer one measured on less than the one that is there, unless with --force
--cache DIR        where embeddings are kept (~/.cache/facelatch/evaluate)`

export type Evaluation = VerificationResult | IdentificationResult | AttractionResult

const kinds = ['verification', 'identification', 'attraction'] as const

/** What an evaluation was done with. */
export interface Context {
  readonly embedder: string
  readonly detector: string
  readonly minFace: number
  /** Similarity in use: the manifest's, unless configured. */
  readonly threshold: number
  /** Probability that the machines' veto asks for, with the classifier svm. */
  readonly gate?: number
  readonly data: string
}

const options = {
  data: { type: 'string' },
  embedder: { type: 'string', multiple: true },
  detector: { type: 'string', multiple: true },
  enrol: { type: 'string' },
  'as-enrolled': { type: 'boolean' },
  classifier: { type: 'string' },
  json: { type: 'boolean' },
  report: { type: 'string' },
  'write-threshold': { type: 'boolean' },
  force: { type: 'boolean' },
  cache: { type: 'string' },
} as const

/** What means something to identification alone, or not to all. */
const ignored: Readonly<Record<(typeof kinds)[number], readonly string[]>> = {
  verification: ['enrol', 'as-enrolled', 'classifier', 'write-threshold', 'force'],
  identification: [],
  attraction: ['as-enrolled', 'classifier', 'write-threshold', 'force', 'report'],
}

export async function main(args: string[]): Promise<number> {
  if (args[0] === 'tracking') return (await import('./evaluate-tracking-command.js')).main(args)
  if (args[0] === 'liveness') return (await import('./evaluate-liveness.js')).main(args.slice(1))
  const { values, positionals } = readArguments(args, options, usage)
  const what = kinds.find((kind) => kind === positionals[0])
  if (what === undefined || positionals.length > 1) throw wrongUsage(usage.split('\n')[0]!)
  const useless = Object.keys(values).find((name) => ignored[what].includes(name))
  if (useless !== undefined)
    throw wrongUsage(
      useless === 'write-threshold'
        ? '--write-threshold goes with identification: thresholds come from strangers, not from pairs'
        : `--${useless} means nothing to "facelatch evaluate ${what}"; leave it out`,
    )
  const force = values.force === true
  if (force && !values['write-threshold']) throw wrongUsage('--force goes with --write-threshold')
  const enrol = Number(values.enrol ?? 5)
  if (!Number.isInteger(enrol) || enrol < 1)
    throw wrongUsage(`--enrol takes a whole number from 1 on, not "${values.enrol}"`)
  const classifier = evaluatedClassifiers.find((name) => name === (values.classifier ?? 'nearest'))
  if (!classifier)
    throw wrongUsage(`--classifier takes one of ${evaluatedClassifiers.join(', ')}, not "${values.classifier}"`)
  if (values['write-threshold'] && classifier === 'svm')
    throw wrongUsage('--write-threshold goes with --classifier svm-alone: svm takes the threshold of nearest besides')
  const asEnrolled = values['as-enrolled'] === true
  if (asEnrolled && values['write-threshold'])
    throw wrongUsage('--as-enrolled goes without --write-threshold: it leaves out pictures that strangers resemble')
  const detectors = values.detector?.map((name) => {
    if (name !== 'mtcnn' && name !== 'yunet') throw wrongUsage(`--detector takes mtcnn or yunet, not "${name}"`)
    return name
  })
  const report = values.report
  if (report !== undefined && !/\.(html|svg)$/.test(report)) throw wrongUsage('--report takes FILE.html or FILE.svg')
  expectReport(report)

  const config = readConfig(values.config)
  const data = readDataset(dataFolder(values.data, 'lfw-dev'))
  if (values['write-threshold']) {
    expectModelsWritable(config)
    for (const detector of detectors ?? []) expectDetectorInUse(detector, config)
    const { people, strangers } = data
    const doubt = tooFewStrangers({
      strangers: (strangers.length > 0 ? strangers : people).length,
      people: people.length,
    })
    expectEnough(data.name, doubt, force)
  }
  const results: Evaluation[] = []
  const combinations = (values.embedder ?? [config.recognizer.embedder]).flatMap((embedder) =>
    (detectors ?? [config.recognizer.detector]).map((detector) => ({ embedder, detector })),
  )
  for (const nets of combinations) {
    const { context, embeddings } = await embed(config, nets, classifier, data, picturesFor(what, data), values.cache)
    const result = evaluators[what](data, embeddings, context, { enrol, classifier, asEnrolled })
    results.push(result)
    if (values.json) console.log(JSON.stringify(result))
    else printResult(result)
    if (values['write-threshold'] && result.kind === 'identification') {
      const of = classifier as ThresholdClassifier
      const doubt = tooFewStrangers({ strangers: result.seen, named: result.named, people: result.people })
      const slot = of === 'svm-alone' ? 'svm' : of
      write(config, context.embedder, thresholdFrom(result, of), slot, { data: data.name, doubt, force })
    }
  }
  const drawn = results.filter((result) => result.kind !== 'attraction')
  if (report !== undefined) writeReport(report, reportPage(drawn, report.endsWith('.svg')))
  return 0
}

type Evaluator = (data: Dataset, embeddings: Embeddings, context: Context, options: EvaluationOptions) => Evaluation

const evaluators: Readonly<Record<(typeof kinds)[number], Evaluator>> = {
  verification: runVerification,
  identification: runIdentification,
  attraction: (data, embeddings, context, { enrol }) =>
    runAttraction(data, embeddings, context, { few: enrol, many: 20, crowds: 10 }),
}

function picturesFor(what: (typeof kinds)[number], data: Dataset): string[] {
  if (what === 'verification') return data.pairs.flatMap(({ a, b }) => [a, b])
  return [...data.people, ...data.strangers].flatMap((name) => data.pictures.get(name)!)
}

/** @throws UserError or ModelError, one line each. */
export async function embed(
  config: Config,
  nets: Pick<Config['recognizer'], 'embedder' | 'detector'>,
  classifier: EvaluatedClassifier,
  data: Dataset,
  pictures: readonly string[],
  cache = defaultCache(),
): Promise<{ context: Context; embeddings: Embeddings }> {
  const manifest = readManifest(config)
  const classified: Config = {
    ...config,
    recognizer: {
      ...config.recognizer,
      ...nets,
      liveness: 'off',
      classifier: classifier === 'svm-alone' ? 'nearest' : classifier,
    },
  }
  // A configured threshold is that of the configured embedder.
  const threshold = nets.embedder === config.recognizer.embedder ? config.recognizer.threshold : null
  const chosen: Config = { ...classified, recognizer: { ...classified.recognizer, threshold } }
  // Somebody has to measure a first threshold.
  const setup = await chooseModels(chosen, asIfMeasured(chosen, manifest, nets.embedder))
  for (const line of passedOverLines(setup)) console.error(`facelatch: ${line}`)
  const detector = detectorName(chosen)
  const files = [detector, setup.embedder].flatMap((model) => Object.values(findModel(manifest, model).files))
  const sums = files.map(({ sha256 }) => sha256)
  const progress = (done: number, of: number) => {
    if (done % 100 === 0 || done === of) console.error(`${setup.embedder}: ${done} of ${of} pictures`)
  }
  const embeddings = await embedPictures(pictures, { setup, sums, cache }, progress)
  if (embeddings.size > 0 && [...embeddings.values()].every((seen) => seen === null))
    throw new UserError(`none of the ${embeddings.size} pictures of ${data.name} shows a face; check --data`)
  const { minFace } = config.recognizer
  const { gate } = setup
  const context = {
    embedder: setup.embedder,
    detector,
    minFace,
    threshold: setup.threshold,
    data: data.name,
    ...(gate && { gate }),
  }
  return { context, embeddings }
}

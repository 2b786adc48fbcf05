/** The recognizer process's composition root: camera, nets and pipeline, driven by the supervisor's messages. */
import { performance } from 'node:perf_hooks'
import { systemClock } from './adapters/clock-system.js'
import { peakMemory } from './adapters/process-memory.js'
import { cameraFault, loadRecognizer, openCamera, stuckPipelines } from './adapters/recognizer-native.js'
import { createTrainer, forgetMachines } from './adapters/trainer-thread.js'
import { Agreeing } from './app/agreeing.js'
import { CameraWatch } from './app/camera-watch.js'
import { GalleryIntake } from './app/gallery-intake.js'
import type { FromRecognizer, ToRecognizer } from './app/messages.js'
import { type Judged, Pipeline } from './app/pipeline.js'
import { cameraOptions, sessionOptions } from './camera.js'
import type { Config } from './config.js'
import { withoutPasswords } from './domain/addresses.js'
import { type ChosenModels, chooseModels, passedOverLines } from './models.js'
import type { Picture, Recognizer } from './ports.js'

/** How often the supervisor hears from a recognizer that has nothing to tell, ms. */
const heartbeatMs = 1_000
/** No frame takes this long, ms. */
const stuckMs = 5_000

const send = (message: FromRecognizer) => process.connected && process.send?.(message, undefined, undefined, () => {})

let recognizer: Recognizer | undefined
let pipeline: Pipeline | undefined
let watch: CameraWatch | undefined
/** Nobody is looked at before it is known who is enrolled. */
let gallery = false
const intake = new GalleryIntake()
let wanted = false
/** The enrolment that wants the faces of every frame. */
let enrolment: number | undefined
/** The account of a process that has judged nothing. */
const nothingYet = {
  account: () => ({ frames: 0, sweeps: 0, embeddings: 0, fps: 0, stages: {}, frameMs: { p50: 0, p99: 0 } }),
}
/** When the frame that is being judged was taken up, `Clock.now`. */
let judgingSince: number | undefined
/** The frame that was judged last, kept until the next one for somebody who asks for a picture of it. */
let latest: { frame: Picture; judged: Judged } | undefined

async function configure(config: Config): Promise<void> {
  const setup = await chooseModels(config)
  const loaded = await load(setup, config)
  const judge = new Pipeline(loaded, config)
  recognizer = loaded
  pipeline = judge
  watch = new CameraWatch({
    session: sessionOptions(config.camera),
    open: () => openCamera({ ...cameraOptions(config.camera), pixels: loaded.pixels }),
    faultOf: cameraFault,
    stuck: stuckPipelines,
    begin: () => judge.begin(),
    frame: async (frame, repeated) => {
      judgingSince = systemClock.now()
      const judged = await judge.frame(frame, repeated).catch((error: Error) => {
        // Not the camera's fault: a net that fails once is not trusted again.
        leave(error)
        throw error
      })
      judgingSince = undefined
      latest?.frame.release()
      latest = { frame, judged }
      const { at, arrived } = frame
      if (judged.tell) send({ type: 'sighting', at, arrived, decided: systemClock.now(), tracks: judged.tracks })
      if (judged.faces && enrolment !== undefined)
        send({ type: 'sample', session: enrolment, arrived, faces: judged.faces })
    },
    tell: (status) => {
      send({ type: 'camera', status })
      beat()
    },
    fault: (fault) => {
      send({ type: 'camera', status: 'fault', kind: fault.kind, reason: withoutPasswords(fault.reason) })
      beat()
    },
    closed: (stuck) => send({ type: 'camera', status: 'closed', stuck }),
  })
  const { engine, embedder, threshold, fallback, notes } = loaded
  const passedOver = passedOverLines(setup)
  send({ type: 'ready', engine, embedder, threshold, notes, passedOver, ...(fallback !== null && { fallback }) })
}

async function load(setup: ChosenModels, config: Config): Promise<Recognizer> {
  const loaded = await loadRecognizer(setup)
  const file = `${config.store.path}.machines`
  if (setup.gate === undefined) {
    await forgetMachines(file).catch(() => {})
    return loaded
  }
  return new Agreeing(loaded, setup.gate, createTrainer({ file, embedder: setup.space }), (reason) =>
    send({
      type: 'fatal',
      reason: `the machines of the classifier svm cannot be trained: ${reason}; the nearest template decides alone`,
    }),
  )
}

/** Also while models load, which may take minutes. A net that never answers must not look alive: it is silent. */
function beat(): void {
  if (!process.connected) process.exit(0)
  if (judgingSince !== undefined && systemClock.now() - judgingSince > stuckMs) return
  const account = (pipeline ?? nothingYet).account(performance.now())
  const camera = watch?.status ?? 'opening'
  send({ type: 'health', health: { ...account, camera, dropped: watch?.dropped ?? 0, peakMemory: peakMemory() } })
}

async function snapshot(track: number, event: string, label: string): Promise<void> {
  if (!latest) return
  const { frame, judged } = latest
  // Copied before anything is waited for: the next frame releases this one.
  const picture = { rgb: frame.rgb(), width: frame.width, height: frame.height }
  // Only who wants pictures pays for loading what draws them.
  const { annotate } = await import('./adapters/pictures-sharp.js')
  const seen = judged.tracks.find(({ id }) => id === track)
  const png = await annotate(
    picture,
    seen ? [{ box: seen.box, label, colour: seen.verdict.kind === 'known' ? '#3ddc84' : '#ff5252' }] : [],
  )
  send({ type: 'snapshot', track, event, png })
}

function takeGallery({ number, part }: Extract<ToRecognizer, { type: 'gallery' }>): void {
  const taken = recognizer && intake.take(part)
  if (!taken) return
  for (const reason of recognizer!.changeGallery(taken.changes, taken.complete)) send({ type: 'fatal', reason })
  pipeline?.forgetVotes()
  send({ type: 'gallery', number })
  if (!taken.complete) return
  if (!gallery && wanted) watch?.open()
  gallery = true
}

async function obey(message: ToRecognizer): Promise<void> {
  switch (message.type) {
    case 'configure':
      return configure(message.config)
    case 'gallery':
      return takeGallery(message)
    case 'camera':
      wanted = message.order === 'open'
      if (!wanted) return watch?.close()
      if (gallery) watch?.open()
      return
    case 'enrol':
      enrolment = message.session
      return pipeline?.sample(enrolment !== undefined)
    case 'snapshot':
      return snapshot(message.track, message.event, message.label)
    case 'stop':
      await watch?.stop()
      await recognizer?.close()
      process.exit(0)
  }
}

/** Says why and ends: the supervisor starts a new process, which finds out whether it goes again. */
function leave(error: Error): void {
  send({ type: 'fatal', reason: error.message })
  setTimeout(() => process.exit(1), 100)
}

setInterval(beat, heartbeatMs)
process.on('message', (message: ToRecognizer) => {
  obey(message).catch((error: Error) => {
    if (message.type === 'configure') leave(error)
    else send({ type: 'fatal', reason: error.message })
  })
})
// Without a supervisor nobody guards the door by what this process sees. One that died while this process was starting
// closed the channel before anybody listened: `beat` looks, too.
process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => {}) // Ctrl-C goes to the whole group; the supervisor ends this process in its own order.
process.on('SIGTERM', () => {})

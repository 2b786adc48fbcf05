/** The supervisor's composition root: which adapters, wired how, and what the signals do. */
import { randomUUID } from 'node:crypto'
import { openCameraHost } from './adapters/camera-host-systemd.js'
import { claimExclusively } from './adapters/claim-socket.js'
import { clockDoubt, systemClock } from './adapters/clock-system.js'
import { watchEventLoop } from './adapters/event-loop.js'
import { openInit } from './adapters/init-systemd.js'
import { createLog, type LogLevel } from './adapters/log-journal.js'
import { openModeFile } from './adapters/mode-file.js'
import { peakMemory } from './adapters/process-memory.js'
import { createRecognizerProcess } from './adapters/recognizer-process.js'
import { rulesFile } from './adapters/rules-file.js'
import { createCronScheduler } from './adapters/scheduler-cron.js'
import { keepStore } from './adapters/store-keeper.js'
import { deferred } from './app/deferred.js'
import { createEffects } from './app/effects.js'
import { enrollingOptions } from './app/enrolling.js'
import { messageOf } from './app/errors.js'
import { peopleFollower } from './app/follow-people.js'
import { GalleryFeed } from './app/gallery-feed.js'
import { createHomeAssistant } from './app/home-assistant.js'
import { Housekeeping } from './app/housekeeping.js'
import type { FromRecognizer, ToRecognizer } from './app/messages.js'
import { Recorder } from './app/recorder.js'
import { storeJobs } from './app/store-jobs.js'
import { StoreWatch } from './app/store-watch.js'
import { StrikeLatency } from './app/strike-latency.js'
import { type RejectedConfig, Supervisor, type SupervisorEvent } from './app/supervisor.js'
import { Vigil } from './app/vigil.js'
import { careOptions, longestPictureMs } from './camera.js'
import type { Config } from './config.js'
import { withoutPasswords } from './domain/addresses.js'
import { backoffMs } from './domain/backoff.js'
import { isSign } from './domain/camera-faults.js'
import { openFan } from './fan.js'
import { createBroker, packageVersion } from './home.js'
import { doorOptions, driverFor, openLines } from './lines.js'
import { warnings } from './models.js'
import { openOperations } from './operations.js'
import { inRoot } from './root.js'
import { readCode, sharedSecrets } from './secrets.js'
import { storeOptions } from './store.js'

/** How often other processes' changes to people are looked for, ms. */
const galleryPollMs = 1_000
/** How often it is looked what the store cannot do, ms. */
const storeWatchMs = 5_000
/** The recognizer's restarts: the first one at once, so that a single crash costs less than three seconds. */
const restarts = { firstMs: 250, maxMs: 30_000 }
/** Longer than loading and the first frames take, which are what it dies of in a row. */
const restartSteadyMs = 60_000
/** What is still to be stored and sent at the end gets this long, ms. */
const drainMs = 2_000
/** How often time is looked at: windows begin and end, the clock is checked, ms. */
const tickMs = 1_000

/** A closed terminal and Ctrl-\\ must not leave a powered strike behind. */
const endingSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const

export interface RunningSupervisor {
  /** Resolves when a signal, or `stop`, has ended it; with the number of events that could not be kept. */
  readonly ended: Promise<number>
  stop(): Promise<number>
}

/**
 * Runs until SIGTERM or SIGINT. `rejected`: what this configuration stands in for.
 * @throws when a part that the door cannot do without fails to start.
 */
export async function runSupervisor(
  config: Config,
  level: LogLevel,
  rejected?: RejectedConfig,
): Promise<RunningSupervisor> {
  const undo: (() => Promise<void>)[] = []
  // Before anything is driven or forked: from here on no signal ends the process but in order, one in mid-start included.
  const asked = new Promise<void>((resolve) => {
    for (const signal of endingSignals) process.on(signal, () => resolve())
  })
  try {
    const running = await start(config, level, undo, rejected)
    void asked.then(() => running.stop())
    return running
  } catch (error) {
    // What has started already would keep the process alive, and a socket or a lock with it.
    for (const close of undo.reverse()) await close().catch(() => {})
    throw error
  }
}

async function start(
  config: Config,
  level: LogLevel,
  undo: (() => Promise<void>)[],
  rejected: RejectedConfig | undefined,
): Promise<RunningSupervisor> {
  const clock = systemClock
  const log = (component: string) => createLog({ level, component })
  const mainLog = log('supervisor')
  const eventLoop = watchEventLoop()
  undo.push(async () => eventLoop.close())
  const vigil = new Vigil({ init: openInit(mainLog), clock, log: mainLog, pictureMs: longestPictureMs(config.camera) })
  const keepingVigil = setInterval(() => vigil.tick(), vigil.tickMs)
  undo.push(async () => clearInterval(keepingVigil))

  const claim = await claimExclusively(config.store.path)
  undo.push(() => claim.release())
  // The lock before what may fail: after a crash it is at rest again first of all.
  const gpio = await openLines(config, clock, log('gpio'))
  undo.push(() => gpio.close())
  const store = await keepStore({
    ...storeOptions(config, log('store')),
    ...(config.mqtt.url === '' && { outboxLimit: 0 }),
  })
  undo.push(() => store.close())
  for (const shared of sharedSecrets(config)) mainLog.warn(shared)
  const code = readCode(config)
  const { broker: outside, close: closeBroker } = await createBroker(config, log('mqtt'))
  undo.push(() => outside.stop().then(closeBroker))
  const operations = await openOperations(config, { clock, log: mainLog, rejected })
  undo.push(() => operations.close())
  const { accountant } = operations
  const broker = accountant.overhear(outside)

  const mode = openModeFile(`${config.store.path}.mode`, mainLog)
  const rules = config.access.rulesFile === '' ? undefined : rulesFile(config.access.rulesFile)
  const cameraHost = openCameraHost({
    ...config.host,
    source: config.camera.source,
    memory: `${config.store.path}.camera`,
    clock,
    log: log('camera'),
  })
  undo.push(async () => cameraHost.close())
  const latency = new StrikeLatency()
  const supervisor = new Supervisor({
    door: doorOptions(config),
    rulesFile: rules !== undefined,
    mode: mode.kept,
    remoteMode: config.mqtt.remoteMode,
    visits: { rearmMs: config.access.rearmSeconds * 1000, absenceMs: config.access.absenceSeconds * 1000 },
    maxSightingAgeMs: config.access.maxSightingAgeMs,
    remoteUnlock: config.mqtt.remoteUnlock,
    commandMaxAgeMs: config.mqtt.commandMaxAgeSeconds * 1000,
    ...(code && { isCode: code.matches }),
    startedAt: clock.now(),
    restingStrike: config.door.failMode === 'safe',
    snapshots: config.mqtt.snapshots,
    enrolment: enrollingOptions(config),
    camera: careOptions(config.camera, cameraHost),
    ...(rejected && { rejected }),
  })
  const feed = (event: SupervisorEvent) => {
    const effects = supervisor.step(event)
    perform(effects)
    vigil.saw(event, effects, supervisor.report)
  }
  const told = { newId: randomUUID, heard: accountant.heard.bind(accountant) }
  const recorder = new Recorder({ store, broker, clock, log: log('event'), ...told }, (ok, reason, lost) => {
    feed({ type: 'store', ok, ...(reason !== undefined && { reason }), ...(lost && { lost }) })
    const late = ok ? mode.late() : undefined
    if (late) feed({ type: 'mode', mode: late })
  })
  const recognizer = createRecognizerProcess<ToRecognizer, FromRecognizer>(
    {
      module: inRoot('dist/firmware/recognizer.js'),
      greeting: { type: 'configure', config },
      silenceMs: config.recognizer.heartbeatSeconds * 1000,
      delay: (attempt) => backoffMs(restarts, attempt),
      steadyMs: restartSteadyMs,
      clock,
      log: mainLog,
    },
    {
      message: (message) => {
        const now = clock.now()
        if (message.type === 'sighting') latency.begin(message.decided, now)
        feed({ type: 'recognizer', message, now })
        latency.end()
        if (message.type === 'gallery') gallery.taken(message.number)
      },
      lost: (reason, restartMs) => {
        gallery.lost()
        feed({ type: 'recognizer-lost', reason, restartMs })
        operations.recognizerLost(reason)
      },
      said: (line) => isSign(line) && feed({ type: 'recognizer-said', line }),
    },
  )
  const gallery = new GalleryFeed({
    ...{ store, log: mainLog },
    send: (number, part) => recognizer.send({ type: 'gallery', number, part }),
  })
  accountant.galleryRevision = () => gallery.revision
  const storeWatch = new StoreWatch({
    ...{ store, clock, checks: store.checked, schedule: { ...config.schedule } },
    embedder: () => supervisor.report.embedder,
  })
  accountant.store = () => storeWatch.report
  const fan = await openFan(config, {
    clock,
    log: log('fan'),
    record: (event) => recorder.record(event),
    publish: (payload) => broker.state('fan/state', payload),
  })
  undo.push(() => fan.close())
  const followPeople = peopleFollower({
    ...{ store, log: mainLog, answered: () => vigil.storeAnswered() },
    changed: (names) => feed({ type: 'people', count: names.length, names }),
  })
  const perform = createEffects(
    {
      lookAtPeople: followPeople,
      gpio,
      broker,
      store,
      clock,
      log: mainLog,
      recorder,
      mode,
      cameraHost,
      struck: (on) => on && latency.struck(clock.now()),
      restartRecognizer: () => recognizer.restart({ type: 'stop' }),
      gallery,
      tellRecognizer: (message) => recognizer.send(message),
      ownHealth: () => ({
        peakMemory: peakMemory(),
        eventLoopDelayMs: eventLoop.report(),
        recognizerPid: recognizer.pid,
        ...(fan.celsius !== undefined && { celsius: fan.celsius }),
        strike: latency.report(),
      }),
    },
    feed,
  )

  gpio.onInput((line, on) => feed({ type: 'input', line, on, now: clock.now() }))
  broker.onConnection((connected) => feed({ type: 'broker', connected }))
  const home = createHomeAssistant({
    config,
    facts: code ? { codeIsNumeric: code.isNumeric } : {},
    version: packageVersion(),
    broker,
    clock,
  })
  broker.onCommand((command) => {
    if (home.heard(command)) return
    const doubt = clockDoubt()
    const wall = clock.wall().getTime()
    feed({ type: 'command', command, now: clock.now(), wall, ...(doubt && { clockDoubt: doubt }) })
  })
  const { lastEnd } = operations
  feed({
    type: 'boot',
    ...{ doorOpen: gpio.read('door'), bolted: gpio.read('bolt'), tampered: gpio.read('tamper') },
    ...(lastEnd && { after: lastEnd }),
  })
  feed({ type: 'broker', connected: config.mqtt.url === '' })
  const tick = () => feed({ type: 'tick', now: clock.now(), wall: clock.wall().getTime() })
  tick()
  if (rules) feed({ type: 'rules', file: await rules.read() })
  const stopFollowing = rules?.follow((file) => feed({ type: 'rules', file }))
  const ticking = setInterval(tick, tickMs)
  undo.push(async () => {
    stopFollowing?.()
    clearInterval(ticking)
  })
  store.onReplaced((replaced) => {
    const { aside, backup, reason, kept, lost } = replaced
    storeWatch.replaced(replaced)
    recorder.record({
      type: 'store_replaced',
      detail: { reason, aside: aside ?? null, backup: backup?.path ?? null, until: backup?.at ?? null, kept, lost },
    })
  })
  const keyProblem = await store.keyProblem().catch(() => undefined)
  if (keyProblem !== undefined) recorder.record({ type: 'key_lost', detail: { reason: keyProblem } })
  home.announce()
  recorder.resume()
  await broker.start()
  recognizer.start()

  await followPeople()
  void storeWatch.look()
  const watchingStore = setInterval(() => void storeWatch.look(), storeWatchMs)
  const poll = setInterval(() => {
    gallery.retry()
    if (gallery.waits) vigil.cameraWaits()
    void followPeople()
  }, galleryPollMs)
  if (driverFor(config) === 'simulated') mainLog.warn('the lines are simulated: no real strike is driven')
  for (const warning of await warnings(config).catch((error) => [messageOf(error)])) mainLog.warn(warning)
  const housekeeping = new Housekeeping(storeJobs(store, clock, { ...config.store, schedule: config.schedule }), {
    ...{ store, clock, log: log('night'), scheduler: createCronScheduler(log('cron')) },
    record: (event) => recorder.record(event),
  })
  housekeeping.start(config.schedule.catchUpSeconds * 1000)
  vigil.guarding(() => gpio.read('exit'))
  const camera = withoutPasswords(config.camera.source)
  mainLog.info('guarding the door', { device: config.device.id, camera, pid: process.pid })

  let ending: Promise<number> | undefined
  const ended = deferred<number>()
  const stop = () => {
    ending ??= (async () => {
      vigil.stopping()
      clearInterval(poll)
      clearInterval(watchingStore)
      clearInterval(ticking)
      stopFollowing?.()
      feed({ type: 'stop' })
      cameraHost.close()
      // The line first: whatever else hangs, the door is in its resting state.
      await gpio.close()
      await fan.close()
      await recognizer.stop({ type: 'stop' })
      const tidied = housekeeping.stop()
      await new Promise<void>((resolve) => {
        const cancel = clock.after(drainMs, resolve)
        void recorder.drain().then(() => {
          cancel()
          resolve()
        })
      })
      const lost = recorder.close()
      if (lost > 0) mainLog.error(`${lost} events could not be kept and are lost: see what the store said above`)
      await broker.stop()
      await closeBroker()
      await tidied
      await operations.close()
      await store.close()
      await claim.release()
      eventLoop.close()
      clearInterval(keepingVigil)
      ended.resolve(lost)
      return lost
    })()
    return ending
  }
  return { ended: ended.promise, stop }
}

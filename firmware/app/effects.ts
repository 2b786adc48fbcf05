/** One table from effect to port call: everything the supervisor does to the world is here. */
import { enrolAgain } from '../domain/enrolment.js'
import type { Broker, CameraHost, Clock, Gpio, HostAnswer, Log, ModeKeeper, Store, StoreCare } from '../ports.js'
import type { EnrolmentAnswer } from './enrolling.js'
import { savePerson, undoEnrolment } from './enrolment-store.js'
import type { GalleryFeed } from './gallery-feed.js'
import type { HealthTopic, OwnHealth } from './health.js'
import type { ToRecognizer } from './messages.js'
import type { Recorder } from './recorder.js'
import type { Effect, SupervisorEvent, Timer } from './supervisor.js'

export interface EffectPorts {
  readonly gpio: Gpio
  readonly broker: Broker
  readonly store: Store & Pick<StoreCare, 'keyProblem'>
  readonly clock: Clock
  readonly log: Log
  readonly recorder: Recorder
  readonly mode: ModeKeeper
  readonly cameraHost: CameraHost
  /** Called when the strike line has its level. */
  readonly struck: (on: boolean) => void
  readonly gallery: Pick<GalleryFeed, 'begin' | 'follow'>
  readonly tellRecognizer: (message: ToRecognizer) => void
  readonly restartRecognizer: () => void
  /** Feeds `people` where they have changed. Never rejects. */
  readonly lookAtPeople: () => Promise<void>
  readonly ownHealth: () => OwnHealth
}

type Executors = { readonly [K in Effect['do']]: (effect: Extract<Effect, { do: K }>) => void }

/** Carries effects out in their order. `feed` takes the events that effects give rise to later, such as timeouts. */
export function createEffects(
  ports: EffectPorts,
  feed: (event: SupervisorEvent) => void,
): (effects: readonly Effect[]) => void {
  let strikeFault = false
  const timers = new Map<Timer, () => void>()
  let ended = false
  const cancel = (timer: Timer) => {
    timers.get(timer)?.()
    timers.delete(timer)
  }
  /** Who has to be enrolled again, as it was said last: the gallery is sent anew with every change. */
  let warned: string | undefined
  /** Whoever hears the answer finds the people, and the recognizer its gallery, as they are now. Neither rejects. */
  const answerEnrolment = async (answering: Promise<EnrolmentAnswer>) => {
    const answer = await answering
    await ports.lookAtPeople()
    feed({ type: 'enrolment', answer })
    ports.recorder.resume()
  }
  const executors: Executors = {
    strike: ({ on }) => {
      try {
        ports.gpio.write('lock', on)
        ports.struck(on)
        if (strikeFault) feed({ type: 'strike', ok: true })
        strikeFault = false
      } catch (error) {
        if (!strikeFault) feed({ type: 'strike', ok: false })
        strikeFault = true
        throw error
      }
    },
    led: ({ on }) => ports.gpio.write('led', on),
    buzzer: ({ on }) => ports.gpio.write('buzzer', on),
    timer: ({ timer, ms }) => {
      cancel(timer)
      if (ended) return
      timers.set(
        timer,
        ports.clock.after(ms, () => {
          timers.delete(timer)
          feed({ type: 'timeout', timer })
        }),
      )
    },
    cancel: ({ timer }) => cancel(timer),
    'end-timers': () => {
      ended = true
      for (const timer of [...timers.keys()]) cancel(timer)
    },
    record: ({ event, snapshot }) => {
      if (snapshot === undefined) return ports.recorder.record(event)
      const label = event.person ?? 'unknown'
      ports.recorder.record(event, (id) =>
        ports.tellRecognizer({ type: 'snapshot', track: snapshot, event: id, label }),
      )
    },
    'keep-mode': ({ mode }) => ports.mode.keep(mode),
    publish: ({ topic, value }) => ports.broker.state(topic, value),
    'send-gallery': ({ embedder, anew }) => {
      if (anew) ports.gallery.begin(embedder)
      else ports.gallery.follow()
      Promise.all([ports.store.people(), ports.store.keyProblem()]).then(
        ([people, locked]) => {
          // Behind a key that cannot be used the templates may be whole: what is wrong with it was said.
          const missing = locked === undefined ? enrolAgain(people, embedder) : undefined
          if (missing !== undefined && missing.what !== warned) ports.log.warn(`${missing.what}; ${missing.remedy}`)
          warned = missing?.what
        },
        () => {}, // Whatever keeps people from being read was said of the gallery.
      )
    },
    'watch-faces': ({ session }) => ports.tellRecognizer({ type: 'enrol', ...(session !== undefined && { session }) }),
    'save-person': ({ saving, embedder, admins }) => {
      void answerEnrolment(savePerson(ports.store, saving, { embedder, admins, now: ports.clock.now }))
    },
    'undo-enrolment': () => {
      void answerEnrolment(undoEnrolment(ports.store, ports.clock.wall()))
    },
    'publish-snapshot': ({ png }) => {
      ports.broker
        .publish('snapshot', Buffer.from(png))
        .catch((error: Error) => ports.log.warn(`a snapshot was not sent: ${error.message}`))
    },
    'publish-health': ({ health, commands, camera }) => {
      const topic: HealthTopic = { recognizer: health, supervisor: { ...ports.ownHealth(), commands, camera } }
      ports.broker.state('health', JSON.stringify(topic))
    },
    'restart-recognizer': () => ports.restartRecognizer(),
    'open-camera': () => ports.tellRecognizer({ type: 'camera', order: 'open' }),
    'close-camera': () => ports.tellRecognizer({ type: 'camera', order: 'close' }),
    'await-device': () => ports.cameraHost.awaitDevice((found) => feed({ type: 'device', found })),
    'keep-ladder': ({ memory }) => {
      ports.cameraHost
        .keep(memory)
        .catch((error: Error) => ports.log.error(`what became of the camera is not kept: ${error.message}`))
    },
    'ask-host': ({ request, memory }) => {
      ports.cameraHost
        .keep(memory)
        .catch((error: Error) => {
          // A full disk must not keep a daemon from being restarted: begun anew, the ladder only restarts it more often.
          if (request === 'reboot') throw error
          ports.log.warn(`what is done about the camera is not kept: ${error.message}`)
        })
        .then(() => ports.cameraHost.ask(request))
        .catch((error: Error): HostAnswer => {
          return { ok: false, reason: `it was not asked, since nothing can be kept: ${error.message}` }
        })
        .then((answer) => feed({ type: 'host', answer }))
    },
    tell: ({ message }) => ports.log.info(message),
    complain: ({ message }) => ports.log.error(message),
  }
  return (effects) => {
    for (const effect of effects) {
      try {
        ;(executors[effect.do] as (effect: Effect) => void)(effect)
      } catch (error) {
        // One thing that fails must not keep the others from happening: the strike timer above all.
        ports.log.error(`could not carry out "${effect.do}": ${(error as Error).message}`)
      }
    }
  }
}

/**
 * What facelatch asks of the outside. One adapter file per outside thing, named <port>-<thing>.ts; the domain knows none of it.
 */
import type { HostRequest, LadderMemory } from './domain/camera-ladder.js'
import type { Board } from './domain/jetson-pins.js'
import type { LineName } from './domain/lines.js'
import type { Clarity } from './domain/quality.js'
import type { Machine } from './domain/svm.js'
import type { Box, Candidate, Face, Landmarks } from './domain/types.js'
import type { PersonTemplates } from './ports-store.js'

/** `now` is monotonic milliseconds shared by all processes of the machine; `wall` is for people and logs only. */
export interface Clock {
  now(): number
  wall(): Date
  /** Calls back once, `ms` from now; returns the way to call it off. Not stopped by wall-clock jumps. */
  after(ms: number, callback: () => void): () => void
}

export type LogFields = Readonly<Record<string, unknown>>
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

// ── Recognition (recognizer process and command line) ─────────────────────────────────────────────────────────────

/** A decoded picture, RGB, held by the native side until released. `at` is stream time, `arrived` is `Clock.now` time. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly sequence: number
  readonly at: number
  readonly arrived: number
  /** Equal for equal pictures; 0 for one that says nothing. */
  fingerprint(): number
  rgb(): Buffer
  release(): void
}

export type CameraOutcome =
  | { readonly type: 'frame'; readonly frame: Picture }
  | { readonly type: 'end' }
  | { readonly type: 'stall'; readonly seconds: number }
  | { readonly type: 'error'; readonly message: string }

export interface Camera {
  next(): Promise<CameraOutcome>
  stats(): { readonly decoded: number; readonly delivered: number; readonly dropped: number }
  close(): Promise<void>
}

/** Milliseconds on the worker thread. */
export interface StageTimings {
  readonly pnet: number
  readonly rnet: number
  readonly onet: number
  readonly align: number
  readonly embed: number
  readonly match: number
  readonly yunet: number
  readonly liveness: number
}

export interface Identified {
  readonly embedding: Float32Array
  readonly candidates: readonly Candidate[]
  readonly clarity: Clarity
  /** Log-odds of a living face, one for each liveness net; absent where it was not judged. */
  readonly liveness?: readonly number[]
}

/** One template: an L2-normalised embedding of one picture of one person. */
export interface Template {
  readonly person: string
  readonly embedding: Float32Array
}

/** Trained on a gallery; `machine`'s rows are these people. */
export interface Machines {
  readonly people: readonly string[]
  readonly machine: Machine
}

export interface Trainer {
  /** Undefined where there are fewer than two people to tell apart. May take minutes; the caller's thread stays free. */
  train(templates: readonly Template[]): Promise<Machines | undefined>
}

export interface Recognizer {
  readonly engine: string
  /** Why it is not the engine one would expect here. */
  readonly fallback: string | null
  /** What loading did, one line each, for people. */
  readonly notes: readonly string[]
  /** In which form its pictures cost it least: a camera is asked for that. */
  readonly pixels: 'rgb' | 'nv12'
  /** Name of the embedder: templates of another embedder live in another space and are never mixed in. */
  readonly embedder: string
  readonly dimensions: number
  readonly threshold: number
  /** Fused score from which a face counts as living; undefined without liveness nets. */
  readonly liveFrom: number | undefined
  detect(frame: Picture, regions?: readonly Box[]): Promise<{ faces: Face[]; timings: Partial<StageTimings> }>
  identify(
    frame: Picture,
    landmarks: readonly Landmarks[],
    /** The same faces', where it is asked whether they live. */
    boxes?: readonly Box[],
  ): Promise<{ faces: Identified[]; timings: Partial<StageTimings> }>
  setGallery(templates: readonly Template[]): void
  /**
   * From now on these people have these names and templates, or none; the others stay. Answers why the templates of some
   * cannot be compared: those are not recognised. `settled`: no more changes are known to follow at once.
   */
  changeGallery(people: readonly PersonTemplates[], settled: boolean): string[]
  close(): Promise<void>
}

// ── Door and board (supervisor) ───────────────────────────────────────────────────────────────────────────────────

export const outputLines = ['lock', 'led', 'buzzer'] as const
export const inputLines = ['door', 'exit', 'enrol', 'tamper', 'bolt'] as const
export type OutputLine = (typeof outputLines)[number]
export type InputLine = (typeof inputLines)[number]
export const isOutput = (line: OutputLine | InputLine): line is OutputLine =>
  (outputLines as readonly string[]).includes(line)

/** Logical levels: true is "on" (strike powered, button pressed, door open); active-low wiring ends in the adapter. */
export interface Gpio {
  /** Synchronous: returns after the line has its level. Throws when it cannot be driven. */
  write(line: OutputLine, on: boolean): void
  /** The level an input has now. */
  read(line: InputLine): boolean
  /** Called on each change of an input, after debouncing. */
  onInput(listener: (line: InputLine, on: boolean) => void): void
  /** Leaves the outputs in the levels given and lets the lines go. */
  close(): Promise<void>
}

/** What another process needs to drive the lock line when this one is gone: its descriptor, and how to use it. */
export interface LockHandle {
  readonly descriptor: number
  /** `chardev`: a line request · `sysfs`: a `value` file · `log`: JSON lines of simulated lines. All are logical levels. */
  readonly kind: 'chardev' | 'sysfs' | 'log'
}

/** Lines whose lock a guard can take over. The descriptor is valid until `close`. */
export interface GuardableGpio extends Gpio {
  readonly lockHandle: LockHandle
}

/** One line as configured. */
export interface LineSettings {
  readonly line: OutputLine | InputLine
  /** The configuration's own text, for people. */
  readonly text: string
  readonly name: LineName
  readonly activeLow: boolean
  /** `none` leaves the pull as it is. */
  readonly pull: 'none' | 'up' | 'down'
  /** Logical level of an output from the moment it is claimed. */
  readonly initial: boolean
}

/** What `doctor` says about one line. */
export interface LineReport {
  readonly settings: LineSettings
  /** Chip and line, or what is wrong, as the end of a sentence with its remedy after a semicolon. */
  readonly place?: string
  readonly problem?: string
  /** Who holds it, where the kernel says so. */
  readonly holder?: string
}

/** How the real lines are to be found and read. */
export interface LinesOptions {
  readonly lines: readonly LineSettings[]
  /** `gpio.chip` */
  readonly chip: string
  readonly board: Board | undefined
  readonly debounceMs: number
}

// ── Access rules (supervisor) ─────────────────────────────────────────────────────────────────────────────────────

/** What the rules file says now, or why nothing can be read, as a sentence with its remedy. */
export type RulesText = { readonly text: string; readonly digest: string } | { readonly problem: string }

/** Keeps the mode over a restart. */
export interface ModeKeeper {
  /** Synchronous: durable when it returns. Throws when it cannot be. */
  keep(mode: 'normal' | 'lockdown'): void
}

// ── The camera's host (supervisor) ────────────────────────────────────────────────────────────────────────────────

/** `reason`: why it was not done, as a sentence. */
export interface HostAnswer {
  readonly ok: boolean
  readonly reason?: string
}

/** What stands behind the camera, and is not ours to touch. */
export interface CameraHost {
  /** The kernel's id of this boot. */
  readonly boot: string
  /** What the last run kept; undefined where it kept nothing that can be read. */
  readonly kept: LadderMemory | undefined
  /** Durable when it resolves. Rejects when it cannot be, or not soon. */
  keep(memory: LadderMemory): Promise<void>
  /** Asks whoever may do it. Resolves when it was done or will not be; never rejects. */
  ask(request: HostRequest): Promise<HostAnswer>
  /** Calls back once, when the camera's device is there, at once if it is; or when it will not come by itself. */
  awaitDevice(callback: (found: FoundDevice) => void): void
  close(): void
}

/** `nodeless`: the device is plugged in and has not got its node: nobody bound it again, or it has another number now. */
export type FoundDevice = 'there' | 'nodeless'

// ── Cooling (supervisor) ──────────────────────────────────────────────────────────────────────────────────────────

export interface Zone {
  /** The kernel's name for its type, e.g. `cpu-thermal`. */
  readonly type: string
  /** Degrees Celsius; undefined while it cannot be read or says what cannot be. */
  readonly celsius?: number
}

export interface Thermal {
  /** Every zone that may be asked, in the kernel's order. Never rejects. */
  read(): Promise<Zone[]>
}

export interface Pwm {
  /** Where it is, for people. */
  readonly place: string
  /** What the fan does when facelatch leaves, for people. */
  readonly farewell: string
  /** Rejects when the fan cannot be driven. Percent of full speed. */
  drive(percent: number): Promise<void>
  /** Turns a minute; undefined where there is no tachometer, or it cannot be read. */
  rpm(): Promise<number | undefined>
  /** Leaves the fan at full speed, or to the kernel where that drove it before. */
  release(): Promise<void>
}

// ── Init (supervisor) ─────────────────────────────────────────────────────────────────────────────────────────────

/** Who started the service, and starts it again. Nothing here throws or waits. */
export interface InitSystem {
  /** Without `feed` for this long the service is ended and started again; undefined where nobody watches. */
  readonly watchdogMs?: number
  /** The door is guarded. */
  ready(): void
  /** One line, for `systemctl status`. */
  status(text: string): void
  stopping(): void
  /** Starting or stopping may take this much longer, counted from now. */
  extend(ms: number): void
  feed(): void
}

// ── Home (supervisor) ─────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Topics are below the device's own prefix (`lock/set`); one with a leading slash stands outside it, as written but
 * for the slash (`/homeassistant/status`).
 */
export interface BrokerCommand {
  readonly topic: string
  readonly payload: Buffer
  readonly retained: boolean
}

export interface Broker {
  /** Never rejects for an absent broker: it goes on trying. Rejects for a configuration that can never work. */
  start(): Promise<void>
  readonly connected: boolean
  /** After each connection made and each one lost. */
  onConnection(listener: (connected: boolean) => void): void
  onCommand(listener: (command: BrokerCommand) => void): void
  /** Retained, QoS 1; the newest value per topic is sent again after each reconnection, before `online`. */
  state(topic: string, payload: string | Buffer): void
  /** Sends all states once more, for a subscriber that has forgotten them. */
  refresh(): void
  /**
   * QoS 1, not retained. Resolves when the broker has acknowledged; rejects at once when there is no connection or it is
   * lost, and when the broker does not answer. It is never sent a second time; who wants that publishes again, in order.
   */
  publish(topic: string, payload: string | Buffer): Promise<void>
  /** Publishes `offline` and leaves; within two seconds even when the broker hangs. */
  stop(): Promise<void>
}

export * from './ports-store.js'

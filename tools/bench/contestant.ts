/** What takes part: each in a process of its own, on one thread. */
import type { RawFrame } from './frames.js'

export interface Contestant {
  /** What computes, for people. */
  readonly engine: string
  /** Enrols the man. The number of pictures it could use. */
  enrol(frames: readonly RawFrame[]): Promise<number>
  /** Another recording begins: nobody was seen in it yet. */
  begin(): void
  /** Judges one frame in the order of their `at`. True when it lets the enrolled man in. */
  frame(frame: RawFrame): Promise<boolean>
}

export interface Entry {
  readonly name: string
  /** For people, in the table. */
  readonly title: string
  /** Needs the packages named in tools/bench/packages. */
  readonly peer: boolean
  /** Loaded only in the process that runs it. */
  open(): Promise<Contestant>
}

export const entries: readonly Entry[] = [
  {
    name: 'facelatch',
    title: 'facelatch',
    peer: false,
    open: async () => (await import('./contestants/facelatch.js')).openFacelatch('scheduled'),
  },
  {
    name: 'ancestors',
    title: "facelatch, ancestors' schedule",
    peer: false,
    open: async () => (await import('./contestants/facelatch.js')).openFacelatch('everything'),
  },
  {
    name: 'onnxruntime',
    title: 'onnxruntime-node, same models',
    peer: false,
    open: async () => (await import('./contestants/onnxruntime.js')).openOnnxruntime(),
  },
  {
    name: 'human',
    title: '@vladmandic/human, caching',
    peer: true,
    open: async () => (await import('./contestants/human.js')).openHuman('cached'),
  },
  {
    name: 'human-each',
    title: '@vladmandic/human, each frame',
    peer: true,
    open: async () => (await import('./contestants/human.js')).openHuman('each'),
  },
  {
    name: 'face-api',
    title: '@vladmandic/face-api, SSD',
    peer: true,
    open: async () => (await import('./contestants/face-api.js')).openFaceApi(),
  },
]

/** Pictures that come with no time of their own, played to the pipeline as if a camera gave them. */
import type { Picture, Recognizer } from '../ports.js'
import { AroundRecognizer } from './around-recognizer.js'

/** A picture at the time that a hand-cranked clock shows. */
export class TimedPicture implements Picture {
  readonly arrived: number

  constructor(
    readonly native: Picture,
    readonly at: number,
    readonly sequence = 0,
  ) {
    this.arrived = at
  }

  get width(): number {
    return this.native.width
  }

  get height(): number {
    return this.native.height
  }

  fingerprint(): number {
    return this.native.fingerprint()
  }

  rgb(): Buffer {
    return this.native.rgb()
  }

  release(): void {
    this.native.release()
  }
}

/** The native recognizer knows its own pictures only. */
export class OfTimedPictures extends AroundRecognizer {
  override detect(frame: Picture, ...more: MoreOf<'detect'>): ReturnType<Recognizer['detect']> {
    return super.detect((frame as TimedPicture).native, ...more)
  }

  override identify(frame: Picture, ...more: MoreOf<'identify'>): ReturnType<Recognizer['identify']> {
    return super.identify((frame as TimedPicture).native, ...more)
  }
}

type MoreOf<M extends 'detect' | 'identify'> =
  Parameters<Recognizer[M]> extends [frame: Picture, ...more: infer More] ? More : never

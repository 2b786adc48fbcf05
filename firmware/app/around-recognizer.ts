import type { Recognizer } from '../ports.js'

/** A recognizer around another one: whoever wants to change or watch a part of it overrides that part. */
export class AroundRecognizer implements Recognizer {
  readonly engine: string
  readonly fallback: string | null
  readonly notes: readonly string[]
  readonly pixels: Recognizer['pixels']
  readonly embedder: string
  readonly dimensions: number
  readonly threshold: number
  readonly liveFrom: number | undefined
  protected readonly inner: Recognizer

  constructor(inner: Recognizer) {
    this.engine = inner.engine
    this.fallback = inner.fallback
    this.notes = inner.notes
    this.pixels = inner.pixels
    this.embedder = inner.embedder
    this.dimensions = inner.dimensions
    this.threshold = inner.threshold
    this.liveFrom = inner.liveFrom
    this.inner = inner
  }

  detect(...given: Parameters<Recognizer['detect']>): ReturnType<Recognizer['detect']> {
    return this.inner.detect(...given)
  }

  identify(...given: Parameters<Recognizer['identify']>): ReturnType<Recognizer['identify']> {
    return this.inner.identify(...given)
  }

  setGallery(...given: Parameters<Recognizer['setGallery']>): void {
    this.inner.setGallery(...given)
  }

  changeGallery(...given: Parameters<Recognizer['changeGallery']>): string[] {
    return this.inner.changeGallery(...given)
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}

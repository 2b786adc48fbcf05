/**
 * The whole contract between JavaScript and the native recognizer. Nothing here runs on the JavaScript thread but
 * argument checks and copies; every promise settles exactly once. Errors are `Error` with a `code`:
 * CAMERA_SOURCE (the source string is wrong), CAMERA_OPEN (it could not be opened or gave no first frame),
 * MODEL_LOAD (a model file is missing, truncated or of the wrong shape), ENGINE (inference failed), CLOSED (used after close).
 */

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export interface Face {
  box: Box
  /** Ten numbers: x, y of left eye, right eye, nose, left and right mouth corner, as seen in the picture. Pixels. */
  landmarks: number[]
  /** In [0, 1]. */
  score: number
}

/** One decoded picture, RGB, 8 bits a channel, rows packed. Owns its pixels until released or collected. */
export class Frame {
  /** Copies `pixels` (width * height * 3 bytes, RGB, rows packed). */
  static fromRgb(pixels: Uint8Array, width: number, height: number): Frame
  private constructor()
  readonly width: number
  readonly height: number
  /** Counts frames the camera decoded in this session, dropped ones included; 0 for `fromRgb`. */
  readonly sequence: number
  /** Stream time in milliseconds, strictly increasing within a camera session, also over loops; 0 for `fromRgb`. */
  readonly at: number
  /** CLOCK_MONOTONIC in milliseconds when the frame left the decoder; 0 for `fromRgb`. */
  readonly arrived: number
  /** A copy of the pixels, width * height * 3 bytes. */
  rgb(): Buffer
  /** Gives the pixels back at once; any later use throws CLOSED. */
  release(): void
}

export interface CameraOptions {
  /** `csi:N`, `v4l2:/dev/videoN`, `rtsp://…`, `file:PATH` or `gst:PIPELINE` (ends in something that links to raw video). */
  source: string
  /** Asked of live cameras (csi, v4l2); files, rtsp and gst keep their own size. */
  width?: number
  height?: number
  fps?: number
  /** Files only: start again at the end. */
  loop?: boolean
  /** Files only: false decodes as fast as frames are asked for and drops none. Live sources are always real time. */
  realtime?: boolean
  /** Seconds without a frame after which `next` answers `stall`. Also the limit for the first frame, at least 5 s. */
  stallSeconds?: number
}

export type CameraOutcome =
  | { type: 'frame'; frame: Frame }
  | { type: 'end' }
  | { type: 'stall'; seconds: number }
  | { type: 'error'; message: string }

export interface CameraStats {
  /** Frames decoded, frames handed out, and frames replaced by a newer one before anybody asked for them. */
  decoded: number
  delivered: number
  dropped: number
}

/** A camera on its own thread. At most one `next` may be pending. */
export class Camera {
  /** Resolves once a first frame has been decoded: a camera that opened but gave no frame is not open. */
  static open(options: CameraOptions): Promise<Camera>
  private constructor()
  /** The newest frame not handed out yet, or what happened instead. After `end` or `error` only `close` is left. */
  next(): Promise<CameraOutcome>
  stats(): CameraStats
  /** Ends the pipeline and its thread; a pending `next` resolves with `end`. May be called twice. */
  close(): Promise<void>
}

export interface DetectorOptions {
  type: 'mtcnn'
  pnet: string
  rnet: string
  onet: string
  /** Side of the smallest face to be found, pixels, at least 20. */
  minFace: number
  /** At most this many faces are returned, the largest first. */
  maxFaces: number
  /** Score each stage must reach. */
  scores: [number, number, number]
  /** Ratio of neighbouring pyramid scales. */
  factor: number
}

export interface EmbedderOptions {
  path: string
  width: number
  height: number
  colour: 'rgb' | 'bgr'
  /** (value - mean) * scale, per channel in the order of `colour`. */
  mean: [number, number, number]
  scale: [number, number, number]
  /** Where the five landmarks are placed in the input picture: ten numbers, pixels. */
  template: number[]
  /** Length of an embedding; the file is refused when it differs. */
  dimensions: number
}

export interface RecognizerOptions {
  engine: 'onnxruntime'
  detector: DetectorOptions
  embedder: EmbedderOptions
  /** Threads of the one shared inference pool, 0 for one per core. */
  threads: number
}

export interface Detection {
  faces: Face[]
  /** Milliseconds spent in each stage on the worker thread. `pnet` is 0 for a refinement. */
  timings: { pnet: number; rnet: number; onet: number }
}

export interface Match {
  label: number
  /** Cosine in [-1, 1]. */
  similarity: number
}

export interface Identification {
  /** L2-normalised, `dimensions` long. */
  embedding: Float32Array
  /** Best similarity per label, best first, at most `k` different labels. */
  matches: Match[]
}

export interface IdentifyResult {
  /** One per face, in the order asked. */
  faces: Identification[]
  timings: { align: number; embed: number; match: number }
}

/** Loaded engines and the gallery matrix; remembers no earlier frame. Calls may overlap; they run one after another. */
export class Recognizer {
  static load(options: RecognizerOptions): Promise<Recognizer>
  private constructor()
  /** Which engine runs, for people: e.g. `ONNX Runtime 1.30.0, CPU, 2 threads`. */
  readonly engine: string
  /** Full sweep without `regions`; with them only the refinement nets run, on those boxes (predicted faces). */
  detect(frame: Frame, regions?: readonly Box[]): Promise<Detection>
  /** Aligns, embeds and matches the faces with these landmarks in one batch. */
  identify(frame: Frame, landmarks: readonly (readonly number[])[], k: number): Promise<IdentifyResult>
  /** The aligned input picture for one face, RGB, for looking at: `width * height * 3` bytes of the embedder's input. */
  align(frame: Frame, landmarks: readonly number[]): Promise<Buffer>
  /** Replaces the gallery in one step. `embeddings` holds labels.length rows of `dimensions`; rows are normalised here. */
  setGallery(embeddings: Float32Array, labels: Int32Array): void
  /** Frees engines and gallery after running calls have ended; later calls reject with CLOSED. */
  close(): Promise<void>
}

/** Versions of what is linked in, for `doctor`. */
export function versions(): { gstreamer: string; onnxruntime: string }
/** Live native objects, for leak tests. */
export function alive(): { frames: number; cameras: number; recognizers: number }
/** False where the running GStreamer lacks the element; for `doctor`. */
export function hasElement(name: string): boolean

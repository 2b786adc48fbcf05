/**
 * The whole contract between JavaScript and the native recognizer. Nothing here runs on the JavaScript thread but
 * argument checks and copies; every promise settles exactly once. Errors are `Error` with a `code`:
 * CAMERA_SOURCE (the source string is wrong), CAMERA_OPEN (it could not be opened), CAMERA_ABSENT (there is no such v4l2
 * device), CAMERA_SILENT (it opened and gave no first frame), MODEL_LOAD (a model file is missing, truncated or of the
 * wrong shape), ENGINE (inference failed), CLOSED (used after close or release), BUSY (a `next` is already pending),
 * ARGUMENT (a `TypeError` that names the argument). Methods that return a promise reject with them, the others throw.
 * Messages are one line: what, where, remedy.
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

/** How a picture lies in memory: RGB, 8 bits a channel; or NV12 as cameras give it, half as many bytes. */
export type Pixels = 'rgb' | 'nv12'

/** One decoded picture, rows packed. Owns its pixels until released or collected. */
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
  /**
   * Equal for equal pictures, and different, but for one chance in 2^52, for others; 0 for a picture without contrast, as a
   * covered lens gives. Of large pictures every so-many-th row is looked at.
   */
  fingerprint(): number
  /** A copy of the pixels, width * height * 3 bytes, RGB whatever they came as. */
  rgb(): Buffer
  /** Gives the pixels back at once; any later use of them throws CLOSED. Numbers stay readable; calls under way go on. */
  release(): void
}

export interface CameraOptions {
  /**
   * `csi:N`, `v4l2:/dev/videoN`, `rtsp://…`, `file:PATH` or `gst:PIPELINE` (ends in something that links to raw video).
   * Passwords of RTSP addresses are left out of messages.
   */
  source: string
  /** Asked of live cameras (csi, v4l2); files, rtsp and gst keep their own size. Whole numbers. */
  width?: number
  height?: number
  fps?: number
  /** Files and gst: start again at the end; `error` when the source cannot. */
  loop?: boolean
  /**
   * Files and gst: false decodes as fast as frames are asked for and drops none. csi, v4l2 and rtsp are always real time.
   */
  realtime?: boolean
  /** Seconds without a frame after which `next` answers `stall`, 5 by default. */
  stallSeconds?: number
  /** Seconds that the first frame may take; by default stallSeconds, at least 5. */
  openSeconds?: number
  /** What frames are to be, by default RGB: see `Recognizer.pixels`. */
  pixels?: Pixels
  /** csi: properties of nvarguscamerasrc as text; CAMERA_SOURCE for one that it lacks. */
  properties?: Readonly<Record<string, string>>
}

/**
 * `end` comes from files and gst only: csi, v4l2 and rtsp that end by themselves have failed, and answer `error`.
 * `seconds` counts from the last frame. After a `stall` the camera goes on: `next` may give frames again.
 */
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

/** A camera on its own thread. At most one `next` may be pending; a pending one keeps the process alive, a camera does not. */
export class Camera {
  /** Resolves once a first frame has been decoded: a camera that opened but gave no frame is not open. */
  static open(options: CameraOptions): Promise<Camera>
  private constructor()
  /** The newest frame not handed out yet, or what happened instead. `end` and `error` are final: they come again. */
  next(): Promise<CameraOutcome>
  stats(): CameraStats
  /**
   * Ends the pipeline and its thread; a pending `next` resolves with `end`. May be called twice. Takes about two seconds at
   * most: a pipeline that a driver does not let go is abandoned, see `alive().stuckPipelines`.
   */
  close(): Promise<void>
}

export interface MtcnnOptions {
  type: 'mtcnn'
  pnet: string
  rnet: string
  onet: string
  /** Side of the smallest face to be found, pixels, at least 20. A picture smaller than that holds no face. */
  minFace: number
  /** At most this many faces are returned, the largest first. */
  maxFaces: number
  /** Score each stage must reach. */
  scores: [number, number, number]
  /** Ratio of neighbouring pyramid scales, at most 0.95. */
  factor: number
}

export interface YunetOptions {
  type: 'yunet'
  path: string
  /** As with MTCNN. The picture is made smaller until a face of this size is one that the net still sees well. */
  minFace: number
  maxFaces: number
  /** Score a face must reach. */
  score: number
}

export type DetectorOptions = MtcnnOptions | YunetOptions

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
  /** Length of an embedding; the file is refused when it differs. It has one input [N,3,height,width] and one output; N may be fixed. */
  dimensions: number
}

export interface LivenessNetOptions {
  path: string
  width: number
  height: number
  colour: 'rgb' | 'bgr'
  mean: [number, number, number]
  scale: [number, number, number]
  /** Side of what the net sees, in sides of the face's box. */
  crop: number
}

export interface RecognizerOptions {
  /** `auto`: TensorRT where it was built and works, else ONNX Runtime on the CPU; see `Recognizer.fallback`. */
  engine: 'auto' | 'tensorrt' | 'onnxruntime'
  tensorrt?: {
    /** `auto` is fp16 where the GPU is fast at it. */
    precision: 'auto' | 'fp32' | 'fp16'
    /** Folder where plans are kept; without it they are built at every start. */
    plans?: string
    /** Another shared object than the facelatch-tensorrt.so beside the addon, for tests. */
    module?: string
  }
  detector: DetectorOptions
  /** Path of MTCNN's O-Net, which settles a face's points before it is aligned, whatever detected it. */
  landmarks: string
  embedder: EmbedderOptions
  /** Nets that say whether a face lives, see `identify`. */
  liveness?: LivenessNetOptions[]
  /** Threads of the CPU engine's one pool in the process, 0 for one per core. While a recognizer lives, its pool is shared. */
  threads: number
}

export interface Detection {
  faces: Face[]
  /** Milliseconds spent in each stage on the worker thread. `pnet` is 0 for a refinement; stages of the other detector are 0. */
  timings: { pnet: number; rnet: number; onet: number; yunet: number }
}

export interface Match {
  label: number
  /** Cosine in [-1, 1]. */
  similarity: number
}

/** What the pixels of the aligned face measure, between brows and mouth. */
export interface Clarity {
  /** Variance of the Laplacian over the variance of the brightness. */
  sharpness: number
  /** Standard deviation of the brightness, in [0, 0.5]. */
  contrast: number
  /** Mean brightness, in [0, 1]. */
  brightness: number
  /** Share of pixels as good as black or white, in [0, 1]. */
  clipped: number
}

export interface Identification {
  /** Of the face and its mirror image together; L2-normalised, `dimensions` long. */
  embedding: Float32Array
  clarity: Clarity
  /** Best similarity per label, best first, at most `k` different labels. */
  matches: Match[]
  /** Log-odds of a living face, one for each net of `RecognizerOptions.liveness`; absent where no boxes were given. */
  liveness?: number[]
}

export interface IdentifyResult {
  /** One per face, in the order asked. */
  faces: Identification[]
  timings: { align: number; embed: number; match: number; liveness: number }
}

/** Loaded engines and the gallery matrix; remembers no earlier frame. Calls may overlap; they run one after another. */
export class Recognizer {
  static load(options: RecognizerOptions): Promise<Recognizer>
  private constructor()
  /** Which engine runs, for people: e.g. `ONNX Runtime 1.30.0, CPU, 2 threads`. */
  readonly engine: string
  /** What this engine takes with the least work: NV12 where a GPU makes RGB of it. It takes either. */
  readonly pixels: Pixels
  /** Why the CPU computes although the machine has a GPU or the addon was built for one; null otherwise. */
  readonly fallback: string | null
  /** What loading did, one line each: plans built or loaded with their times, plans that could not be kept. */
  readonly notes: readonly string[]
  /**
   * Full sweep without `regions`; with them only those boxes are looked at (predicted faces, at most 256), which costs less.
   * Faces come largest first; boxes may reach beyond the picture.
   */
  detect(frame: Frame, regions?: readonly Box[]): Promise<Detection>
  /**
   * Settles the points, aligns, embeds and matches the faces with these landmarks in one batch. With `boxes`, one a face, it
   * also says how much each looks like a living face.
   */
  identify(
    frame: Frame,
    landmarks: readonly (readonly number[])[],
    k: number,
    boxes?: readonly Box[],
  ): Promise<IdentifyResult>
  /** The aligned input picture for one face, RGB, for looking at: `width * height * 3` bytes of the embedder's input. */
  align(frame: Frame, landmarks: readonly number[]): Promise<Buffer>
  /**
   * Replaces the gallery in one step; an `identify` under way meets the old one or the new one. `embeddings` holds labels.length rows of
   * `dimensions`; rows are normalised here. ARGUMENT for rows that are zero or not finite: the old gallery stays.
   */
  setGallery(embeddings: Float32Array, labels: Int32Array): void
  /**
   * From now on these rows are all of that label, none forgets it; the other labels stay. Costs as much as the label has
   * rows. Faces whose `identify` is under way meet the one gallery or the other, each as a whole. ARGUMENT as `setGallery`.
   */
  setTemplates(label: number, embeddings: Float32Array): void
  /** Frees engines and gallery after running calls have ended; later calls reject with CLOSED. */
  close(): Promise<void>
}

/** Versions of what is linked in, for `doctor`. */
export function versions(): { gstreamer: string; onnxruntime: string }
/** Live native objects, for leak tests, and pipelines that would not stop when their camera was closed, for health. */
export function alive(): { frames: number; cameras: number; recognizers: number; stuckPipelines: number }
/** False where the running GStreamer lacks the element; for `doctor`. */
export function hasElement(name: string): boolean

/** How a camera fails, and what its messages mean: which step is known to help. */

/** `stuck`: its driver would not let go of it. `crash`: the recognizer died while it was being opened. */
export const faultKinds = [
  'stall',
  'frozen',
  'error',
  'end',
  'silent',
  'size',
  'absent',
  'stuck',
  'refused',
  'crash',
] as const
export type FaultKind = (typeof faultKinds)[number]

export interface CameraFault {
  readonly kind: FaultKind
  /** One line for people. */
  readonly reason: string
}

/**
 * What helps: `any`: nobody knows, so the cheapest is tried first. `cure`: restarting what stands behind the camera (the
 * daemon, the device); opening it again alone does not. `process`: the recognizer must die. `reboot`: nothing less, as
 * far as is known. `device`: the camera is not there. `operator`: the configuration or the wiring is wrong.
 */
export type Help = 'any' | 'client' | 'cure' | 'process' | 'reboot' | 'device' | 'operator'

/**
 * Most urgent first: the first sign found decides. Those of Argus come from nvarguscamerasrc, libargus and nvargus-daemon
 * as users reported them: https://github.com/peter-moran/jetson_csi_cam/issues/9 (CaptureSession), NVIDIA's developer
 * forum for the others; NvBufSurfaceFromFd is a regression of JetPack 6.2 that outlives the daemon.
 */
const signs: readonly { readonly sign: RegExp; readonly help: Help }[] = [
  { sign: /NvBufSurfaceFromFd Failed/i, help: 'reboot' },
  { sign: /Failed to create CaptureSession/i, help: 'cure' },
  { sign: /(?:Camera|Capture)Provider (?:was not |has been )?destroyed|Connection to.*nvargus.*lost/i, help: 'cure' },
  { sign: /Connecting to nvargus-daemon failed|Cannot create camera provider/i, help: 'cure' },
  { sign: /Session has suffered a critical failure/i, help: 'cure' },
  { sign: /No cameras available|Invalid camera device/i, help: 'cure' },
  { sign: /Argus Error Status|ArgusCorrectable|\((?:Argus )?(?:TIMEOUT|DISCONNECTED|CANCELLED)\)/i, help: 'any' },
  { sign: /waitForIdle/i, help: 'process' },
]

/**
 * Of the fault itself only: libraries print such things at each opening of a camera that is well (`libEGL warning: failed
 * to open /dev/dri/card0: Permission denied`), and a daemon that hangs would never be restarted.
 */
const wrongSettings = /Permission denied|no such element|has no element|no property|Unauthorized/i

const helpOfKind: Readonly<Record<FaultKind, Help>> = {
  stall: 'any',
  frozen: 'any',
  error: 'any',
  end: 'any',
  silent: 'any',
  size: 'client',
  absent: 'device',
  stuck: 'process',
  refused: 'operator',
  crash: 'any',
}

/** `said`: what drivers printed just before, which is where Argus tells most of it. */
export function whatHelps({ kind, reason }: CameraFault, said: readonly string[] = []): Help {
  if (kind === 'absent' || kind === 'stuck' || kind === 'refused') return helpOfKind[kind]
  const text = [reason, ...said]
  const known = signs.find(({ sign }) => text.some((line) => sign.test(line)))
  return known?.help ?? (wrongSettings.test(reason) ? 'operator' : helpOfKind[kind])
}

/** Whether a line that a driver printed is one that the table knows. */
export const isSign = (line: string): boolean => signs.some(({ sign }) => sign.test(line))

/** What stands behind a camera, and can be restarted when opening it again does not help. */
export type Cure = 'nvargus' | 'usb' | 'none'

export function cureOf(source: string, recovery: 'auto' | 'nvargus' | 'usb' | 'reopen'): Cure {
  if (recovery !== 'auto') return recovery === 'reopen' ? 'none' : recovery
  if (source.startsWith('csi:') || /^gst:.*\bnvarguscamerasrc\b/s.test(source)) return 'nvargus'
  return source.startsWith('v4l2:') ? 'usb' : 'none'
}

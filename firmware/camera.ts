/** The camera as configured: what is asked of it, what counts as a fault, and what helps. */
import type { NativeCameraOptions } from './adapters/recognizer-native.js'
import type { CameraCareOptions } from './app/camera-care.js'
import type { Config } from './config.js'
import { csiProperties } from './domain/camera-csi.js'
import { cureOf } from './domain/camera-faults.js'
import type { SessionOptions } from './domain/camera-health.js'
import type { CameraHost } from './ports.js'

type CameraConfig = Config['camera']

/** A sensor's noise is never the same twice; a compressed stream of a still scene may well be. */
const frozenSeconds = 5

/** Cameras that are asked for a size, and show what their sensor sees. */
const isSensor = (source: string) => /^(csi|v4l2):/.test(source)

export function cameraOptions(config: CameraConfig): NativeCameraOptions {
  const { source, width, height, fps, loop, realtime, stallSeconds, openSeconds } = config
  return {
    ...{ source, width, height, fps, loop, realtime, stallSeconds },
    ...(openSeconds !== null && { openSeconds }),
    ...(source.startsWith('csi:') && { properties: csiProperties(config.csi) }),
  }
}

/** No picture for this long, ms, may still be a camera that is well. */
export const longestPictureMs = ({ stallSeconds, openSeconds }: CameraConfig): number =>
  Math.max(stallSeconds, openSeconds ?? 0) * 1000

export function sessionOptions({ source, width, height, frozenSeconds: asked }: CameraConfig): SessionOptions {
  const recording = source.startsWith('file:')
  const frozen = recording ? 0 : (asked ?? (isSensor(source) ? frozenSeconds : 0))
  return { recording, frozenMs: frozen * 1000, ...(isSensor(source) && { size: { width, height } }) }
}

export function careOptions(config: CameraConfig, host: CameraHost): CameraCareOptions {
  const { source, recovery, rebootMinutes, steadySeconds } = config
  return {
    cure: cureOf(source, recovery),
    rebootMs: rebootMinutes * 60_000,
    steadyMs: steadySeconds * 1000,
    boot: host.boot,
    ...(host.kept && { kept: host.kept }),
  }
}

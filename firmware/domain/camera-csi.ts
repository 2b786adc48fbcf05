/**
 * Settings of a Jetson's camera as nvarguscamerasrc takes them: `gst-inspect-1.0 nvarguscamerasrc`, and its source in
 * NVIDIA's gst-nvarguscamera_src.tbz2. What is left at its default is not set, so an element that lacks it does not matter.
 */

/** In the element's own numbering. */
export const whiteBalances = [
  'auto',
  'off',
  'incandescent',
  'fluorescent',
  'warm-fluorescent',
  'daylight',
  'cloudy-daylight',
  'twilight',
  'shade',
  'manual',
] as const
export const antibandings = ['auto', 'off', '50Hz', '60Hz'] as const
export const csiModes = ['fast', 'off', 'best'] as const

/** 1 is `auto` and `fast` in the element, and 0 `off`; the defaults stand first here. */
const numberOf = <T extends string>(list: readonly T[], value: T): number => {
  const index = list.indexOf(value)
  return index === 0 ? 1 : index === 1 ? 0 : index
}

export interface CsiSettings {
  readonly sensorMode: number
  /** Ms. */
  readonly exposureMs: readonly number[]
  readonly gain: readonly number[]
  readonly digitalGain: readonly number[]
  readonly exposureCompensation: number
  readonly lockExposure: boolean
  readonly lockWhiteBalance: boolean
  readonly whiteBalance: (typeof whiteBalances)[number]
  readonly antibanding: (typeof antibandings)[number]
  readonly noiseReduction: (typeof csiModes)[number]
  readonly noiseStrength: number
  readonly edges: (typeof csiModes)[number]
  readonly edgeStrength: number
  readonly saturation: number
}

export function csiProperties(settings: CsiSettings): Record<string, string> {
  const properties: Record<string, string> = {}
  const set = (name: string, value: number | boolean, usual: number | boolean) => {
    if (value !== usual) properties[name] = String(value)
  }
  const setRange = (name: string, [low, high]: readonly number[], unit = 1) => {
    if (low !== undefined && high !== undefined)
      properties[name] = `${Math.round(low * unit)} ${Math.round(high * unit)}`
  }
  set('sensor-mode', settings.sensorMode, -1)
  setRange('exposuretimerange', settings.exposureMs, 1e6)
  const [least, most] = settings.gain
  if (least !== undefined && most !== undefined) properties.gainrange = `${least} ${most}`
  setRange('ispdigitalgainrange', settings.digitalGain)
  set('exposurecompensation', settings.exposureCompensation, 0)
  set('aelock', settings.lockExposure, false)
  set('awblock', settings.lockWhiteBalance, false)
  set('wbmode', numberOf(whiteBalances, settings.whiteBalance), 1)
  set('aeantibanding', numberOf(antibandings, settings.antibanding), 1)
  set('tnr-mode', numberOf(csiModes, settings.noiseReduction), 1)
  set('tnr-strength', settings.noiseStrength, -1)
  set('ee-mode', numberOf(csiModes, settings.edges), 1)
  set('ee-strength', settings.edgeStrength, -1)
  set('saturation', settings.saturation, 1)
  return properties
}

/** Temperatures of /sys/class/thermal: https://docs.kernel.org/driver-api/thermal/sysfs-api.html */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Thermal, Zone } from '../ports.js'

export interface ThermalOptions {
  /** Mount point of sysfs. */
  readonly sysfs: string
  /** Types of the zones asked; all but the constant ones when it is empty. */
  readonly zones: readonly string[]
}

/** A Jetson's PMIC zone always says 100 °C. */
const constant = /^PMIC/
/** Outside of this a sensor is broken or off, degrees Celsius; a disabled one says -256 000. */
const sane = { low: -40, high: 130 }

export function createSysfsThermal({ sysfs, zones }: ThermalOptions): Thermal {
  const folder = join(sysfs, 'class/thermal')
  const wanted = (type: string) => (zones.length > 0 ? zones.includes(type) : !constant.test(type))
  const text = (name: string, file: string) =>
    readFile(join(folder, name, file), 'utf8').then(
      (value) => value.trim(),
      () => '',
    )
  return {
    async read() {
      const names = await readdir(folder).catch(() => [])
      const numbered = names.filter((name) => /^thermal_zone\d+$/.test(name))
      numbered.sort((a, b) => Number(a.slice(12)) - Number(b.slice(12)))
      const found = await Promise.all(
        numbered.map(async (name): Promise<Zone | undefined> => {
          const type = await text(name, 'type')
          if (!wanted(type)) return undefined
          const celsius = celsiusOf(await text(name, 'temp'))
          return { type, ...(celsius !== undefined && { celsius }) }
        }),
      )
      return found.filter((zone) => zone !== undefined)
    },
  }
}

/** The kernel counts thousandths. */
function celsiusOf(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return undefined
  const celsius = Number(text) / 1000
  return celsius > sane.low && celsius < sane.high ? celsius : undefined
}

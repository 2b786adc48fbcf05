/** Which fan there is, who drives it, and whether facelatch may: configuration and machine in, one loop out. */
import { keepCool } from './adapters/pwm-keeper.js'
import { createSimulatedPwm } from './adapters/pwm-simulated.js'
import { createSysfsPwm, type FanPlace, findAnyFan, findFan, nvfancontrolRuns } from './adapters/pwm-sysfs.js'
import { createSysfsThermal } from './adapters/thermal-sysfs.js'
import { type FanControl, type FanPorts, startFan } from './app/fan.js'
import type { Config } from './config.js'
import type { Pwm, Zone } from './ports.js'

/** So many readings may fail before the fan runs at full speed. */
const readingsMissed = 5
/** A fan may need this long to begin to turn, ms. */
const stallMs = 10_000

export const remedyForNvidia =
  'nvfancontrol.service drives the fan: choose its profile in /etc/nvfancontrol.conf (FAN_DEFAULT_PROFILE), or stop it with "systemctl disable --now nvfancontrol"'

export interface FanFinding {
  /** What facelatch would drive. */
  readonly place?: FanPlace
  readonly nvidia: boolean
}

/** Looks, and drives nothing. */
export function inspectFan({ fan }: Config): FanFinding {
  const { driver, path, sysfs } = fan
  const place =
    driver === 'jetson' || driver === 'hwmon' || driver === 'pwmchip'
      ? findFan(driver, { sysfs, path })
      : findAnyFan({ sysfs })
  return { nvidia: nvfancontrolRuns(sysfs), ...(place && { place }) }
}

export const readZones = ({ fan }: Config): Promise<Zone[]> => createSysfsThermal(fan).read()

/** Temperatures are read in any case, and the fan driven where the configuration says so. No fan is worth a door: never rejects. */
export async function openFan(config: Config, ports: Omit<FanPorts, 'thermal' | 'pwm'>): Promise<FanControl> {
  const { curve, hysteresis, periodSeconds } = config.fan
  const periodMs = periodSeconds * 1000
  const options = { curve, hysteresis, staleMs: periodMs * readingsMissed, stallMs, periodMs }
  const thermal = createSysfsThermal(config.fan)
  const pwm = await openPwm(config, ports).catch((error: Error) => {
    ports.log.error(error.message)
    ports.record({ type: 'fan_fault', detail: { fault: 'not driven', reason: error.message } })
    return undefined
  })
  return startFan(options, { ...ports, thermal, pwm })
}

async function openPwm(config: Config, { clock, log }: Pick<FanPorts, 'clock' | 'log'>): Promise<Pwm | undefined> {
  const { driver, path, channel, pwmPeriodNs, sysfs } = config.fan
  if (driver === 'none') return undefined
  if (driver === 'simulated') return createSimulatedPwm({ log: path || '/run/facelatch/fan.jsonl', clock })
  const { place, nvidia } = inspectFan(config)
  if (nvidia) log.warn(driver === 'auto' ? `the fan is left alone: ${remedyForNvidia}` : remedyForNvidia)
  if (nvidia && driver === 'auto') return undefined
  if (place === undefined) {
    const remedy =
      driver === 'pwmchip' ? 'set fan.path to the address of its controller' : 'set fan.path, or fan.driver to none'
    throw new Error(`there is no fan for fan.driver "${driver}"; ${remedy}`)
  }
  return keepCool(await createSysfsPwm(place, { sysfs, path, channel, periodNs: pwmPeriodNs }))
}

/** What doctor says of temperatures and of the fan. */
import type { Config } from '../config.js'
import { inspectFan, readZones, remedyForNvidia } from '../fan.js'
import type { Finding } from './doctor.js'

export async function fanFindings(config: Config): Promise<Finding[]> {
  const { driver } = config.fan
  return [await zonesFinding(config), fanFinding(config, driver)]
}

async function zonesFinding(config: Config): Promise<Finding> {
  const zones = await readZones(config)
  const text = zones.map(({ type, celsius }) => `${type} ${celsius === undefined ? 'unreadable' : `${celsius} °C`}`)
  const readable = zones.some(({ celsius }) => celsius !== undefined)
  const what = text.join(', ') || 'this machine shows no temperatures'
  if (readable) return { check: 'fan', level: 'ok', what }
  // Only who drives a fan by them needs them.
  if (config.fan.driver === 'none') return { check: 'fan', level: 'note', what, remedy: 'nothing to do' }
  return { check: 'fan', level: 'note', what, remedy: 'the fan runs at full speed; check fan.zones' }
}

function fanFinding(config: Config, driver: Config['fan']['driver']): Finding {
  const { place, nvidia } = inspectFan(config)
  const where = place === undefined ? 'no fan was found' : `${place.driver} fan at ${place.folder}`
  const tachometer = place?.tachometer === undefined ? 'no tachometer' : `tachometer ${place.tachometer}`
  if (driver === 'simulated')
    return { check: 'fan', level: 'note', what: 'a simulated fan', remedy: 'set fan.driver for a real one' }
  if (nvidia) {
    const who =
      driver === 'none' || driver === 'auto'
        ? 'nvfancontrol drives it'
        : `nvfancontrol and facelatch (${driver}) both drive it`
    return { check: 'fan', level: 'note', what: `${where}, ${who}`, remedy: remedyForNvidia }
  }
  if (driver === 'none') return { check: 'fan', level: 'ok', what: `${where}, left to the kernel (fan.driver is none)` }
  return place === undefined
    ? {
        check: 'fan',
        level: 'fault',
        what: `${where} for fan.driver ${driver}`,
        remedy: 'set fan.path, or fan.driver to none',
      }
    : { check: 'fan', level: 'ok', what: `${where}, driven by facelatch, ${tachometer}` }
}

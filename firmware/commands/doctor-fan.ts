/** What doctor says of temperatures and of the fan. */
import type { Config } from '../config.js'
import { inspectFan, readZones, remedyForNvidia } from '../fan.js'
import { type Finding, fault, note, ok } from './findings.js'

export async function fanFindings(config: Config): Promise<Finding[]> {
  const { driver } = config.fan
  return [await zonesFinding(config), fanFinding(config, driver)]
}

async function zonesFinding(config: Config): Promise<Finding> {
  const zones = await readZones(config)
  const text = zones.map(({ type, celsius }) => `${type} ${celsius === undefined ? 'unreadable' : `${celsius} °C`}`)
  const readable = zones.some(({ celsius }) => celsius !== undefined)
  const what = text.join(', ') || 'this machine shows no temperatures'
  if (readable) return ok('fan', what)
  // Only who drives a fan by them needs them.
  if (config.fan.driver === 'none') return note('fan', what, 'nothing to do')
  return note('fan', what, 'the fan runs at full speed; check fan.zones')
}

function fanFinding(config: Config, driver: Config['fan']['driver']): Finding {
  const { place, nvidia } = inspectFan(config)
  const where = place === undefined ? 'no fan was found' : `${place.driver} fan at ${place.folder}`
  const tachometer = place?.tachometer === undefined ? 'no tachometer' : `tachometer ${place.tachometer}`
  if (driver === 'simulated') return note('fan', 'a simulated fan', 'set fan.driver for a real one')
  if (nvidia) {
    const who =
      driver === 'none' || driver === 'auto'
        ? 'nvfancontrol drives it'
        : `nvfancontrol and facelatch (${driver}) both drive it`
    return note('fan', `${where}, ${who}`, remedyForNvidia)
  }
  if (driver === 'none') return ok('fan', `${where}, left to the kernel (fan.driver is none)`)
  return place === undefined
    ? fault('fan', `${where} for fan.driver ${driver}`, 'set fan.path, or fan.driver to none')
    : ok('fan', `${where}, driven by facelatch, ${tachometer}`)
}

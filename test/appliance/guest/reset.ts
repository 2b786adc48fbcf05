/** A door whose store outlives the machine's reset. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cli, facelatch } from '../../support/appliance.js'
import { emulated } from '../../support/bench.js'
import { startKernelBench } from '../../support/bench-kernel.js'
import { type Owner, until } from '../../support/temp.js'

/** Far longer than a test waits: whatever ends the strike, it is not its time. */
const strikeSeconds = 600
export const [lockLine, exitLine] = [0, 3]

export async function startDoor(t: Owner, folder: string) {
  const config = join(folder, 'config.json')
  const lines = { lock: `bench-gpio:${lockLine}`, exit: `bench-gpio:${exitLine}` }
  writeFileSync(
    config,
    JSON.stringify({
      device: { id: 'test' },
      camera: { source: 'gst:videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=1/1' },
      gpio: { driver: 'gpiod', lines },
      door: { strikeSeconds, ...emulated.door },
      recognizer: emulated.recognizer,
      mqtt: { url: '' },
      store: { path: join(folder, 'facelatch.db') },
    }),
  )
  const bench = await startKernelBench(t, [process.execPath, cli, 'run', '--config', config])
  await until('the door is guarded', () => {
    if (bench.status() !== undefined) throw new Error(`facelatch ended: ${bench.log()}`)
    return bench.log().includes('guarding the door')
  })
  return {
    ...bench,
    config,
    async press() {
      bench.set(exitLine, 1)
      await until('the strike is powered', () => bench.chips.level(lockLine) === 1)
      bench.set(exitLine, 0)
    },
  }
}

export interface Row {
  readonly id: string
  readonly type: string
}

export async function eventsOf(config: string): Promise<Row[]> {
  const { stdout } = await facelatch(['events', '--json', '--config', config])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((row) => JSON.parse(row) as Row)
}

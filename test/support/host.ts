/** Plays the host's helper: takes requests from their folder, does what the test says, and answers as systemd/host-request does. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostRequest } from '../../firmware/domain/camera-ladder.js'
import { type Owner, temporaryDirectory } from './temp.js'

export interface SimulatedHost {
  /** For the configuration. */
  readonly folders: { readonly requests: string; readonly answers: string }
  /** Everything that was asked, oldest first. */
  readonly asked: readonly (HostRequest | 'ping')[]
}

/** `serve` answers why it cannot be done, or nothing. */
export function simulateHost(t: Owner, serve: (request: HostRequest | 'ping') => string | undefined): SimulatedHost {
  const folder = temporaryDirectory(t)
  const folders = { requests: join(folder, 'requests'), answers: join(folder, 'answers') }
  for (const path of Object.values(folders)) mkdirSync(path)
  const asked: (HostRequest | 'ping')[] = []
  const look = () => {
    for (const name of ['nvargus-restart', 'usb-rebind', 'reboot', 'ping'] as const) {
      const file = join(folders.requests, name)
      if (!existsSync(file)) continue
      rmSync(file)
      asked.push(name)
      const problem = serve(name)
      const fresh = join(folders.answers, `.${name}.new`)
      writeFileSync(fresh, problem === undefined ? 'done\n' : `failed: ${problem}\n`)
      renameSync(fresh, join(folders.answers, name))
    }
  }
  const timer = setInterval(look, 20)
  t.teardown(() => clearInterval(timer))
  return { folders, asked }
}

/** systemd, told how the door is: sd_notify(3). Without NOTIFY_SOCKET, as at a terminal, nobody is told anything. */
import { createRequire } from 'node:module'
import type { InitSystem, Log } from '../ports.js'
import { inRoot } from '../root.js'

type Native = typeof import('../../native/notify.js')

/** systemd shows one line; what is longer says nothing more. */
const longestStatus = 500

const nobody: InitSystem = { ready() {}, status() {}, stopping() {}, extend() {}, feed() {} }

/**
 * Takes the variables out of `env`: what is started from here, the recognizer first of all, must neither feed the
 * watchdog nor speak for the service.
 */
export function openInit(log: Log, env: NodeJS.ProcessEnv = process.env): InitSystem {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
  if (!socket) return nobody
  const file = inRoot('build/native/facelatch-notify.node')
  const { send } = createRequire(import.meta.url)(file) as Native
  let failed = false
  const tell = (text: string) => {
    try {
      send(socket, text)
      failed = false
    } catch (error) {
      // Once: a watchdog that cannot be fed will end this process anyhow.
      if (!failed) log.warn(`systemd cannot be told: ${(error as Error).message}`)
      failed = true
    }
  }
  const watched = Number(usec) > 0 && (pid === undefined || Number(pid) === process.pid)
  return {
    ...(watched && { watchdogMs: Number(usec) / 1000 }),
    ready: () => tell('READY=1'),
    status: (text) => tell(`STATUS=${text.replace(/\p{Cc}/gu, ' ').slice(0, longestStatus)}`),
    stopping: () => tell('STOPPING=1'),
    extend: (ms) => tell(`EXTEND_TIMEOUT_USEC=${Math.round(ms * 1000)}`),
    feed: () => tell('WATCHDOG=1'),
  }
}

/** What lets people look after a door that they do not log in to: its account, metrics, crash reports. None of it can stop the door. */
import { dirname, join } from 'node:path'
import { createCrashReports, type LastEnd, markRunning } from './adapters/crash-reports.js'
import { serveMetrics } from './adapters/metrics-prometheus.js'
import { serveStatus, statusSockets } from './adapters/status-socket.js'
import { Accountant } from './app/account.js'
import { metricsOf } from './app/metrics.js'
import type { RejectedConfig } from './app/supervisor-types.js'
import type { Config } from './config.js'
import { packageVersion } from './home.js'
import type { Clock, Log } from './ports.js'

export const crashFolder = ({ store }: Config) => join(dirname(store.path), 'crashes')

export interface Operations {
  readonly accountant: Accountant
  /** How the run before this one ended, where it was not stopped in order. */
  readonly lastEnd: LastEnd
  recognizerLost(reason: string): void
  /** The end is in order. */
  close(): Promise<void>
}

/** Never rejects. The store's claim is held already. */
export async function openOperations(
  config: Config,
  { clock, log, rejected }: { clock: Clock; log: Log; rejected?: RejectedConfig | undefined },
): Promise<Operations> {
  const { device, mqtt, store, metrics } = config
  const version = packageVersion()
  const accountant = new Accountant(
    {
      version,
      device,
      pid: process.pid,
      ...(mqtt.url !== '' && { broker: new URL(mqtt.url).host }),
      ...(rejected && { rejected }),
    },
    clock,
  )
  const mark = markRunning(`${store.path}.running`)
  const reports = createCrashReports({
    folder: crashFolder(config),
    now: clock.wall,
    facts: () => ({ account: accountant.report(), config }),
  })
  const dying = (error: Error) => reports.write('supervisor', error.message, error.stack)
  process.on('uncaughtExceptionMonitor', dying)

  const open = async (what: string, begin: () => Promise<{ close(): Promise<void> }>) => {
    try {
      return await begin()
    } catch (error) {
      log.warn(`${what}: ${(error as Error).message}`)
      return undefined
    }
  }
  const served = [
    await open('"facelatch status" will not answer', () =>
      serveStatus(statusSockets(store.path), () => accountant.report()),
    ),
    metrics.port === 0
      ? undefined
      : await open('no metrics', () => serveMetrics(metrics.port, () => metricsOf(accountant.report()))),
  ]
  return {
    accountant,
    lastEnd: mark.lastEnd,
    recognizerLost: (reason) => {
      accountant.recognizerLost()
      // It was asked to leave.
      if (reason !== 'exit code 0') reports.write('recognizer', reason)
    },
    async close() {
      process.off('uncaughtExceptionMonitor', dying)
      await Promise.all(served.map((server) => server?.close()))
      mark.clear()
    },
  }
}

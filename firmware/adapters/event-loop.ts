/** How late this process's event loop is. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the delay is sampled, ms. */
const resolutionMs = 2
/** The histogram holds whole intervals, ns; what is over the asked interval is the delay, ms. */
const lateness = (interval: number) => Math.max(0, interval / 1e6 - resolutionMs)

export interface EventLoopDelay {
  /** Since the start, ms. */
  report(): { readonly p50: number; readonly p99: number; readonly max: number }
  close(): void
}

export function watchEventLoop(): EventLoopDelay {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  return {
    report: () => ({
      p50: lateness(delay.percentile(50)),
      p99: lateness(delay.percentile(99)),
      max: lateness(delay.max),
    }),
    close: () => void delay.disable(),
  }
}

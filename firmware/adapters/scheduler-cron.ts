/** Times of day by cron expressions: https://nodecron.com/cron-syntax */
import cron from 'node-cron'
import type { Log, Scheduler } from '../ports.js'

const day = 86_400_000

/** Local time. @throws Error for an expression that names no time. */
export function createCronScheduler(log: Log): Scheduler {
  const logger = {
    info: (message: string) => log.debug(message),
    warn: (message: string) => log.debug(message),
    error: (message: string | Error) => log.error(String(message)),
    debug: (message: string | Error) => log.debug(String(message)),
  }
  return {
    schedule(expression, job) {
      if (!cron.validate(expression)) throw new Error(`"${expression}" is no cron expression`)
      // A time that passed unheard (a busy machine, a clock set forward) is caught up by whoever asks for `next`.
      const task = cron.schedule(expression, job, { logger, suppressMissedWarning: true })
      return {
        next: () => task.getNextRun() ?? new Date(Date.now() + day),
        stop: () => void task.destroy(),
      }
    },
  }
}

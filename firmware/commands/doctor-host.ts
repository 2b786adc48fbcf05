import { accessSync, constants, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { askHelper } from '../adapters/camera-host-systemd.js'
import { systemClock } from '../adapters/clock-system.js'
import type { Config } from '../config.js'
import { cureOf } from '../domain/camera-faults.js'
import { type Finding, fault, note, ok } from './findings.js'

/** The helper's unit takes a second between two requests, and may be at an nvargus-daemon that is slow to stop. */
const answerMs = 10_000
const units = 'facelatch-host.path facelatch-host.service'

/** Whether somebody restarts for the camera what the service has no right to; nothing where nobody would be asked. */
export async function hostFindings({ camera, host }: Config): Promise<Finding[]> {
  const cure = cureOf(camera.source, camera.recovery)
  const wanted = [
    ...(cure === 'nvargus' ? ['restarting nvargus-daemon'] : cure === 'usb' ? ['binding the USB device anew'] : []),
    ...(camera.rebootMinutes > 0 ? ['rebooting'] : []),
  ].join(', ')
  if (wanted === '') return []
  const cannot = (why: string) => `${wanted} for a failed camera: ${why}`
  try {
    accessSync(host.requests, constants.W_OK | constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT')
      return [
        note(
          'host',
          cannot(`${host.requests}: ${code}`),
          "ask as root or as the service's user: sudo facelatch doctor",
        ),
      ]
    const what = cannot(`the helper cannot be asked, since ${host.requests} is missing`)
    // systemd makes the folder with the service, and sd_booted(3) says whether there is a systemd.
    return existsSync('/run/systemd/system')
      ? [note('host', what, 'start facelatch.service, which makes it, and ask again')]
      : [note('host', what, 'it comes with the Debian package and needs systemd')]
  }
  const question = { ...host, request: 'ping', text: '', within: answerMs, clock: systemClock, later: sleep } as const
  const { ok: answered, reason } = await askHelper(question).catch((error: Error) => ({
    ok: false,
    reason: error.message,
  }))
  return answered
    ? [ok('host', `the helper answers: ${wanted} for a failed camera`)]
    : [
        fault(
          'host',
          cannot(`the helper: ${reason}`),
          `systemctl enable --now facelatch-host.path; systemctl status ${units}`,
        ),
      ]
}

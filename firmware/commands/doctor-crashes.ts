import { crashReports } from '../adapters/crash-reports.js'
import type { Config } from '../config.js'
import { crashFolder } from '../operations.js'
import { type Finding, note } from './findings.js'

/** What died, and where it says how; nothing when nothing did. */
export async function crashFindings(config: Config): Promise<Finding[]> {
  const folder = crashFolder(config)
  const reports = crashReports(folder)
  const last = reports.at(-1)
  if (last === undefined) return []
  return [
    note(
      'crash',
      `the ${last.part} died at ${last.at}: ${last.reason}; ${reports.length} such reports are in ${folder}`,
      'they hold no pictures, embeddings or names: send the last one with a bug report',
    ),
  ]
}

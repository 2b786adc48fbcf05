/**
 * The running appliance's account of itself, for whoever may read its store: a Unix socket beside it, or where nothing can
 * be written there, in the folder that systemd makes for the service.
 */
import { chmodSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { storeIdentity } from '../store-identity.js'

/** sun_path of unix(7) with its end. */
const longestPath = 107
/** A supervisor that is busy answers later; one that hangs never does, ms. */
const answerMs = 3_000

/** RuntimeDirectory= of systemd/facelatch.service, in memory. */
const runtimeFolder = '/run/facelatch'

/** Where a store's appliance may answer, the usual place first. */
export const statusSockets = (storePath: string, runtime = runtimeFolder): readonly string[] => [
  `${storePath}.status`,
  join(runtime, `status-${storeIdentity(storePath)}`),
]

/**
 * Whoever connects is sent one JSON object. The caller owns the store's claim, so what lies there is left over.
 * @throws Error of the first place when none of them can be had.
 */
export async function serveStatus(paths: readonly string[], report: () => object): Promise<{ close(): Promise<void> }> {
  const problems: unknown[] = []
  for (const path of paths) {
    try {
      return await serveAt(path, report)
    } catch (error) {
      problems.push(error)
    }
  }
  throw problems[0]
}

async function serveAt(path: string, report: () => object): Promise<{ close(): Promise<void> }> {
  if (Buffer.byteLength(path) > longestPath) throw new Error(`${path} is too long for a socket`)
  try {
    unlinkSync(path)
  } catch {
    // Nothing was left over, or listening says why not.
  }
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.setTimeout(answerMs, () => socket.destroy())
    socket.end(JSON.stringify(report()))
  })
  server.maxConnections = 16
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(path, listening)
  })
  server.on('error', () => {})
  chmodSync(path, 0o600)
  return { close: () => new Promise((closed) => server.close(() => closed())) }
}

/** What the running appliance says; undefined when nobody answers. @throws Error in one line when one runs and does not answer. */
export async function askStatus(paths: readonly string[]): Promise<unknown> {
  for (const path of paths) {
    const answer = await askAt(path)
    if (answer !== undefined) return answer
  }
  return undefined
}

async function askAt(path: string): Promise<unknown> {
  const text = await new Promise<string | undefined>((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(path)
    socket.setTimeout(answerMs, () => socket.destroy(new Error('it does not answer')))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return resolve(undefined)
      const remedy = error.code === 'EACCES' ? 'run this as root, or as the user facelatch' : 'see its log'
      reject(new Error(`${path}: ${error.code ?? error.message}; ${remedy}`))
    })
  })
  return text === undefined ? undefined : JSON.parse(text)
}

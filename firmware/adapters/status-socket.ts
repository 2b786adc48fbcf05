/** The running appliance's account of itself, for whoever may read its store: a Unix socket beside it. */
import { chmodSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'

/** sun_path of unix(7) with its end. */
const longestPath = 107
/** A supervisor that is busy answers later; one that hangs never does, ms. */
const answerMs = 3_000

export const statusSocket = (storePath: string) => `${storePath}.status`

/** Whoever connects is sent one JSON object. The caller owns the store's claim, so what lies there is left over. @throws */
export async function serveStatus(path: string, report: () => object): Promise<{ close(): Promise<void> }> {
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

/** What the running appliance says; undefined when none runs. @throws Error in one line when one runs and does not answer. */
export async function askStatus(path: string): Promise<unknown> {
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

/** One supervisor a store: two would answer the same commands and mix their events. */
import { connect, createServer } from 'node:net'
import { storeIdentity } from '../store-identity.js'

export interface Claim {
  release(): Promise<void>
}

/**
 * Claims a path for this process until it ends, however it ends: an abstract Unix socket (unix(7)) dies with its owner,
 * so that no stale lock can keep the door from starting. @throws when another process of this machine has it.
 */
export async function claimExclusively(path: string): Promise<Claim> {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((taken, refused) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === 'EADDRINUSE' ? 'in use by another facelatch: stop that one or change store.path' : error.message
      refused(new Error(`store ${path}: ${reason}`, { cause: error }))
    })
    server.listen(socketOf(path), taken)
  })
  return { release: () => new Promise((released) => server.close(() => released())) }
}

/** Whether a process of this machine has the claim. */
export const isClaimed = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(socketOf(path), () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

const socketOf = (path: string) => `\0facelatch-${storeIdentity(path)}`

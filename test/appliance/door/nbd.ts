/** Serves a disk to QEMU over a Unix socket: the Network Block Device protocol, fixed newstyle, as far as QEMU's client asks. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { VolatileDisk } from './volatile-disk.js'

/** nbd/doc/proto.md */
const magic = {
  server: 'NBDMAGIC',
  option: 'IHAVEOPT',
  reply: 0x3e889045565a9n,
  request: 0x25609513,
  answer: 0x67446698,
}
const options = { go: 7, abort: 2 }
const replies = { ack: 1, info: 3, unsupported: 0x80000001 }
const commands = { read: 0, write: 1, disconnect: 2, flush: 3 }
const flagFua = 1
/** HAS_FLAGS, SEND_FLUSH, SEND_FUA */
const transmissionFlags = 0b1101
const invalid = 22

export interface DiskServer {
  /** Before each write and each flush, with how many came before; `false`, and nothing is done or answered any more. */
  beforeChange: (changes: number) => boolean
  /** No request is carried out any more. */
  stop(): void
  close(): Promise<void>
}

export async function serveDisk(disk: VolatileDisk, path: string): Promise<DiskServer> {
  let stopped = false
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    serve(socket).catch(() => socket.destroy())
  })
  server.listen(path)
  await once(server, 'listening')
  const control: DiskServer = {
    beforeChange: () => true,
    stop() {
      stopped = true
    },
    async close() {
      stopped = true
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }

  async function serve(socket: Socket): Promise<void> {
    const take = reader(socket)
    if (!(await negotiate(socket, take, disk.size))) return
    for (;;) {
      const head = await take(28)
      if (head.readUInt32BE(0) !== magic.request) throw new Error('no request')
      const [flags, type] = [head.readUInt16BE(4), head.readUInt16BE(6)]
      const [offset, length] = [Number(head.readBigUInt64BE(16)), head.readUInt32BE(24)]
      const data = type === commands.write ? await take(length) : undefined
      if (type === commands.disconnect) return void socket.end()
      if (type !== commands.read && !stopped) stopped = !control.beforeChange(disk.changes)
      if (stopped) return
      let error = 0
      let found: Buffer = Buffer.alloc(0)
      if (type === commands.read) found = disk.read(offset, length)
      else if (data !== undefined) disk.write(offset, data)
      else if (type !== commands.flush) error = invalid
      if (type === commands.flush || (data !== undefined && flags & flagFua)) disk.flush()
      const answer = Buffer.alloc(16)
      answer.writeUInt32BE(magic.answer, 0)
      answer.writeUInt32BE(error, 4)
      head.copy(answer, 8, 8, 16)
      socket.write(Buffer.concat([answer, found]))
    }
  }
  return control
}

/** @returns whether the client wants to go on. */
async function negotiate(socket: Socket, take: Take, size: number): Promise<boolean> {
  socket.write(`${magic.server}${magic.option}\0\x03`, 'latin1')
  await take(4)
  for (;;) {
    const head = await take(16)
    const option = head.readUInt32BE(8)
    await take(head.readUInt32BE(12))
    const reply = (type: number, data = Buffer.alloc(0)) => {
      const start = Buffer.alloc(20)
      start.writeBigUInt64BE(magic.reply, 0)
      start.writeUInt32BE(option, 8)
      start.writeUInt32BE(type, 12)
      start.writeUInt32BE(data.length, 16)
      socket.write(Buffer.concat([start, data]))
    }
    if (option === options.go) {
      const info = Buffer.alloc(12)
      info.writeBigUInt64BE(BigInt(size), 2)
      info.writeUInt16BE(transmissionFlags, 10)
      reply(replies.info, info)
      reply(replies.ack)
      return true
    }
    reply(option === options.abort ? replies.ack : replies.unsupported)
    if (option === options.abort) return false
  }
}

type Take = (length: number) => Promise<Buffer>

function reader(socket: Socket): Take {
  let held = Buffer.alloc(0)
  const chunks = socket[Symbol.asyncIterator]()
  return async (length) => {
    const parts = [held]
    let have = held.length
    while (have < length) {
      const { value, done } = await chunks.next()
      if (done) throw new Error('the client has gone')
      parts.push(value)
      have += value.length
    }
    const all = parts.length === 1 ? held : Buffer.concat(parts)
    held = all.subarray(length)
    return all.subarray(0, length)
  }
}

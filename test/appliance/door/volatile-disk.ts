/**
 * A disk with a cache that a power cut empties: what was written is durable only once it was flushed. Of the rest a cut
 * keeps nothing, or some blocks, as disks do that write back in an order of their own.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import type { Random } from '../../../firmware/evaluation/sequences/random.js'

/** Flash and disks since 2010 write no less at once; SQLite and ext4 are laid out for it. */
const blockSize = 4096

export interface Loss {
  /** Blocks that were written and not flushed when the power went. */
  readonly unflushed: number
  /** How many of these the disk has kept all the same. */
  readonly kept: number
}

export class VolatileDisk {
  readonly size: number
  readonly #path: string
  readonly #file: number
  readonly #cache = new Map<number, Buffer>()
  #changes = 0

  /** `size`: of the image, bytes. */
  constructor(image: string, size: number) {
    this.#path = image
    this.#file = openSync(image, constants.O_RDWR)
    this.size = size
  }

  /** Writes and flushes since it was opened. */
  get changes(): number {
    return this.#changes
  }

  read(offset: number, length: number): Buffer {
    const data = this.#fromFile(offset, length)
    if (this.#cache.size === 0) return data
    for (let at = offset - (offset % blockSize); at < offset + length; at += blockSize) {
      const block = this.#cache.get(at)
      if (block === undefined) continue
      const [from, to] = [Math.max(at, offset), Math.min(at + blockSize, offset + length)]
      block.copy(data, from - offset, from - at, to - at)
    }
    return data
  }

  write(offset: number, data: Buffer): void {
    this.#changes++
    for (let at = offset - (offset % blockSize); at < offset + data.length; at += blockSize) {
      const block = this.#cache.get(at) ?? this.#fromFile(at, Math.min(blockSize, this.size - at))
      const [from, to] = [Math.max(at, offset), Math.min(at + block.length, offset + data.length)]
      data.copy(block, from - at, from - offset, to - offset)
      this.#cache.set(at, block)
    }
  }

  flush(): void {
    this.#changes++
    for (const [at, block] of this.#cache) writeSync(this.#file, block, 0, block.length, at)
    this.#cache.clear()
  }

  /** What would be on the disk if the power went now: an image of its own. The disk goes on. */
  imagine(image: string, share: number, random: Random): Loss {
    const { status } = spawnSync('cp', ['--sparse=always', this.#path, image])
    if (status !== 0) throw new Error(`${image} could not be written; is there room?`)
    const file = openSync(image, constants.O_RDWR)
    const loss = this.#keep(file, share, random)
    closeSync(file)
    return loss
  }

  /** The power goes. `share`: chance of each unflushed block to be on the disk nevertheless. The disk is closed. */
  cut(share: number, random: Random): Loss {
    const loss = this.#keep(this.#file, share, random)
    this.#cache.clear()
    closeSync(this.#file)
    return loss
  }

  #keep(file: number, share: number, random: Random): Loss {
    let kept = 0
    for (const [at, block] of this.#cache) {
      if (random() >= share) continue
      writeSync(file, block, 0, block.length, at)
      kept++
    }
    return { unflushed: this.#cache.size, kept }
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }

  #fromFile(offset: number, length: number): Buffer {
    const data = Buffer.alloc(length)
    readSync(this.#file, data, 0, length, offset)
    return data
  }
}

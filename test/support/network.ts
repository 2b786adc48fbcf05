/** A network of its own for the door, joined to the machine's by one cable that can be pulled. */
import { execFileSync } from 'node:child_process'
import type { Owner } from './temp.js'

export interface Network {
  /** The machine's address, as seen from inside. */
  readonly address: string
  /** Runs a command inside. */
  readonly within: readonly string[]
  pull(): void
  plug(): void
}

const ip = (...args: readonly string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })

/** Undefined where namespaces may not be made: it takes root, iproute2 and a kernel that lets us. */
export function createNetwork(t: Owner): Network | undefined {
  const name = `fl${process.pid}`
  const [outer, inner] = [`${name}a`, `${name}b`]
  const third = process.pid % 250
  const [address, own] = [`10.213.${third}.1`, `10.213.${third}.2`]
  try {
    ip('netns', 'add', name)
  } catch {
    return undefined
  }
  t.teardown(() => ip('netns', 'del', name))
  try {
    ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', name)
    ip('addr', 'add', `${address}/30`, 'dev', outer)
    ip('link', 'set', outer, 'up')
    ip('-n', name, 'addr', 'add', `${own}/30`, 'dev', inner)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    ip('-n', name, 'link', 'set', inner, 'up')
  } catch {
    return undefined
  }
  return {
    address,
    within: ['ip', 'netns', 'exec', name],
    pull: () => ip('link', 'set', outer, 'down'),
    plug: () => ip('link', 'set', outer, 'up'),
  }
}

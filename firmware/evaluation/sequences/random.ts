/** Chance from a seed: the same numbers on every machine. */

export type Random = () => number

/** Uniform in [0, 1). Source: Chris Doty-Humphrey's sfc32 (PractRand, public domain), warmed up as he advises. */
export function seeded(seed: number): Random {
  let [a, b, c, counter] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88 | 0, 1]
  const next = () => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 15; i++) next()
  return next
}

/** Standard normal, by Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

export const between = (random: Random, low: number, high: number) => low + (high - low) * random()

export const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!

export const chance = (random: Random, share: number) => random() < share

/** Fisher and Yates, on a copy. */
export function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const all = [...list]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

/** A whole number in [0, 2^32) to seed another generator with. */
export const fork = (random: Random) => Math.floor(random() * 2 ** 32)

/**
 * Whatever happens in whatever order, on a hand-cranked timer wheel: no stranger powers the strike, the exit button always
 * does, and no strike outlives its time. A failure prints its seed; FAST_CHECK_SEED repeats it.
 */
import fc from 'fast-check'
import t from 'tap'
import { longestStrikeMs } from '../../firmware/domain/door.js'
import { earliest, settleMs } from '../../firmware/domain/wall-clock.js'
import { DoorWorld, type Face, noon, supervisorOptions } from '../support/door-world.js'

const { FAST_CHECK_SEED } = process.env
const runs = { numRuns: 300, ...(FAST_CHECK_SEED !== undefined && { seed: Number(FAST_CHECK_SEED) }) }

const base = { timeZone: 'UTC', groups: { inner: {}, day: { windows: ['daily 08:00-20:00'] } } }
/** Each with what it takes at least, told independently of the rules' own code. */
const variants = {
  all: { ...base, others: ['inner'], lockdown: ['inner'] },
  hours: { ...base, people: { Ann: { groups: ['day'] }, Ben: { blocked: true } } },
  pairs: { ...base, groups: { inner: { twoPersonSeconds: 10 } }, others: ['inner'] },
  again: { ...base, groups: { inner: { againSeconds: 30 } }, others: ['inner'] },
  unlocked: { ...base, openHouse: { door: 'unlocked', windows: ['daily 12:00-13:00'] } },
  known: { ...base, people: { Ann: { groups: ['inner'] } }, openHouse: { door: 'known' } },
} as const
type Variant = keyof typeof variants

type Move =
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'see'; readonly faces: readonly Face[]; readonly age: number }
  | { readonly do: 'input'; readonly line: 'exit' | 'door' | 'tamper' | 'bolt' | 'enrol'; readonly on: boolean }
  | { readonly do: 'command'; readonly topic: string; readonly payload: string; readonly retained: boolean }
  | { readonly do: 'rules'; readonly variant: Variant | 'broken' }
  | { readonly do: 'clock'; readonly wall: number }
  | { readonly do: 'lost' }
  | { readonly do: 'store'; readonly ok: boolean }

const face: fc.Arbitrary<Face> = fc
  .record({
    track: fc.integer({ min: 1, max: 4 }),
    who: fc.constantFrom('Ann', 'Ben', 'Cy', 'stranger', 'nobody yet'),
    verified: fc.boolean(),
  })
  .map(({ track, who, verified }) => ({
    track,
    verified,
    ...(who === 'nobody yet' ? { undecided: true } : who === 'stranger' ? {} : { person: who }),
  }))

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary })

const move: fc.Arbitrary<Move> = fc.oneof(
  weighted(
    4,
    fc.record({
      do: fc.constant('pass' as const),
      ms: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 70_000 })),
    }),
  ),
  weighted(
    8,
    fc.record({
      do: fc.constant('see' as const),
      faces: fc.uniqueArray(face, { minLength: 1, maxLength: 3, selector: ({ track }) => track }),
      age: fc.constantFrom(20, 50, 100, 500, 900, 1001, 5000, -10),
    }),
  ),
  weighted(
    4,
    fc.record({
      do: fc.constant('input' as const),
      line: fc.constantFrom('exit', 'door', 'door', 'tamper', 'bolt', 'enrol'),
      on: fc.boolean(),
    }),
  ),
  weighted(
    3,
    fc.record({
      do: fc.constant('command' as const),
      topic: fc.constantFrom('lock/set', 'mode/set', 'alarm/set', 'door/set'),
      payload: fc.constantFrom('UNLOCK', 'LOCK', 'normal', 'normal', 'lockdown', 'open', 'ACKNOWLEDGE', 'x'),
      retained: fc.boolean(),
    }),
  ),
  weighted(
    1,
    fc.record({
      do: fc.constant('rules' as const),
      variant: fc.constantFrom(...(Object.keys(variants) as Variant[]), 'broken' as const),
    }),
  ),
  weighted(
    1,
    fc.record({
      do: fc.constant('clock' as const),
      wall: fc.constantFrom(0, noon, noon + 10 * 3_600_000, noon + 30 * 60_000),
    }),
  ),
  weighted(1, fc.record({ do: fc.constant('lost' as const) })),
  weighted(1, fc.record({ do: fc.constant('store' as const), ok: fc.boolean() })),
)

/** Begins with rules, since without them nobody is let in. */
const sequence = (maxLength: number) =>
  fc
    .tuple(fc.constantFrom(...(Object.keys(variants) as Variant[])), fc.array(move, { maxLength, size: 'max' }))
    .map(([variant, moves]): Move[] => [{ do: 'rules', variant }, ...moves])

/** Plays moves, and knows of each moment by itself what may power the strike. */
class Watched {
  readonly world: DoorWorld
  variant: Variant | undefined
  asked: 'normal' | 'lockdown' | 'open' = 'normal'
  jumpedAt = Number.NEGATIVE_INFINITY
  readonly noted: { person: string; at: number }[] = []
  /** The last face grant of each person, and whether the door was opened after it. */
  readonly entered = new Map<string, { at: number; used: boolean }>()
  before = { covered: false, leaf: 'closed' }
  faceGrants = 0
  moving: Move | undefined

  constructor(changes: object) {
    this.world = new DoorWorld(changes)
    this.world.onStep = (event, effects) => {
      const on = effects.some((effect) => effect.do === 'strike' && effect.on)
      const renewed =
        event.type === 'timeout' || event.type === 'tick' || event.type === 'rules' || event.type === 'command'
      if (on && !this.justified(event.type)) throw new Error(`the strike was powered by ${JSON.stringify(event)}`)
      if (on && !renewed && event.type !== 'input' && event.type !== 'recognizer') throw new Error(event.type)
      this.check()
      this.#followDoor()
    }
  }

  /** One opening is everybody's who was let in since the door was last locked. */
  #followDoor(): void {
    const { covered, leaf } = this.world.supervisor.door
    if (leaf === 'open' && this.before.leaf === 'closed' && this.before.covered)
      for (const entry of this.entered.values()) entry.used = true
    if (!covered) for (const [name, { used }] of this.entered) if (!used) this.entered.delete(name)
    this.before = { covered, leaf }
  }

  get #time(): number | undefined {
    const { now, wall } = this.world
    return wall >= earliest && now - this.jumpedAt >= settleMs ? wall : undefined
  }

  /** Only the windows of `unlocked` open by themselves, and only a command opens otherwise. */
  get openHouse(): boolean {
    if (this.asked === 'lockdown') return false
    const hour = this.#time === undefined ? -1 : new Date(this.#time).getUTCHours()
    if (this.variant === 'unlocked') return this.asked === 'open' || hour === 12
    return this.variant === 'known' && this.asked === 'open'
  }

  justified(type: string): boolean {
    const { moving } = this
    // A tick, a timer, new rules and a command may only begin or renew an open house.
    if (this.variant === 'unlocked' && this.openHouse) return true
    if (moving?.do === 'command')
      return moving.payload === 'UNLOCK' && moving.topic === 'lock/set' && !moving.retained && this.asked !== 'lockdown'
    if (moving?.do === 'input') return moving.line === 'exit' && moving.on
    if (moving?.do !== 'see' || type !== 'recognizer') return false
    return moving.faces.some(
      ({ person, verified }) => person !== undefined && verified && this.entitled(person, moving.age),
    )
  }

  entitled(person: string, age: number): boolean {
    const { now } = this.world
    if (age < 0 || age > supervisorOptions.maxSightingAgeMs || this.variant === undefined) return false
    if (this.asked === 'lockdown' && this.variant !== 'all') return false
    const hour = this.#time === undefined ? -1 : new Date(this.#time).getUTCHours()
    switch (this.variant) {
      case 'all':
        return true
      case 'hours':
        return person === 'Ann' && hour >= 8 && hour < 20
      case 'pairs':
        return this.noted.some((other) => other.person !== person && now - other.at <= 10_000)
      case 'again': {
        const last = this.entered.get(person)
        return last === undefined || !last.used || now - last.at >= 30_000
      }
      case 'unlocked':
        return this.openHouse
      case 'known':
        return person === 'Ann' || this.openHouse
    }
  }

  check(): void {
    const { world } = this
    if (world.strike !== world.supervisor.door.strike) throw new Error('the line and the state differ')
    const bound = longestStrikeMs(world.supervisor.door.held ? supervisorOptions.door : this.door)
    if (world.strike && world.now - world.poweredAt > bound) throw new Error('on for longer than configured')
  }

  get door() {
    return { ...supervisorOptions.door, ...this.changes }
  }

  changes: object = {}

  play(move: Move): void {
    this.moving = move
    const { world } = this
    const before = world.events.length
    switch (move.do) {
      case 'pass':
        world.pass(move.ms)
        break
      case 'see': {
        const fresh = move.age >= 0 && move.age <= supervisorOptions.maxSightingAgeMs
        for (const { person, verified } of move.faces)
          if (person !== undefined && verified && fresh) this.noted.push({ person, at: world.now })
        world.see(move.faces, move.age)
        break
      }
      case 'input': {
        const effects = world.input(move.line, move.on)
        if (move.line === 'exit' && move.on) {
          if (effects[0]?.do !== 'strike' || !effects[0].on || !world.strike)
            throw new Error('the exit button did nothing')
        }
        break
      }
      case 'command':
        if (move.topic === 'mode/set' && !move.retained && ['normal', 'lockdown', 'open'].includes(move.payload)) {
          const knows = this.variant === 'unlocked' || this.variant === 'known'
          if (move.payload !== 'open' || knows) this.asked = move.payload as 'normal'
        }
        world.command(move.topic, move.payload, move.retained)
        break
      case 'rules':
        if (move.variant !== 'broken') {
          this.variant = move.variant
          if (this.asked === 'open' && !['unlocked', 'known'].includes(move.variant)) this.asked = 'normal'
        }
        world.rules(move.variant === 'broken' ? '{"timeZone":' : variants[move.variant])
        break
      case 'clock':
        if (Math.abs(move.wall - world.wall) > 120_000 && !(world.wall < earliest && move.wall >= earliest))
          this.jumpedAt = world.now
        world.wall = move.wall
        world.tick()
        break
      case 'lost':
        world.step({ type: 'recognizer-lost', reason: 'x', restartMs: 1 })
        break
      case 'store':
        world.step({ type: 'store', ok: move.ok, reason: 'x' })
    }
    for (const event of world.events.slice(before)) {
      if (event.type !== 'granted' || event.detail?.by !== 'face') continue
      this.faceGrants++
      for (const name of [event.person!, event.detail.with].filter((name) => typeof name === 'string'))
        this.entered.set(name, { at: world.now, used: world.supervisor.door.leaf === 'open' })
    }
    this.moving = undefined
  }

  /** Left alone, and no open house: the strike comes to rest. */
  settle(): void {
    this.play({ do: 'command', topic: 'mode/set', payload: 'lockdown', retained: false })
    this.world.pass(longestStrikeMs(this.door) + 1)
    if (this.world.strike) throw new Error('the strike stays powered')
  }
}

const doors = {
  pulse: {},
  hold: { holdMs: 8000 },
  'bolt monitor': { jamMs: 500 },
  'no contact': { sensor: false },
}

for (const [name, changes] of Object.entries(doors))
  t.test(`${name}: only a grant powers the strike, the exit button always, never for too long`, async (t) => {
    let faceGrants = 0
    let longest = 0
    fc.assert(
      fc.property(sequence(60), (moves) => {
        const watched = new Watched({ door: { ...supervisorOptions.door, ...changes } })
        watched.changes = changes
        for (const each of moves) watched.play(each)
        watched.settle()
        faceGrants += watched.faceGrants
        longest = Math.max(longest, moves.length)
      }),
      runs,
    )
    t.comment(`${runs.numRuns} sequences of up to ${longest} moves, ${faceGrants} grants to faces`)
    t.ok(faceGrants > 100, `${faceGrants} grants: the sequences reach what they are about`)
  })

t.test('a stranger alone changes no line, in any state', async (t) => {
  fc.assert(
    fc.property(sequence(40), fc.integer({ min: 1, max: 4 }), (moves, track) => {
      const watched = new Watched({})
      for (const each of moves) watched.play(each)
      if (watched.openHouse) return
      const effects = watched.world.see([{ track: track + 10 }])
      if (effects.some((effect) => effect.do === 'strike')) throw new Error('a stranger moved the strike')
    }),
    runs,
  )
  t.pass()
})

t.test('after the stop nothing but the fail mode drives the strike', async (t) => {
  for (const restingStrike of [false, true])
    fc.assert(
      fc.property(sequence(30), (moves) => {
        const watched = new Watched({ restingStrike })
        for (const each of moves) watched.play(each)
        watched.world.onStep = () => {}
        watched.world.step({ type: 'stop' })
        if (watched.world.strike !== restingStrike) throw new Error('not at rest')
        watched.world.tick()
        if (watched.world.strike !== restingStrike) throw new Error('not at rest after a tick')
      }),
      { ...runs, numRuns: 200 },
    )
  t.pass()
})

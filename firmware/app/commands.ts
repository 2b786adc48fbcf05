/**
 * The desk where commands arrive: the domain judges them, `orders.ts` says which may be done, and what became of each is
 * told. An obeyed command is an audit row of its own, a refused one too, up to a rate: who may publish must not be able to
 * flood the audit log.
 */
import { type Asked, type CommandOptions, Commands, type CommandTimes } from '../domain/commands.js'
import type { NewEvent } from '../domain/events.js'
import type { BrokerCommand } from '../ports.js'

/** At most so many refusals are told in so many ms; the rest is counted and told with the next one. */
const mostRefusals = 10
const refusalsPerMs = 60_000

export interface CommandCounts {
  readonly obeyed: number
  readonly refused: number
}

export interface Handled {
  /** To be carried out, and then told by `obeyed`; or refused by whoever knows more. */
  readonly asked?: Asked
  readonly refused: readonly NewEvent[]
}

export class CommandDesk {
  readonly #commands: Commands
  #counts = { obeyed: 0, refused: 0 }
  #refusals = { since: Number.NEGATIVE_INFINITY, told: 0, silent: 0 }

  /** `startedAt`: monotonic, ms. */
  constructor(options: CommandOptions, startedAt: number) {
    this.#commands = new Commands(options, startedAt)
  }

  /** Since the start. */
  get counts(): CommandCounts {
    return { ...this.#counts }
  }

  handle(command: BrokerCommand, times: CommandTimes): Handled {
    const judgement = this.#commands.judge(command, times)
    if (judgement.kind === 'obey') return { asked: judgement, refused: [] }
    return { refused: judgement.kind === 'refuse' ? this.refuse(command.topic, judgement.reason, times.now) : [] }
  }

  obeyed({ topic, word }: Asked): NewEvent[] {
    this.#counts.obeyed++
    return [{ type: 'command', detail: { topic, command: word } }]
  }

  /** `topic`: undefined where it was no command. */
  refuse(topic: string | undefined, reason: string, now: number, by?: string): NewEvent[] {
    this.#counts.refused++
    if (now - this.#refusals.since >= refusalsPerMs) this.#refusals = { ...this.#refusals, since: now, told: 0 }
    if (this.#refusals.told >= mostRefusals) {
      this.#refusals.silent++
      return []
    }
    const { silent } = this.#refusals
    this.#refusals = { ...this.#refusals, told: this.#refusals.told + 1, silent: 0 }
    const suppressed = silent > 0 && { suppressed: silent }
    return [{ type: 'refused', detail: { ...(topic && { topic }), reason, ...(by && { by }), ...suppressed } }]
  }

  /** What was counted in silence, once the rate allows it or `always`. */
  overdue(now: number, always = false): NewEvent[] {
    const { since, silent } = this.#refusals
    if (silent === 0 || (!always && now - since < refusalsPerMs)) return []
    this.#refusals = { since: now, told: 1, silent: 0 }
    return [{ type: 'refused', detail: { reason: 'too many commands', suppressed: silent } }]
  }
}

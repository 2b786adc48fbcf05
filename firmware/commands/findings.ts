/** What doctor finds, one line each. */
export interface Finding {
  readonly check: string
  readonly level: 'ok' | 'note' | 'fault'
  readonly what: string
  readonly remedy?: string
}

export const ok = (check: string, what: string): Finding => ({ check, level: 'ok', what })
export const note = (check: string, what: string, remedy: string): Finding => ({ check, level: 'note', what, remedy })
export const fault = (check: string, what: string, remedy: string): Finding => ({ check, level: 'fault', what, remedy })

/** An error's own line already ends in its remedy, after the last semicolon. */
export function faultOf(check: string, error: unknown, remedy: string): Finding {
  const [what, ...rest] = String((error as Error).message)
    .split('\n')[0]!
    .split('; ')
  return fault(check, what!, rest.join('; ') || remedy)
}

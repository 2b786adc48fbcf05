/** Errors for people: what, where, remedy, in one line; and the exit code the command ends with. */
export class UserError extends Error {
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
  }
}

export const wrongUsage = (message: string) => new UserError(message, 2)
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

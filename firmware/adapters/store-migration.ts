import type { Statements } from './store-connection.js'

/** Runs inside the transaction that raises the version. */
export type Migration = (sql: Statements) => Promise<void>

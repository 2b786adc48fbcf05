/**
 * The whole contract of the third addon, build/native/facelatch-notify.node: one datagram to a Unix socket, which Node
 * itself cannot send.
 */

/**
 * `socket`: an absolute path, or a name of the abstract name space after `@`. Never waits. Throws an `Error` with the
 * kernel's number in `errno`, positive: ENOENT, ECONNREFUSED or EAGAIN when nobody takes it.
 */
export function send(socket: string, text: string): void

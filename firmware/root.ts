/** Where the installed program lies: this file is compiled to dist/firmware/root.js. */
import { fileURLToPath } from 'node:url'

/** Absolute path of something in the program's own folder. */
export const inRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

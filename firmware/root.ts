/** Where the installed program lies: this file is compiled to dist/firmware/root.js. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Absolute path of something in the program's own folder. */
export const inRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** How native parts that are missing or do not load are made: a package has no set-up, and is no checkout. */
export const nativeRemedy = (): string =>
  existsSync(inRoot('tools/setup'))
    ? 'run "npm run setup"'
    : 'install the package again, or run "facelatch rebuild" as root'

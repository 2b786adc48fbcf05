/** Figures as people read them. */

export const mebibytes = (bytes: number, digits = 0) => `${(bytes / 2 ** 20).toFixed(digits)} MiB`

/** When two spellings are one name: store, rules, enrolment and archives must all see it alike. */

/** The name in one spelling: composed (NFC), without blanks at its ends, single ones inside. */
export const oneSpelling = (name: string): string => name.normalize('NFC').trim().replace(/\s+/gu, ' ')

/**
 * Names with the same key are the same name: they differ in case, blanks or Unicode composition only. Lower case by
 * Unicode, which SQLite's NOCASE does not know, and which may take a letter apart again.
 */
export const nameKey = (name: string): string => oneSpelling(name).toLowerCase().normalize('NFC')

export const sameName = (a: string, b: string): boolean => nameKey(a) === nameKey(b)

/** When two spellings are one name: store, rules, enrolment and archives must all see it alike. */

/** The name in one spelling: composed (NFC), without blanks at its ends, single ones inside. */
export const oneSpelling = (name: string): string => name.normalize('NFC').trim().replace(/\s+/gu, ' ')

/**
 * Names with the same key are the same name: they differ in case, blanks or Unicode composition only. Lower case by
 * Unicode, which SQLite's NOCASE does not know, and which may take a letter apart again.
 */
export const nameKey = (name: string): string => oneSpelling(name).toLowerCase().normalize('NFC')

/** N of `visitor-N`; 0 for any other name. */
export const visitorNumber = (name: string): number => Number(/^visitor-(\d{1,9})$/i.exec(name)?.[1] ?? 0)

/** Letters of other alphabets that look like a Latin one, in lower case; https://www.unicode.org/reports/tr39/ has them all. */
const lookAlikes: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ['асԁеһіјӏорԛѕԝхуѵмкнтв', 'acdehijlopqswxyvmkhtb'],
    ['αβεικνορτυχηγω', 'abeiknoptuxnyw'],
    ['ıɡℓ', 'igl'],
  ].flatMap(([theirs, ours]) => [...theirs!].map((letter, i) => [letter, ours![i]!])),
)

/**
 * Names with the same look cannot be told apart on a screen, though they are different names: compatibility forms
 * (ＡＮＮ), characters that show nothing, and letters of other alphabets. Accents stay: Zoë is not Zoe.
 */
export const nameLook = (name: string): string =>
  [...nameKey(name.normalize('NFKC').replace(/\p{Default_Ignorable_Code_Point}/gu, ''))]
    .map((letter) => lookAlikes[letter] ?? letter)
    .join('')

export const sameName = (a: string, b: string): boolean => nameKey(a) === nameKey(b)

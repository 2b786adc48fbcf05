/** What runs in the machine of test/appliance before its reset, in this order, in one process; or only what is named. */
const all = {
  lines: './lines.js',
  board: './board.js',
  'gpio-real': '../../contract/gpio-real.test.js',
  'strike-guard': '../../integration/strike-guard.test.js',
  'door-lines': '../../integration/door-lines.test.js',
}

const wanted = process.argv.slice(2)
for (const [name, file] of Object.entries(all)) if (wanted.length === 0 || wanted.includes(name)) await import(file)

export {}

/** Prints systemd/facelatch.catalog, which `journalctl -x` explains events with: https://systemd.io/CATALOG/ */
import { fileURLToPath } from 'node:url'
import { eventWords } from '../firmware/domain/event-words.js'

export const catalog = (): string =>
  Object.values(eventWords)
    .map(
      ({ messageId, subject, meaning }) =>
        `-- ${messageId}\nSubject: ${subject}\nDefined-By: facelatch\n\n${meaning.replaceAll(
          /\b(BY|REASON|TOPIC|ALARM|AFTER)\b/g,
          '@FACELATCH_$1@',
        )}\n`,
    )
    .join('\n')

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(catalog())

/** How the tables came to be, version by version. */
import { migrateNames } from './store-migrate-names.js'
import type { Migration } from './store-migration.js'
import { noteName } from './store-names.js'

/** `FLTC` in the header of the file: says whose database it is. https://www.sqlite.org/pragma.html#pragma_application_id */
export const applicationId = 0x464c5443

/** The revision is counted by triggers, so that no writer, not even a person with the sqlite3 shell, can forget it. */
const counted = (table: string) =>
  ['INSERT', 'UPDATE', 'DELETE']
    .map(
      (change) => `CREATE TRIGGER ${table}_${change.toLowerCase()} AFTER ${change} ON ${table}
    BEGIN UPDATE gallery SET revision = revision + 1; END;`,
    )
    .join('\n  ')

/** The main job: people, templates in the clear, names in the chained rows. */
const first = `
  CREATE TABLE person (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
  ) STRICT;

  CREATE TABLE template (
    id TEXT PRIMARY KEY NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    embedder TEXT NOT NULL,
    dimensions INTEGER NOT NULL CHECK (length(embedding) = 4 * dimensions),
    embedding BLOB NOT NULL,
    quality REAL NOT NULL,
    source TEXT NOT NULL,
    created_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX template_person ON template (person_id, embedder);
  CREATE INDEX template_embedder ON template (embedder);

  CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    type TEXT NOT NULL,
    person TEXT,
    similarity REAL,
    track INTEGER,
    detail TEXT,
    hash BLOB NOT NULL
  ) STRICT;
  CREATE INDEX event_at ON event (at);

  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY REFERENCES event (seq) ON DELETE CASCADE,
    session TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE gallery (revision INTEGER NOT NULL) STRICT;
  INSERT INTO gallery VALUES (1);
  ${counted('person')}
  ${counted('template')}
`

/**
 * Forgetting and encryption: rows of the audit log name people by a `ref` of `moniker`; a template is `sealed` under the
 * key `key_id`, or still in the clear where that is NULL; `forgotten` are people whom backups may still hold.
 */
const second = `
  CREATE TABLE moniker (
    ref TEXT PRIMARY KEY NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    UNIQUE (person_id, name)
  ) STRICT;
  CREATE INDEX moniker_name ON moniker (name_key);

  CREATE TABLE forgotten (person_id TEXT PRIMARY KEY NOT NULL, at TEXT NOT NULL) STRICT;
  CREATE TABLE fact (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
  CREATE TABLE job (
    name TEXT PRIMARY KEY NOT NULL,
    ran_at TEXT NOT NULL,
    next_at TEXT NOT NULL,
    ok INTEGER NOT NULL,
    said TEXT NOT NULL
  ) STRICT;

  CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at TEXT NOT NULL,
    note TEXT NOT NULL,
    key_id TEXT,
    mac BLOB
  ) STRICT;

  CREATE TABLE sealed_template (
    id TEXT PRIMARY KEY NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    embedder TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    quality REAL NOT NULL,
    created_at TEXT NOT NULL,
    key_id TEXT,
    sealed BLOB NOT NULL
  ) STRICT;
`

const secondEnd = `
  DROP TABLE template;
  ALTER TABLE sealed_template RENAME TO template;
  CREATE INDEX template_person ON template (person_id, embedder);
  CREATE INDEX template_embedder ON template (embedder);
  ${counted('template')}
  INSERT INTO fact VALUES ('scrub', 'migrated');
`

/**
 * Names that the chain vouches for: a `ref` is a commitment to person and name, made with `salt`. Refs of before stay,
 * since chained rows have them, with no salt; rows from now on get commitments to the same spellings.
 */
const third = `
  CREATE TABLE salted_moniker (
    ref TEXT PRIMARY KEY NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    salt BLOB
  ) STRICT;
  INSERT INTO salted_moniker SELECT ref, person_id, name, name_key, NULL FROM moniker;
  DROP TABLE moniker;
  ALTER TABLE salted_moniker RENAME TO moniker;
  CREATE INDEX moniker_name ON moniker (name_key);
  CREATE UNIQUE INDEX moniker_spelling ON moniker (person_id, name) WHERE salt IS NOT NULL;
`

/** The revision is counted as before, and who has changed is noted with it. */
const noted = (table: string, person: string) =>
  (
    [
      ['insert', `NEW.${person}`],
      ['update', `NEW.${person}`],
      ['delete', `OLD.${person}`],
    ] as const
  )
    .map(
      ([change, id]) => `DROP TRIGGER ${table}_${change};
  CREATE TRIGGER ${table}_${change} AFTER ${change.toUpperCase()} ON ${table}
    BEGIN
      UPDATE gallery SET revision = revision + 1;
      INSERT INTO gallery_change VALUES (${id}, (SELECT revision FROM gallery))
        ON CONFLICT (person_id) DO UPDATE SET revision = excluded.revision;
    END;`,
    )
    .join('\n  ')

/**
 * Whoever keeps a gallery in memory is told of the people who have changed, and not of all. The random ids of people who
 * are gone stay, as they do in `PATH.forgotten`: whoever looks late must hear of it.
 */
const fourth = `
  CREATE TABLE gallery_change (person_id TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX gallery_change_revision ON gallery_change (revision);
  ${noted('person', 'id')}
  ${noted('template', 'person_id')}
`

/** Forward only: entry n brings `PRAGMA user_version` from n to n + 1. Once released, an entry never changes. */
export const migrations: readonly Migration[] = [
  (sql) => sql.exec(first),
  async (sql) => {
    await sql.exec(second)
    await migrateNames(sql)
    await sql.exec(secondEnd)
  },
  async (sql) => {
    await sql.exec(third)
    for (const { person_id, name } of await sql.all<{ person_id: string; name: string }>('SELECT * FROM moniker'))
      await noteName(sql, person_id, name)
  },
  (sql) => sql.exec(fourth),
]

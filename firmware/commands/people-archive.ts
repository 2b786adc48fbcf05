/** Everybody's names and templates in one file, encrypted: biometrics never lie about in the clear. */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { UserError, wrongUsage } from '../app/errors.js'
import { nameKey } from '../domain/names.js'
import { type NewTemplate, type Store, StoreError } from '../ports.js'
import { sharedFile } from '../secrets.js'

/** File: magic, 16 bytes of salt, 12 of nonce, 16 of tag, then gzipped JSON under AES-256-GCM with a scrypt key. */
const magic = Buffer.from('FLPEOPLE1\n')
const headerLength = magic.length + 16 + 12 + 16

interface Archive {
  readonly people: readonly {
    readonly name: string
    readonly templates: readonly (Omit<NewTemplate, 'embedding'> & { readonly embedding: readonly number[] })[]
  }[]
}

/** Answers how many people were written. Replaces a file only with `force`. */
export async function exportPeople(
  store: Store,
  file: string,
  { key, force = false }: { readonly key?: string | undefined; readonly force?: boolean | undefined },
): Promise<number> {
  const secret = readKey(key)
  if (!force && existsSync(file))
    throw new UserError(`${file} is there already; give another name, or --force to replace it`)
  const people = await store.people()
  const archive: Archive = {
    people: await Promise.all(
      people.map(async ({ name }) => ({
        name,
        templates: (await store.templates(name)).map((template) => ({
          ...template,
          embedding: Array.from(template.embedding),
        })),
      })),
    ),
  }
  const salt = randomBytes(16)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', scryptSync(secret, salt, 32), nonce).setAAD(magic)
  const body = Buffer.concat([cipher.update(gzipSync(JSON.stringify(archive))), cipher.final()])
  try {
    writeFileSync(`${file}.tmp`, Buffer.concat([magic, salt, nonce, cipher.getAuthTag(), body]), {
      ...{ mode: 0o600, flush: true },
    })
    renameSync(`${file}.tmp`, file)
  } catch (error) {
    throw new UserError(
      `cannot write ${file}: ${(error as NodeJS.ErrnoException).code}; check the folder and its permissions`,
    )
  }
  return people.length
}

/** People who are enrolled already, or whose names look like those of others, are left alone. */
export async function importPeople(
  store: Store,
  file: string,
  keyFile: string | undefined,
): Promise<{ imported: number; kept: string[] }> {
  const archive = decrypt(file, readKey(keyFile))
  const known = new Set((await store.people()).map(({ name }) => nameKey(name)))
  const kept: string[] = []
  let imported = 0
  for (const { name, templates } of archive.people) {
    if (known.has(nameKey(name))) {
      kept.push(name)
      continue
    }
    const restored = templates.map((template) => ({ ...template, embedding: Float32Array.from(template.embedding) }))
    const event = { type: 'enrolled', person: name, detail: { templates: restored.length, from: 'import' } } as const
    try {
      await store.enrol(name, restored, [event])
      imported++
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'taken')) throw error
      kept.push(name)
    }
  }
  return { imported, kept }
}

function decrypt(file: string, secret: Buffer): Archive {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new UserError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}; check the path`)
  }
  if (bytes.length < headerLength || !bytes.subarray(0, magic.length).equals(magic))
    throw new UserError(`${file} is not an archive of people`)
  const at = magic.length
  const [salt, nonce, tag] = [
    bytes.subarray(at, at + 16),
    bytes.subarray(at + 16, at + 28),
    bytes.subarray(at + 28, headerLength),
  ]
  try {
    const decipher = createDecipheriv('aes-256-gcm', scryptSync(secret, salt, 32), nonce)
      .setAAD(magic)
      .setAuthTag(tag)
    return JSON.parse(
      gunzipSync(Buffer.concat([decipher.update(bytes.subarray(headerLength)), decipher.final()])).toString('utf8'),
    ) as Archive
  } catch {
    throw new UserError(`${file} cannot be opened: the key is another one, or the file is damaged; check --key`)
  }
}

function readKey(keyFile: string | undefined): Buffer {
  if (keyFile === undefined)
    throw wrongUsage('people export and import need --key KEYFILE: a file whose content is the secret')
  try {
    const shared = sharedFile(keyFile)
    if (shared !== undefined) throw new UserError(`the key ${keyFile}: ${shared}`)
    const key = readFileSync(keyFile)
    if (key.length < 16)
      throw new UserError(`the key in ${keyFile} is too short: 16 bytes at least, e.g. from "openssl rand -base64 32"`)
    return key
  } catch (error) {
    if (error instanceof UserError) throw error
    throw new UserError(`cannot read the key ${keyFile}: ${(error as NodeJS.ErrnoException).code}; check --key`)
  }
}

/**
 * Where the store's key lies: a systemd credential, or a file of one's own.
 *
 * The file holds one key a line, 32 bytes in base64 (`openssl rand -base64 32`). The first one is the key; others are
 * there during a change of keys only, so that whatever was sealed before can still be opened.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { findCredential } from '../credentials.js'
import { syncFolder } from '../durable-file.js'
import { StoreError } from '../ports.js'
import { deriveKey, secretLength, type VaultKey } from './store-vault.js'

export interface KeySource {
  readonly path: string
  /** systemd made it, and keeps it from everybody else: systemd.exec(5), LoadCredential. */
  readonly credential: boolean
}

/** `keyFile`: `store.keyFile`; "" takes the credential where there is one, else a file beside the store. */
export function findKey(storePath: string, keyFile = '', folder = process.env.CREDENTIALS_DIRECTORY): KeySource {
  if (keyFile !== '') return { path: keyFile, credential: false }
  const credential = findCredential('store.keyFile', folder)
  if (credential !== undefined) return { path: credential, credential: true }
  return { path: `${storePath}.key`, credential: false }
}

const unusable = (path: string, what: string, cause?: unknown) =>
  new StoreError('key', `key ${path}: ${what}`, { cause })

/** The secrets, the newest first; undefined when there is no such file. @throws StoreError `key` for one that is not to be trusted. */
export function readSecrets({ path, credential }: KeySource): Buffer[] | undefined {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'ELOOP') throw unusable(path, 'is a symbolic link: name the file itself', error)
    throw unusable(path, `cannot be read (${code}): let this user, and nobody else, read it`, error)
  }
  try {
    const { mode, uid } = fstatSync(file)
    const me = process.geteuid!()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw unusable(path, 'is no file: correct store.keyFile')
    // systemd hands a credential over by an access list, whose mask shows as group bits.
    if ((mode & (credential ? 0o007 : 0o077)) !== 0)
      throw unusable(
        path,
        `others may read it (mode ${(mode & 0o777).toString(8)}): chmod 600, and change the key if others had access`,
      )
    if (!credential && uid !== me && uid !== 0)
      throw unusable(path, `belongs to user ${uid}, not to this one (${me}): chown it`)
    const lines = readFileSync(file, 'utf8').split('\n')
    const secrets = lines.map((line) => line.trim()).filter((line) => line !== '')
    const keys = secrets.map((line) => Buffer.from(line, 'base64'))
    if (
      keys.length === 0 ||
      keys.some((key, i) => key.length !== secretLength || key.toString('base64') !== secrets[i])
    )
      throw unusable(
        path,
        `holds no key: one is ${secretLength} bytes in base64, as "openssl rand -base64 ${secretLength}" writes it`,
      )
    return keys
  } finally {
    closeSync(file)
  }
}

/** Makes a key unless somebody else just did; answers the file's secrets. It is on the disk before it is used. */
export function createSecret(source: KeySource): Buffer[] {
  const { path } = source
  const draft = writeDraft(path, [randomBytes(secretLength)])
  try {
    linkSync(draft, path)
    syncFolder(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, error)
  } finally {
    rmSync(draft, { force: true })
  }
  return readSecrets(source) ?? []
}

/** Replaces the file at once: a power cut leaves the old one or the new one. */
export function writeSecrets({ path, credential }: KeySource, secrets: readonly Buffer[]): void {
  if (credential) throw unusable(path, 'comes from systemd and is changed there: see "Keys" in README.md')
  const draft = writeDraft(path, secrets)
  try {
    renameSync(draft, path)
    syncFolder(path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw unwritable(path, error)
  }
}

export const newSecret = () => randomBytes(secretLength)

const unwritable = (path: string, error: unknown) =>
  unusable(path, `cannot be written (${(error as NodeJS.ErrnoException).code}): let this user write its folder`, error)

function writeDraft(path: string, secrets: readonly Buffer[]): string {
  const draft = `${path}.${process.pid}.tmp`
  try {
    rmSync(draft, { force: true })
    const file = openSync(draft, 'wx', 0o600)
    try {
      writeSync(file, secrets.map((secret) => `${secret.toString('base64')}\n`).join(''))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    return draft
  } catch (error) {
    rmSync(draft, { force: true })
    throw unwritable(path, error)
  }
}

/** The keys of a source, read again when the file has changed. A file that is gone does not take a key already known. */
export class Keyring {
  readonly source: KeySource
  #keys: readonly VaultKey[] = []
  #seen: string | undefined
  #problem: string | undefined

  /** Reads nothing yet. */
  constructor(source: KeySource) {
    this.source = source
  }

  /** Newest first. */
  get keys(): readonly VaultKey[] {
    this.#look()
    return this.#keys
  }

  /** Why there is no key, in one line; undefined where there is one. */
  get problem(): string | undefined {
    this.#look()
    return this.#problem
  }

  find(id: string): VaultKey | undefined {
    return this.#keys.find((key) => key.id === id) ?? this.keys.find((key) => key.id === id)
  }

  #look(): void {
    const { path } = this.source
    const seen = appearance(path)
    if (seen === this.#seen) return
    this.#seen = seen
    this.#problem = undefined
    try {
      const secrets = readSecrets(this.source)
      if (secrets) this.#keys = secrets.map(deriveKey)
      else this.#problem = `key ${path}: is not there: put it back, or see "Keys" in README.md`
    } catch (error) {
      this.#problem = (error as Error).message
    }
  }
}

/** Differs when the file may have changed. */
function appearance(path: string): string {
  try {
    const { ino, mtimeNs, mode, uid, size } = statSync(path, { bigint: true })
    return `${ino} ${mtimeNs} ${mode} ${uid} ${size}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

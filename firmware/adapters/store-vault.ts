/**
 * What the store's key does: it seals templates and signs checkpoints. Pure computation; where the key lies is the
 * matter of store-key.ts.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** Bytes of the secret. */
export const secretLength = 32
const nonceLength = 12
const tagLength = 16

/** What follows from the secret: one key a purpose, so that no use tells anything about another (RFC 5869). */
export interface VaultKey {
  /** Names the key in rows; says nothing about it. */
  readonly id: string
  readonly seal: Buffer
  readonly sign: Buffer
}

export function deriveKey(secret: Buffer): VaultKey {
  const derive = (purpose: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `facelatch ${purpose} 1`, length))
  return { id: derive('name', 8).toString('hex'), seal: derive('templates', 32), sign: derive('checkpoints', 32) }
}

/** What a sealed template belongs to: it opens in no other row and for no other person. */
export interface TemplatePlace {
  readonly id: string
  readonly person_id: string
  readonly embedder: string
}

const boundTo = ({ id, person_id, embedder }: TemplatePlace) =>
  Buffer.from(JSON.stringify(['facelatch template', id, person_id, embedder]), 'utf8')

/** Nonce, tag, ciphertext: AES-256-GCM with a random nonce (NIST SP 800-38D, 8.2.2: far below 2^32 rows a key). */
export function sealTemplate(key: VaultKey, place: TemplatePlace, plain: Buffer): Buffer {
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', key.seal, nonce).setAAD(boundTo(place))
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body])
}

/** Undefined when it was changed, moved, or sealed with another key. */
export function openTemplate(key: VaultKey, place: TemplatePlace, sealed: Buffer): Buffer | undefined {
  try {
    const nonce = sealed.subarray(0, nonceLength)
    const tag = sealed.subarray(nonceLength, nonceLength + tagLength)
    const decipher = createDecipheriv('aes-256-gcm', key.seal, nonce, { authTagLength: tagLength })
    decipher.setAAD(boundTo(place)).setAuthTag(tag)
    return Buffer.concat([decipher.update(sealed.subarray(nonceLength + tagLength)), decipher.final()])
  } catch {
    return undefined
  }
}

/** What a checkpoint states about the audit log. */
export interface Statement {
  readonly kind: string
  readonly seq: number
  readonly hash: Buffer
  readonly at: string
  readonly note: string
}

export function signStatement(key: VaultKey, { kind, seq, hash, at, note }: Statement): Buffer {
  const text = JSON.stringify(['facelatch checkpoint', kind, seq, hash.toString('hex'), at, note])
  return createHmac('sha256', key.sign).update(text, 'utf8').digest()
}

export function isSigned(key: VaultKey, statement: Statement, mac: Buffer): boolean {
  const expected = signStatement(key, statement)
  return mac.length === expected.length && timingSafeEqual(mac, expected)
}

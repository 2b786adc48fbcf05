/** Certificates made while the test runs, by openssl: an authority, and whom it vouches for. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Owner, temporaryDirectory } from './temp.js'

/** Paths of PEM files. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** Path of its own certificate. */
  readonly ca: string
  /** `name`: the certificate's CN; `address`: for a server, what it is reached by. */
  issue(name: string, address?: string): Identity
}

const keyForm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })

export function createAuthority(t: Owner): Authority {
  const directory = temporaryDirectory(t)
  const file = (name: string) => join(directory, name)
  const [ca, caKey] = [file('ca.pem'), file('ca.key')]
  openssl('req', '-x509', ...keyForm, '-days', '2', '-subj', '/CN=test authority', '-keyout', caKey, '-out', ca)
  return {
    ca,
    issue(name, address) {
      const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map((end) => file(`${name}.${end}`)) as [
        string,
        string,
        string,
        string,
      ]
      openssl('req', ...keyForm, '-subj', `/CN=${name}`, '-keyout', key, '-out', request)
      writeFileSync(extensions, address ? `subjectAltName=IP:${address}\n` : 'extendedKeyUsage=clientAuth\n')
      const signing = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', extensions]
      openssl('x509', '-req', '-in', request, ...signing, '-out', cert)
      return { cert, key }
    },
  }
}

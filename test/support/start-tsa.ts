/** An RFC 3161 time-stamp authority: `openssl ts` behind a small HTTP server. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestTsa {
  readonly url: string
  /** PEM file of its root. */
  readonly ca: string
  readonly requests: Buffer[]
  /** Puts another answer in the place of the authority's. */
  answer: ((answer: Buffer) => Buffer) | undefined
  /** What `openssl ts -reply` says to a request. */
  reply(request: Buffer): Buffer
  stop(): Promise<void>
}

const CONFIG = `
[tsa]
default_tsa = it
[it]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[stamp]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[server]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = serverAuth
[req]
distinguished_name = dn
[dn]
`

/** `algorithm` of the keys, for `openssl req -newkey`. */
export async function startTsa(algorithm: readonly string[] = ['rsa:2048']): Promise<TestTsa> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tsa-'))
  const openssl = (...words: string[]) => {
    const { status, stderr } = spawnSync('openssl', words, { cwd: folder })
    if (status !== 0) throw new Error(`openssl ${words.join(' ')}: ${stderr}`)
  }
  writeFileSync(join(folder, 'tsa.cnf'), CONFIG)
  writeFileSync(join(folder, 'serial'), '01\n')
  const newKey = (name: string) => ['-newkey', ...algorithm, '-nodes', '-keyout', `${name}.key`, '-config', 'tsa.cnf']
  openssl(
    'req',
    '-x509',
    ...newKey('root'),
    '-subj',
    '/CN=Test root',
    '-extensions',
    'root',
    '-out',
    'root.pem',
    '-days',
    '30',
  )
  openssl('req', ...newKey('tsa'), '-subj', '/CN=Test time stamps', '-out', 'tsa.csr')
  const sign = [
    'x509',
    '-req',
    '-in',
    'tsa.csr',
    '-CA',
    'root.pem',
    '-CAkey',
    'root.key',
    '-days',
    '30',
    '-extfile',
    'tsa.cnf',
  ]
  openssl(...sign, '-CAcreateserial', '-extensions', 'stamp', '-out', 'tsa.pem')

  function reply(request: Buffer): Buffer {
    writeFileSync(join(folder, 'request.tsq'), request)
    openssl(
      ...['ts', '-reply', '-config', 'tsa.cnf', '-section', 'it', '-queryfile', 'request.tsq', '-out', 'answer.tsr'],
      ...['-signer', 'tsa.pem', '-inkey', 'tsa.key', '-chain', 'root.pem'],
    )
    return readFileSync(join(folder, 'answer.tsr'))
  }

  const requests: Buffer[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    requests.push(body)
    response.setHeader('content-type', 'application/timestamp-reply')
    const answer = reply(body)
    response.end(tsa.answer?.(answer) ?? answer)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const tsa: TestTsa = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ca: join(folder, 'root.pem'),
    requests,
    answer: undefined,
    reply,
    async stop() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      rmSync(folder, { recursive: true })
    },
  }
  return tsa
}

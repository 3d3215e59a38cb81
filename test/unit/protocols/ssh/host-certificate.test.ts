/** The certificates that stand for targets are what OpenSSH takes for certificates: of these names, this long, by this CA. */

import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { generateKeyPair } from '../../../../src/protocols/ssh/transport/generate-key-pair.ts'
import { issueHostCertificate } from '../../../../src/protocols/ssh/transport/host-certificate.ts'
import { blobOf } from '../../../support/raw-ssh-client.ts'

const ca = generateKeyPairSync('ed25519')
const authority = { publicKey: blobOf(ca), sign: (bytes: Uint8Array) => sign(null, bytes, ca.privateKey) }
const terms = { keyId: 'web-01 through Sallyport', validAfter: 1_800_000_000, validBefore: 1_800_003_600 }

for (const type of ['ed25519', 'ecdsa'] as const) {
  t.test(`ssh-keygen reads one of an ${type} key as it was meant`, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-certificate-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const blob = Buffer.from(generateKeyPair(type).public.split(' ')[1]!, 'base64')
    const certificate = issueHostCertificate(blob, { ...terms, principals: ['web-01', '10.0.0.5'] }, authority)
    const name = certificate.subarray(4, 4 + certificate.readUInt32BE(0)).toString('latin1')
    const file = join(folder, 'key-cert.pub')
    writeFileSync(file, `${name} ${certificate.toString('base64')}\n`)
    const text = execFileSync('ssh-keygen', ['-L', '-f', file], { encoding: 'utf8', env: { TZ: 'UTC' } })
    t.match(text, /host certificate/)
    t.match(text, /Key ID: "web-01 through Sallyport"/)
    t.match(text, /Valid: from 2027-01-15T08:00:00 to 2027-01-15T09:00:00/)
    t.match(text, /Principals: \n\s+web-01\n\s+10\.0\.0\.5\n\s+Critical Options: \(none\)\n\s+Extensions: \(none\)/)
    t.match(text, /Signing CA: ED25519 SHA256:\S+ \(using ssh-ed25519\)/)
  })
}

t.test('one without a name would be good for every host, and is not made', async t => {
  const blob = Buffer.from(generateKeyPair('ed25519').public.split(' ')[1]!, 'base64')
  t.throws(() => issueHostCertificate(blob, { ...terms, principals: [] }, authority), /good for every host/)
})

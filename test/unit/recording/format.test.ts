import { execFileSync, spawnSync } from 'node:child_process'
import { createDecipheriv, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { createTestRecordings, testSubject } from '../../support/recording-parts.ts'

const VERIFIER = join(import.meta.dirname, '../../support/verify-recording.py')

/** A sealed recording with several frames, and the public key in a file. */
async function make(folder: string) {
  const setup = createTestRecordings(folder)
  const subject = testSubject()
  const recorder = await setup.recordings.open(subject)
  recorder.fact({ type: 'exec', channel: 0, command: 'cat' })
  recorder.fact({ type: 'exec', channel: 0, command: 'cap' })
  recorder.stream('output', 300, randomBytes(600_000))
  setup.clock.move(1000)
  recorder.stream('output', 300, Buffer.from('x'.repeat(200)))
  const sealed = await recorder.seal('client-closed')
  const key = join(folder, 'key.pem')
  writeFileSync(key, setup.signer.publicKeyPem)
  return { ...setup, subject, sealed, path: setup.pathOf(subject.session), key }
}

t.test('a verifier written from the documentation alone, in another language, agrees', async t => {
  const { path, key, sealed, signer } = await make(t.testdir())
  const out = execFileSync('python3', [VERIFIER, path, key], { encoding: 'utf8' })
  t.equal(out, `ok 3 client-closed ${sealed.hash}\n`)

  const bytes = readFileSync(path)
  for (const at of [3, 11, 40, 2000, 300_000, bytes.length - 200, bytes.length - 1]) {
    const altered = Buffer.from(bytes)
    altered[at]! ^= 1
    writeFileSync(path, altered)
    const { stdout } = spawnSync('python3', [VERIFIER, path, key], { encoding: 'utf8' })
    const { firstBad } = await verifyRecording(path, signer.publicKeyPem)
    t.ok(stdout.startsWith(`bad ${firstBad?.frame} `), `byte ${at}: ${stdout.trim()}, ${JSON.stringify(firstBad)}`)
  }
})

t.test('it agrees on a recording of small frames, which are packed with deflate', async t => {
  const folder = t.testdir()
  const setup = createTestRecordings(folder)
  const subject = testSubject()
  const recorder = await setup.recordings.open(subject)
  recorder.stream('output', 0, Buffer.from('x'.repeat(2_000)))
  const sealed = await recorder.seal('client-closed')
  const path = setup.pathOf(subject.session)
  const bytes = readFileSync(path)
  t.equal(bytes[13 + bytes.readUInt32BE(9) + 32 + 4], 4, 'the type of the first frame')
  const key = join(folder, 'key.pem')
  writeFileSync(key, setup.signer.publicKeyPem)
  const { stdout } = spawnSync('python3', [VERIFIER, path, key], { encoding: 'utf8' })
  t.equal(stdout, `ok 1 client-closed ${sealed.hash}\n`)
})

t.test('bytes are where the documentation says, and decrypt as it says', async t => {
  const { path, seal, subject } = await make(t.testdir())
  const bytes = readFileSync(path)
  t.equal(bytes.subarray(0, 9).toString('latin1'), 'SALLYREC\x01')
  const length = bytes.readUInt32BE(9)
  const header = JSON.parse(bytes.subarray(13, 13 + length).toString())
  t.same(header.subject, subject)
  let at = 13 + length + 32
  let previous = bytes.subarray(13 + length, at)
  const key = seal.openBytes(`recording ${subject.session}`, header.key)
  const plain: Buffer[] = []
  while (bytes[at + 4] !== 3) {
    const head = bytes.subarray(at, at + 9)
    const end = at + 9 + head.readUInt32BE(0)
    const nonce = Buffer.concat([Buffer.alloc(8), head.subarray(5)])
    const decipher = createDecipheriv('aes-256-gcm', key, nonce)
    decipher.setAAD(Buffer.concat([head, previous, Buffer.from(subject.session)]))
    decipher.setAuthTag(bytes.subarray(end, end + 16))
    const payload = Buffer.concat([decipher.update(bytes.subarray(at + 9, end)), decipher.final()])
    const unpack = { 1: zstdDecompressSync, 2: (bytes: Buffer) => bytes, 4: inflateRawSync }[head[4]!]!
    plain.push(unpack(payload))
    previous = bytes.subarray(end + 16, end + 48)
    at = end + 48
  }
  const json = '{"type":"exec","channel":0,"command":"cat"}'
  const first = Buffer.concat([
    Buffer.from([0, 0, 16, json.length]),
    Buffer.from(json),
    Buffer.from([0, 18, 40, 2, 1]),
    Buffer.from('p'),
    Buffer.from([0, 1, 0xac, 0x02]),
  ])
  t.ok(
    plain[0]!.subarray(0, first.length).equals(first),
    'batch time, event time, kind, length, JSON; what differs from that; the next event, channel 300',
  )
  const last = Buffer.concat([Buffer.from([0xe8, 0x07, 1, 0xac, 0x02, 0xc8, 0x01]), Buffer.from('x'.repeat(200))])
  t.ok(plain.at(-1)!.subarray(-last.length).equals(last), 'a thousand milliseconds later, 200 bytes')
})

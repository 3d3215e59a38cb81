import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

/** Makes ciphers of every kind and drops them, until full garbage collections have taken them. */
const PROGRAM = `
  const binding = require('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node')
  const bytes = length => Buffer.alloc(length, 1)
  const makers = [
    () => new binding.ChaChaPolyCipher(bytes(64)),
    () => new binding.ChaChaPolyDecipher(bytes(64)),
    () => new binding.AESGCMCipher('aes-128-gcm', bytes(16), bytes(12)),
    () => new binding.AESGCMDecipher('aes-128-gcm', bytes(16), bytes(12)),
    () => new binding.GenericCipher('aes-128-ctr', bytes(16), bytes(16), 'sha256', bytes(32), true),
    () => new binding.GenericDecipher('aes-128-ctr', bytes(16), bytes(16), 'sha256', bytes(32), true, 32),
  ]
  let collected = 0
  const registry = new FinalizationRegistry(() => collected++)
  let rounds = 0
  function round() {
    for (const make of makers) for (let i = 0; i < 20; i++) registry.register(make())
    let kept = []
    for (let i = 0; i < 200_000; i++) kept.push({ i, text: 'x' + i })
    if (++rounds < 20) setImmediate(round)
    else if (collected === 0) throw new Error('nothing was collected')
  }
  round()
`

t.test('ciphers that are no longer used are collected, and the process lives on', async t => {
  const flags = ['--max-semi-space-size=1', '--no-incremental-marking']
  await t.resolves(promisify(execFile)(process.execPath, [...flags, '--eval', PROGRAM]))
})

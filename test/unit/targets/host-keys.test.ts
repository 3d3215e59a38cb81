import t from 'tap'
import { isPinned, parseHostKey, pinnedKeys } from '../../../src/targets/host-keys.ts'
import type { SshTarget } from '../../../src/targets/target.ts'
import { target } from '../../support/policy-facts.ts'

const LINE = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
const pinning = (...hostKeys: string[]) => target({ protocol: 'ssh', hostKeys } as never) as SshTarget

t.test('only a pinned key is believed', async t => {
  const { blob } = parseHostKey(LINE)!
  t.ok(isPinned(pinning(LINE), blob))
  const other = Buffer.from(blob)
  other[other.length - 1]! ^= 1
  t.notOk(isPinned(pinning(LINE), other))
})

t.test('no pinned key, and none that can be read, believe nothing (sshpiper#820)', async t => {
  const { blob } = parseHostKey(LINE)!
  for (const none of [pinning(), pinning(''), pinning('# nothing'), pinning('ssh-ed25519 AAAA')]) {
    t.strictSame(pinnedKeys(none), [])
    t.notOk(isPinned(none, blob))
    t.notOk(isPinned(none, Buffer.alloc(0)))
  }
})

t.test('a FIDO key is a user’s, not a host’s', async t => {
  const fields = ['sk-ssh-ed25519@openssh.com', 'k'.repeat(32), 'ssh:'].flatMap(text => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(text.length)
    return [length, Buffer.from(text)]
  })
  t.equal(parseHostKey(`sk-ssh-ed25519@openssh.com ${Buffer.concat(fields).toString('base64')}`), undefined)
})

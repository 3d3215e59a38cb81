import t from 'tap'
import { parseHostKey } from '../../../../src/protocols/ssh/facts/host-keys.ts'

const LINE = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'

t.test('a line of one key is a host key, and nothing else is', async t => {
  t.match(parseHostKey(LINE), { type: 'ssh-ed25519', comment: '' })
  t.match(parseHostKey(`${LINE} root@web-01`), { comment: 'root@web-01' })
  for (const none of ['', '# nothing', 'ssh-ed25519 AAAA', `web-01 ${LINE}`])
    t.equal(parseHostKey(none), undefined, none)
})

t.test('a FIDO key is a user’s, not a host’s', async t => {
  const fields = ['sk-ssh-ed25519@openssh.com', 'k'.repeat(32), 'ssh:'].flatMap(text => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(text.length)
    return [length, Buffer.from(text)]
  })
  t.equal(parseHostKey(`sk-ssh-ed25519@openssh.com ${Buffer.concat(fields).toString('base64')}`), undefined)
})

import { createHash } from 'node:crypto'
import { EXIT } from '../../shared/exit-codes.ts'
import type { Command } from '../command.ts'

export const keys: Command = {
  name: 'keys',
  summary: 'the public keys that are enrolled for you',
  usage: '',
  words: { least: 0, most: 0 },
  async run({ parts, person, out }) {
    const user = await parts.users.get(person.user)
    const enrolled = (user?.publicKeys ?? []).map(keyOf)
    await out.show({ keys: enrolled }, () =>
      out.table(
        [
          { title: 'TYPE', value: key => key.type },
          { title: 'FINGERPRINT', value: key => key.fingerprint },
          { title: 'COMMENT', value: key => key.comment, shrinkTo: 8 },
        ],
        enrolled,
        'No public key is enrolled for you.',
      ),
    )
    return EXIT.ok
  },
}

/** A line of authorized_keys without options; the fingerprint is as `ssh-keygen -l` prints it. */
function keyOf(line: string): { type: string; fingerprint: string; comment: string } {
  const [type = '', base64 = '', ...comment] = line.split(/\s+/)
  const hash = createHash('sha256').update(Buffer.from(base64, 'base64')).digest('base64').replace(/=+$/, '')
  return { type, fingerprint: `SHA256:${hash}`, comment: comment.join(' ') }
}

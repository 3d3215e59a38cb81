/** Shows the credential of an account that was checked out: it comes encrypted, for a key that is made here for this once, or for the person's own. */

import type { AccountAddress } from '../../../shared/names.ts'
import { Secret } from '../../../shared/secret.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Client } from '../../client.ts'
import type { Context } from '../../context.ts'
import { type CheckOutOptions, ownPath } from './own-path.ts'

const OTHER_SCREEN = '\x1b[?1049h\x1b[0m\x1b[H\x1b[2J'
const BACK = '\x1b[H\x1b[2J\x1b[?1049l'

interface Answer {
  readonly kind: string
  readonly version: number
  readonly login: string
  readonly age: string
}

export async function showRevealed(
  context: Context,
  client: Client,
  address: AccountAddress,
  { toAge, stdin }: CheckOutOptions,
): Promise<void> {
  const { terminal } = context
  const { armor, Decrypter, generateX25519Identity, identityToRecipient } = await import('age-encryption')
  const identity = toAge === undefined ? await generateX25519Identity() : undefined
  const recipient = identity === undefined ? toAge! : await identityToRecipient(identity)
  const code = stdin ? await terminal.secretFromStdin() : await terminal.askSecret('One-time code: ')
  const answer = await client.send<Answer>('POST', `${ownPath(address)}/reveal`, {
    ...{ code: code.reveal(), toAge: recipient },
  })
  if (identity === undefined) {
    if (context.json) return terminal.json(answer)
    return terminal.lines(answer.age.trimEnd().split('\n'))
  }
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  const text = new Secret(await decrypter.decrypt(armor.decode(answer.age)))
  const shown = text.reveal().split('\n').map(printable)
  text.erase()
  const foot = 'It is changed when the check-out ends. Any key takes it away.'
  await terminal.write(
    `${OTHER_SCREEN}The ${answer.kind} of ${printable(answer.login)}, shown this once:\n\n${shown.join('\n')}\n\n${foot}\n`,
  )
  const keys = terminal.keys()
  for await (const _ of keys?.typed ?? []) break
  keys?.close()
  await terminal.write(BACK)
}

/** Reads `account@target` from the command line. */

import { EXIT } from '../shared/exit-codes.ts'
import { type AccountAddress, parseAccountAddress } from '../shared/names.ts'
import { CliError } from './exit.ts'

export function readAccount(text: string): AccountAddress {
  const address = parseAccountAddress(text)
  if (address === undefined)
    throw new CliError(
      EXIT.usage,
      `"${text}" is not an account.`,
      'An account is named account@target, for example root@web-01.',
    )
  return address
}

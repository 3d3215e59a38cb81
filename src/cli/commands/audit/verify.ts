/** `sallyport audit verify`: the log in the store by the gateway, or the JSON-lines copy by itself, with the public key alone. */

import type { Command } from 'commander'
import type { ChainHead } from '../../../audit/chain/chain.ts'
import { EXIT } from '../../../shared/exit-codes.ts'
import type { Context } from '../../context.ts'
import { CliError } from '../../exit.ts'
import { verifyCopy } from './verify-copy.ts'
import type { VerifyOptions } from './verify-options.ts'
import { verifyStored } from './verify-stored.ts'

export function addAuditVerify(audit: Command, context: Context): void {
  audit
    .command('verify')
    .description('check that the chain is whole and signed')
    .argument(
      '[file...]',
      'the copy as JSON lines (`audit.file`, rotated files too, in any order); not given: the log in the store',
    )
    .option('--key <file>', 'the public key, as `sallyport key public` prints it (else asked of the gateway)')
    .option('--checkpoint <number:hash>', 'a head that was noted earlier: it must still be there', parseCheckpoint)
    .option('--heads <file...>', 'heads that the gateway sent out (`audit.heads`): the log must have them all')
    .option('--tsa-ca <file>', 'for --heads: the certificates that their time stamps must lead to')
    .option('--one-of-several', 'for files: of one of several gateways, so that events of the others are not in them')
    .option('--from-start', 'for files: they must begin with the first event')
    .addHelpText(
      'after',
      `
With --key, files are checked here, without a gateway. The exit code is 1 where
something is missing or not what was signed.`,
    )
    .action(async (files: string[], options: VerifyOptions) => {
      if (options.tsaCa !== undefined && options.heads === undefined)
        throw new CliError(EXIT.usage, '--tsa-ca is for --heads.')
      if (files.length > 0) return verifyCopy(files, options, context)
      if (options.key !== undefined && options.heads === undefined) {
        throw new CliError(EXIT.usage, '--key is for files and for --heads; name them.')
      }
      if (options.oneOfSeveral || options.fromStart) {
        throw new CliError(EXIT.usage, '--one-of-several and --from-start are for files; name them.')
      }
      return verifyStored(options, context)
    })
}

function parseCheckpoint(text: string): ChainHead {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (match === null)
    throw new CliError(EXIT.usage, '--checkpoint: written as NUMBER:HASH, as `sallyport audit verify` prints it.')
  return { seq: Number(match[1]), hash: match[2]! }
}

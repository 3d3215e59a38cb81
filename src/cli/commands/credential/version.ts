/** Versions as they are named on the command line. */

import { EXIT } from '../../../shared/exit-codes.ts'
import { CliError } from '../../exit.ts'

export function readVersion(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new CliError(
    EXIT.usage,
    `"${text}" is not the number of a version.`,
    '`sallyport credential history` lists them.',
  )
}

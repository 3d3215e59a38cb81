/** What to type next, in the words that work where this was started: the same program, the same configuration. */

import { shellWord } from '../shared/text/shell-word.ts'
import type { Context } from './context.ts'

/** `sallyport apply -f …`, or `bin/sallyport --config FILE apply -f …`; `command` is what follows. */
export function nextStep({ terminal, configOption }: Context, command: string): string {
  const program = terminal.env.SALLYPORT_COMMAND ?? 'sallyport'
  // Found by itself in the same folder.
  const config =
    configOption === undefined || configOption === 'config/sallyport.yaml' ? '' : `--config ${shellWord(configOption)} `
  return `${shellWord(program)} ${config}${command}`
}

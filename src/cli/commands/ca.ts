/** `sallyport ca`: the SSH host CA, by which clients know the targets that they reach through the gateway. */

import type { HostAuthorityAnswer } from '../../api/routes/ca.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import { localTime, parseDuration } from '../terminal/time.ts'

/** What known_hosts takes for hosts: patterns with commas between them. */
const HOSTS = /^[!*?A-Za-z0-9._:[\]-]+(,[!*?A-Za-z0-9._:[\]-]+)*$/

export const addAuthorities: AddCommands = (program, context) => {
  const { terminal } = context
  const ca = program.command('ca').helpCommand(false).description('the CA of host certificates (ssh -J)')

  ca.command('show')
    .description('the line for known_hosts by which ssh trusts targets behind the gateway')
    .argument('<ca>', 'host')
    .option('--hosts <patterns>', 'the names that the line is good for, as in known_hosts', '*')
    .action(async (which: string, { hosts }: { hosts: string }) => {
      isHost(which)
      if (!HOSTS.test(hosts)) {
        throw new CliError(
          EXIT.usage,
          `--hosts ${hosts} is no list of patterns.`,
          "Write it as in known_hosts: 'web-*,*.example.com'.",
        )
      }
      const answer = await (await context.client()).get<HostAuthorityAnswer>('/v1/ca/host')
      if (context.json) terminal.json(answer)
      else show(answer, hosts)
    })

  ca.command('rotate')
    .description('make a new key; the one of now signs until the overlap is over')
    .argument('<ca>', 'host')
    .option('--overlap <duration>', 'how long the key of now still signs: 12h, 7d; 0s erases it at once', '7d')
    .action(async (which: string, { overlap }: { overlap: string }) => {
      isHost(which)
      const overlapMs = parseDuration(overlap, '--overlap')
      const answer = await (await context.client()).send<HostAuthorityAnswer>('POST', '/v1/ca/host/rotate', {
        overlapMs,
      })
      if (context.json) return terminal.json(answer)
      show(answer, '*')
      const next = answer.keys[1]
      terminal.note(
        next === undefined
          ? 'The new key signs now: clients that do not have its line are shown a key that they do not know.'
          : `Give clients both lines before ${localTime(next.signsFrom)}: from then on the new key signs, and the old line can go.`,
      )
    })

  function show({ keys }: HostAuthorityAnswer, hosts: string): void {
    for (const { number, publicKey } of keys) {
      terminal.line(`@cert-authority ${hosts} ${publicKey} sallyport-host-ca-${number}`)
    }
  }
}

function isHost(which: string): void {
  if (which !== 'host') throw new CliError(EXIT.usage, `There is no CA "${which}".`, 'The one that there is: host')
}

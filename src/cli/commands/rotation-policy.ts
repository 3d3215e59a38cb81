/** `sallyport rotation-policy`: when the credentials of which accounts are changed. */

import type { RotationPolicyAnswer } from '../../api/routes/rotation-policies.ts'
import type { AddCommands } from '../context.ts'
import { selectorOf } from '../selector.ts'
import { formatDuration } from '../terminal/time.ts'

export const addRotationPolicies: AddCommands = (program, context) => {
  const { terminal } = context
  const command = program
    .command('rotation-policy')
    .helpCommand(false)
    .description('when the credentials of which accounts are changed')

  command
    .command('list')
    .description('all policies: of those that select an account, the first is its own')
    .action(async () => {
      const answer = await (await context.client()).get<{ policies: RotationPolicyAnswer[] }>('/v1/rotation-policies')
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'POLICY', value: policy => policy.name, shrinkTo: 10 },
          { title: 'TARGETS', value: policy => selectorOf(policy.targets), shrinkTo: 12 },
          { title: 'ACCOUNTS', value: accountsOf, shrinkTo: 10 },
          { title: 'ROTATED', value: policy => timesOf(policy) ?? 'by hand', shrinkTo: 14 },
          { title: 'VERIFIED', value: policy => verifiedOf(policy) ?? '', optional: 1, unlessEmpty: true },
        ],
        answer.policies,
        'There are no rotation policies. Describe them in files, then: sallyport apply -f FOLDER',
      )
    })

  command
    .command('show')
    .description('one policy')
    .argument('<name>')
    .action(async (name: string) => {
      const path = `/v1/rotation-policies/${encodeURIComponent(name)}`
      const policy = await (await context.client()).get<RotationPolicyAnswer>(path)
      if (context.json) return terminal.json(policy)
      const { password, retention } = policy
      const kept = retention.for === undefined ? '' : `, and each for ${formatDuration(retention.for)}`
      terminal.facts([
        ['policy', policy.name],
        ['description', policy.description],
        ['targets', selectorOf(policy.targets)],
        ['accounts', accountsOf(policy)],
        ['rotated', timesOf(policy) ?? 'by hand'],
        ['verified', verifiedOf(policy)],
        ['password', `${password.length} characters: ${password.classes.join(', ')}`],
        ['never', password.forbidden === '' ? undefined : password.forbidden],
        ['connector', policy.connector ?? "the protocol's own"],
        ['reconciled by', policy.reconcile],
        ['versions kept', `${retention.keep}${kept}`],
        ['open sessions', policy.openSessions === 'tell' ? 'are told' : 'are ended'],
      ])
    })
}

function accountsOf({ accounts }: RotationPolicyAnswer): string {
  return accounts === undefined ? 'all' : selectorOf(accounts)
}

/** Undefined: never by itself. */
function timesOf({ every, jitter, at, after }: RotationPolicyAnswer): string | undefined {
  const later = jitter === undefined ? '' : `, up to ${formatDuration(jitter)} later`
  const times = [
    ...(every === undefined ? [] : [`every ${formatDuration(every)}`]),
    ...(at === undefined ? [] : [`at ${at.cron} ${at.zone}`]),
    ...after.map(event => `after each ${event}`),
  ]
  return times.length === 0 ? undefined : `${times.join(', ')}${later}`
}

function verifiedOf({ verifyEvery }: RotationPolicyAnswer): string | undefined {
  return verifyEvery === undefined ? undefined : `every ${formatDuration(verifyEvery)}`
}

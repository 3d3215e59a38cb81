/** `sallyport review-rule`: which requests are approved, denied or left to people at once. */

import type { ReviewRuleAnswer } from '../../api/routes/review-rules.ts'
import type { AddCommands } from '../context.ts'
import { selectorOf } from '../selector.ts'
import { formatDuration } from '../terminal/time.ts'

export const addReviewRules: AddCommands = (program, context) => {
  const { terminal } = context
  const command = program
    .command('review-rule')
    .helpCommand(false)
    .description('which requests are approved, denied or left to people at the moment of asking')

  command
    .command('list')
    .description('all rules, in the order in which they are asked: the first that matches decides')
    .action(async () => {
      const answer = await (await context.client()).get<{ rules: ReviewRuleAnswer[] }>('/v1/review-rules')
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'RULE', value: rule => rule.name, shrinkTo: 10 },
          { title: 'ORDER', value: rule => String(rule.order) },
          { title: 'OUTCOME', value: rule => rule.outcome },
          { title: 'WHEN', value: rule => conditionsOf(rule).join('; '), shrinkTo: 20 },
        ],
        answer.rules,
        'There are no review rules: people decide. Describe them in files, then: sallyport apply -f FOLDER',
      )
    })

  command
    .command('show')
    .description('one rule')
    .argument('<name>')
    .action(async (name: string) => {
      const path = `/v1/review-rules/${encodeURIComponent(name)}`
      const rule = await (await context.client()).get<ReviewRuleAnswer>(path)
      if (context.json) return terminal.json(rule)
      terminal.facts([
        ['rule', rule.name],
        ['description', rule.description],
        ['order', String(rule.order)],
        ...conditionsOf(rule).map((words): [string, string] => ['when', words]),
        ['outcome', rule.outcome],
        ['asks also', rule.also?.map(({ of, count }) => `${count} of ${of.join(', ')}`).join(', and ')],
      ])
    })
}

function conditionsOf({ when }: ReviewRuleAnswer): string[] {
  const { roles, accounts, targets, user, hours, sources, atMost, firstOnTarget, newNetwork, unusualHour } = when
  const attributes = Object.entries(user?.attributes ?? {}).map(([key, value]) => `${key}=${value}`)
  return [
    ...(roles === undefined ? [] : [`by the role ${roles.join(' or ')}`]),
    ...(accounts === undefined ? [] : [`accounts ${selectorOf(accounts)}`]),
    ...(targets === undefined ? [] : [`targets ${selectorOf(targets)}`]),
    ...(user?.roles === undefined ? [] : [`of holders of ${user.roles.join(' or ')}`]),
    ...(attributes.length === 0 ? [] : [`of users with ${attributes.join(', ')}`]),
    ...(hours === undefined ? [] : [`${hours.days.join(', ')} ${hours.from}–${hours.to} ${hours.zone}`]),
    ...(sources === undefined ? [] : [`from ${sources.join(', ')}`]),
    ...(atMost === undefined ? [] : [`for ${formatDuration(atMost)} at most`]),
    ...(firstOnTarget === undefined
      ? []
      : [`${firstOnTarget.is ? 'no' : 'a'} session there within ${formatDuration(firstOnTarget.within)}`]),
    ...(newNetwork === undefined ? [] : [`from a ${newNetwork ? 'new' : 'known'} network`]),
    ...(unusualHour === undefined ? [] : [`at ${unusualHour ? 'an unusual' : 'a usual'} hour`]),
  ]
}

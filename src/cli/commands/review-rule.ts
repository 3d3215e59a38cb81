/** `sallyport review-rule`: which requests are approved, denied or left to people at once. */

import type { CalendarStates } from '../../api/routes/calendars.ts'
import type { ReviewRuleAnswer, TriedAnswer } from '../../api/routes/review-rules.ts'
import type { AddCommands } from '../context.ts'
import { readFiles } from '../files/resources.ts'
import { selectorOf } from '../selector.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { formatDuration, localTime, parseTime } from '../terminal/time.ts'

type TriedSessions = NonNullable<TriedAnswer['sessions']>

interface TryOptions {
  file?: string[]
  prune?: boolean
  since: string
  days?: string
  until?: string
  limit: string
}

type CalendarState = CalendarStates['calendars'][number]

function nowText({ now }: CalendarState): string {
  if (now === null) return 'not known'
  return now.length === 0 ? 'nobody' : now.join(', ')
}

function nextText({ next }: CalendarState): string {
  return next === null ? '' : `${localTime(next.at)} ${next.who.join(', ')}`
}

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
    .command('calendars')
    .description(
      'calendars: who is on call now, and who next; when the gateway read each last, and what could not be read',
    )
    .action(async () => {
      const answer = await (await context.client()).get<CalendarStates>('/v1/calendars')
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'CALENDAR', value: one => one.calendar, shrinkTo: 10 },
          { title: 'NOW', value: nowText, shrinkTo: 10 },
          { title: 'NEXT', value: nextText, shrinkTo: 16 },
          { title: 'READ', value: one => (one.readAt === null ? 'never' : localTime(one.readAt)) },
          { title: 'SHIFTS', value: one => String(one.shifts), align: 'right' },
          { title: 'UNREADABLE', value: one => String(one.unreadable), align: 'right' },
          { title: 'WHY', value: one => one.failure ?? one.problems[0] ?? '', shrinkTo: 16 },
        ],
        answer.calendars,
        'The configuration of this gateway has no calendars.',
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

  command
    .command('try')
    .description(
      'which requests of the past the rules would have approved or denied at once, and with -f of roles which sessions would have had to be asked for; changes nothing',
    )
    .option('-f, --file <path...>', 'as if these files were applied; -: what comes on stdin')
    .option('--prune', 'as if apply deleted what no file speaks of')
    .option('--since <time>', 'requests since: 30d, 2026-11-21', '30d')
    .option('--days <count>', 'as --since: of so many days')
    .option('--until <time>', 'requests before this time')
    .option('--limit <count>', 'how many are listed, up to 1000; all are counted', '100')
    .action(async ({ file, prune = false, days, since, until, limit }: TryOptions) => {
      const now = context.now()
      const answer = await (await context.client()).send<TriedAnswer>('POST', '/v1/review-rules/try', {
        ...(file === undefined ? {} : { files: await readFiles(file, terminal) }),
        ...{
          prune,
          since: parseTime(days === undefined ? since : `${days}d`, days === undefined ? '--since' : '--days', now),
          limit: Number(limit),
        },
        ...(until === undefined ? {} : { until: parseTime(until, '--until', now) }),
      })
      if (context.json) terminal.json(answer)
      else showTried(answer, terminal)
    })
}

function showSessions({ asked, recorded, more, counts, listed }: TriedSessions, terminal: Terminal): void {
  const { approve, deny, ask } = counts
  const would = `${asked === 1 ? '1 session' : `${asked} sessions`} would have needed approval`
  terminal.line(`${would}, of ${recorded}: ${approve} granted at once, ${deny} denied, ${ask} left to people.`)
  if (more) terminal.note('Of the newest that would be refused; there are older ones: --until tries them.')
  if (listed.length === 0) return
  terminal.line()
  terminal.table(
    [
      { title: 'SESSION', value: one => one.session },
      { title: 'STARTED', value: one => localTime(one.startedAt).slice(0, 16), optional: 1 },
      { title: 'USER', value: one => one.user, shrinkTo: 8 },
      { title: 'ACCOUNT', value: one => one.account, shrinkTo: 12 },
      { title: 'ROLE', value: one => one.role, shrinkTo: 8, optional: 2 },
      { title: 'OUTCOME', value: one => one.outcome },
      { title: 'RULE', value: one => one.rule ?? '', shrinkTo: 8, unlessEmpty: true },
      { title: 'WHY', value: one => one.why, shrinkTo: 16 },
    ],
    listed,
    '',
  )
  terminal.line()
}

function showTried({ requests, more, counts, listed, sessions }: TriedAnswer, terminal: Terminal): void {
  if (sessions !== undefined) showSessions(sessions, terminal)
  const { approve, deny, ask, notKnown } = counts
  const would = `${approve === 1 ? '1 request' : `${approve} requests`} would have been granted at once`
  const rest = notKnown === 0 ? '' : `, ${notKnown} not known`
  terminal.line(`${would}, ${deny} denied, ${ask} left to people${rest}, of ${requests}.`)
  if (more) terminal.note('There are older ones: --until tries them.')
  if (listed.length === 0) return
  terminal.line()
  terminal.table(
    [
      { title: 'REQUEST', value: one => one.request },
      { title: 'ASKED', value: one => localTime(one.askedAt).slice(0, 16), optional: 1 },
      { title: 'USER', value: one => one.user, shrinkTo: 8 },
      { title: 'WHAT', value: one => one.wanted, shrinkTo: 12 },
      { title: 'OUTCOME', value: one => one.outcome },
      { title: 'RULE', value: one => one.rule ?? '', shrinkTo: 8, unlessEmpty: true },
      { title: 'WHY', value: one => one.why, shrinkTo: 16 },
    ],
    listed,
    '',
  )
}

function conditionsOf({ when }: ReviewRuleAnswer): string[] {
  const { roles, accounts, targets, user, hours, sources, atMost, firstOnTarget, newNetwork, unusualHour } = when
  const { onCall, ticket } = when
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
    ...(onCall === undefined ? [] : [`${onCall.who} ${onCall.is ? '' : 'not '}on call by ${onCall.calendar}`]),
    ...(ticket === undefined
      ? []
      : [`ticket ${ticket.states.join(' or ')}${ticket.assignee === undefined ? '' : ', of the requester'}`]),
  ]
}

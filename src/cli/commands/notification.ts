/** `sallyport notification`: by which channels who is told, what was told to whom, a test, and what one is told oneself. */

import type { NotificationChannel, NotificationDelivery, NotificationTest } from '../../api/routes/notifications.ts'
import type { NotificationChoices } from '../../api/routes/own-notifications.ts'
import { DELIVERY_STATES } from '../../notifications/deliveries.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { printable } from '../../shared/text/printable.ts'
import type { AddCommands } from '../context.ts'
import { CliError } from '../exit.ts'
import { relativeTime } from '../terminal/time.ts'

interface ListOptions {
  channel?: string
  user?: string
  state?: string
  failed?: boolean
  before?: string
  limit: string
}

interface Listed {
  readonly deliveries: readonly NotificationDelivery[]
}

const COLOURS: Partial<Record<NotificationDelivery['state'], 'red' | 'green'>> = {
  delivered: 'green',
  failed: 'red',
  'given-up': 'red',
}
const OWN = '/v1/own/notifications'

export const addNotifications: AddCommands = (program, context) => {
  const { terminal } = context
  const notification = program
    .command('notification')
    .helpCommand(false)
    .description('who is told of what: by mail, webhooks and chats')

  notification
    .command('channels')
    .description('by which channels people and administrators are told')
    .action(async () => {
      const answer = await (await context.client()).get<{ channels: NotificationChannel[] }>(
        '/v1/notifications/channels',
      )
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'CHANNEL', value: one => one.name },
          { title: 'KIND', value: one => one.kind },
          { title: 'PEOPLE', value: one => (one.people ? 'yes' : 'no') },
          { title: 'FOR ADMINISTRATORS', value: one => one.events.join(', '), shrinkTo: 16 },
          { title: 'CONTENT', value: one => one.content, optional: 1 },
        ],
        answer.channels,
        'No channel is configured: notifications.channels in sallyport.yaml, see docs/notifications.md.',
      )
    })

  notification
    .command('list')
    .description('what was told to whom, and what could not be, newest first')
    .option('--failed', 'only what was given up: `notification retry` tries it again')
    .option('--state <state>', `only these: ${DELIVERY_STATES.join(', ')}`)
    .option('--channel <name>', 'only by this channel')
    .option('--user <name>', 'only to this user')
    .option('--before <id>', 'behind this one: the next page')
    .option('--limit <count>', 'how many at most, up to 1000', '100')
    .action(async ({ failed, state, ...filter }: ListOptions) => {
      if (failed && state !== undefined)
        throw new CliError(EXIT.usage, '--failed is --state given-up: use one of them.')
      const query = { ...filter, state: failed ? 'given-up' : state }
      const answer = await (await context.client()).get<Listed>('/v1/notifications', query)
      if (context.json) return terminal.json(answer)
      terminal.table(
        [
          { title: 'DELIVERY', value: one => one.id },
          { title: 'WHEN', value: one => relativeTime(one.at, context.now()), align: 'right' },
          { title: 'TO', value: one => one.user ?? 'administrators' },
          { title: 'BY', value: one => one.channel },
          { title: 'STATE', value: one => one.state, style: (text, one) => coloured(text, one) },
          { title: 'WHAT', value: one => one.subject, shrinkTo: 16 },
          { title: 'WHY NOT', value: one => one.words ?? '', shrinkTo: 12, optional: 1 },
        ],
        answer.deliveries,
        'Nothing was told that matches.',
      )
      if (answer.deliveries.length === Number(filter.limit))
        terminal.note(`These are the first ${filter.limit}; --before ${answer.deliveries.at(-1)!.id} shows the next.`)
    })

  notification
    .command('test')
    .description('send a test by a channel now')
    .argument('<channel>')
    .option('--user <name>', 'to this user, not to whom the channel reaches by itself')
    .action(async (channel: string, { user }: { user?: string }) => {
      const client = await context.client()
      const tested = await client.send<NotificationTest>('POST', '/v1/notifications/test', { channel, user })
      if (context.json) terminal.json(tested)
      if (!tested.delivered)
        throw new CliError(EXIT.no, context.json ? '' : `Not delivered: ${printable(tested.words ?? '')}`)
      if (!context.json) terminal.line(`Delivered by ${printable(channel)}.`)
    })

  notification
    .command('retry')
    .description('try again now what failed or was given up: one, or all that were given up')
    .argument('[delivery]', 'its id, as `notification list` shows it')
    .option('--channel <name>', 'of all, only by this channel')
    .action(async (id: string | undefined, { channel }: { channel?: string }) => {
      if (id !== undefined && channel !== undefined) throw new CliError(EXIT.usage, 'Name a delivery, or a channel.')
      const client = await context.client()
      const retry = (one: string) =>
        client.send<NotificationDelivery>('POST', `/v1/notifications/${encodeURIComponent(one)}/retry`)
      if (id !== undefined) {
        const delivery = await retry(id)
        if (context.json) return terminal.json(delivery)
        return terminal.line(`${printable(id)} is tried again now.`)
      }
      const query = { channel, state: 'given-up', limit: '1000' }
      const { deliveries } = await client.get<Listed>('/v1/notifications', query)
      for (const one of deliveries) await retry(one.id)
      if (context.json) terminal.json({ retried: deliveries.map(one => one.id) })
      else terminal.line(`${deliveries.length} ${deliveries.length === 1 ? 'is' : 'are'} tried again now.`)
    })

  notification
    .command('mine')
    .description('what you are told of, and by which channels (needs a personal token)')
    .action(async () => show(await (await context.client()).get<NotificationChoices>(OWN)))

  for (const [word, wanted] of [
    ['on', true],
    ['off', false],
  ] as const) {
    notification
      .command(word)
      .description(wanted ? 'be told of a kind' : 'be told of a kind no more')
      .argument('<kind>', 'a kind, a group (request.*), or all')
      .argument('[channel]', 'by this channel; not given: by all', '*')
      .action(async (kind: string, channel: string) =>
        show(
          await (await context.client()).send<NotificationChoices>('PUT', OWN, {
            kind: kind === 'all' ? '*' : kind,
            channel,
            wanted,
          }),
        ),
      )
  }

  function show(choices: NotificationChoices): void {
    if (context.json) {
      terminal.json(choices)
      return
    }
    terminal.table(
      [
        { title: 'KIND', value: one => one.kind },
        { title: 'BY', value: one => one.by.join(', ') || 'off' },
        { title: 'WHAT', value: one => one.meaning, shrinkTo: 16 },
      ],
      choices.kinds,
      '',
    )
    if (choices.channels.length === 0) terminal.note('No channel of this gateway reaches people.')
  }

  function coloured(text: string, { state }: NotificationDelivery): string {
    const colour = COLOURS[state]
    return colour === undefined ? text : terminal.style(colour, text)
  }
}

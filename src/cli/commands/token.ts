/** `sallyport token`: tokens for the API. */

import type { PersonalTokensAnswer } from '../../api/routes/personal-token.ts'
import type { Token } from '../../api/routes/tokens.ts'
import { EARLIER_SCOPES, formatScopes, SCOPE_MEANINGS } from '../../shared/scopes.ts'
import type { AddCommands, Context } from '../context.ts'
import { localTime, parseDuration, relativeTime } from '../terminal/time.ts'

const SCOPES_HELP = [
  'Scopes:',
  ...Object.entries(SCOPE_MEANINGS).map(([scope, meaning]) => `  ${scope.padEnd(16)}${wrapped(meaning)}`),
  'Words of earlier versions:',
  ...Object.entries(EARLIER_SCOPES)
    .filter(([, scopes]) => scopes.length > 1)
    .map(([word, scopes]) => `  ${word.padEnd(16)}${scopes.join(', ')}`),
  'What the maker of a token may not do, the token may not either.',
].join('\n')

export const addTokens: AddCommands = (program, context) => {
  const { terminal } = context
  const token = program.command('token').helpCommand(false).description('tokens for the API')

  token
    .command('create')
    .description('make a token, and print it this one time')
    .argument('<name>', 'what it is called')
    .requiredOption('--user <user>', 'the user that it speaks for')
    .option('--scope <scopes>', 'what it may do: one or more, with commas between them', 'read')
    .option('--expires <duration>', 'how long it is valid: 12h, 30d, or never', '90d')
    .addHelpText('after', `\n${SCOPES_HELP}`)
    .action(async (name: string, { user, scope, expires }: { user: string; scope: string; expires: string }) => {
      const expiresAt =
        expires === 'never' ? undefined : new Date(context.now() + parseDuration(expires, '--expires')).toISOString()
      const client = await context.client()
      const made = await client.send<{ token: string }>('POST', '/v1/tokens', {
        ...{ name, user, expiresAt },
        scope: Object.hasOwn(EARLIER_SCOPES, scope) ? scope : scope.split(','),
      })
      if (context.json) return terminal.json({ name, user, scope, expiresAt: expiresAt ?? null, token: made.token })
      terminal.line(made.token)
      terminal.note(terminal.style('dim', 'Keep it now: it is stored nowhere and cannot be shown again.'))
    })

  token
    .command('list')
    .description('all tokens, without their text')
    .option('--personal <user>', 'those that this user made')
    .action(async ({ personal }: { personal?: string }) => {
      const client = await context.client()
      if (personal !== undefined) {
        const answer = await client.get<PersonalTokensAnswer>(pathOf(personal))
        return context.json ? terminal.json(answer) : showPersonal(answer, context)
      }
      if (client.own?.has('tokens')) {
        const answer = await client.get<PersonalTokensAnswer>('/v1/tokens')
        return context.json ? terminal.json(answer) : showPersonal(answer, context)
      }
      const answer = await client.get<{ tokens: Token[] }>('/v1/tokens')
      if (context.json) return terminal.json(answer)
      const now = context.now()
      terminal.table(
        [
          { title: 'TOKEN', value: token => token.name, shrinkTo: 10 },
          { title: 'USER', value: token => token.user, shrinkTo: 8 },
          { title: 'SCOPE', value: token => token.scope },
          { title: 'MADE', value: token => relativeTime(token.createdAt, now), align: 'right', optional: 1 },
          { title: 'EXPIRES', value: token => expiry(token, now) },
        ],
        answer.tokens,
        'There are no tokens. Make one with: sallyport token create NAME --user USER',
      )
    })

  token
    .command('revoke')
    .description('end a token at once')
    .argument('<name>')
    .option('--personal <user>', 'one that this user made')
    .action(async (name: string, { personal }: { personal?: string }) => {
      const path = personal === undefined ? '/v1/tokens' : pathOf(personal)
      await (await context.client()).send('DELETE', `${path}/${encodeURIComponent(name)}`)
      if (context.json) terminal.json({ revoked: name })
      else terminal.line(`Revoked ${name}.`)
    })
}

function pathOf(user: string): string {
  return `/v1/users/${encodeURIComponent(user)}/tokens`
}

function showPersonal(answer: PersonalTokensAnswer, { terminal, now }: Context): void {
  terminal.table(
    [
      { title: 'TOKEN', value: token => token.name, shrinkTo: 10 },
      { title: 'SCOPE', value: token => formatScopes(token.scopes) },
      { title: 'MADE', value: token => relativeTime(token.createdAt, now()), align: 'right', optional: 1 },
      { title: 'FROM', value: token => token.madeFrom, optional: 2 },
      { title: 'USED', value: token => (token.firstUsedAt === null ? 'never' : 'yes'), optional: 3 },
      { title: 'EXPIRES', value: token => localTime(token.expiresAt).slice(0, 16) },
    ],
    answer.tokens,
    'There are none.',
  )
}

function expiry({ expiresAt, genuine }: Token, now: number): string {
  if (!genuine) return 'not genuine'
  if (expiresAt === null) return 'never'
  return Date.parse(expiresAt) <= now ? 'expired' : localTime(expiresAt).slice(0, 16)
}

/** Beside the names of the scopes, in 80 columns. */
function wrapped(text: string): string {
  return text.replace(/(.{1,60})(?: |$)/g, `$1\n${' '.repeat(18)}`).trimEnd()
}

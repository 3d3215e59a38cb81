/** `sallyport token`: tokens for the API. */

import type { Token } from '../../api/routes/tokens.ts'
import { EARLIER_SCOPES, SCOPE_MEANINGS } from '../../shared/scopes.ts'
import type { AddCommands } from '../context.ts'
import { localTime, parseDuration, relativeTime } from '../terminal/time.ts'

const SCOPES_HELP = [
  'Scopes:',
  ...Object.entries(SCOPE_MEANINGS).map(([scope, meaning]) => `  ${scope.padEnd(14)}${wrapped(meaning)}`),
  'Words of earlier versions:',
  ...Object.entries(EARLIER_SCOPES)
    .filter(([, scopes]) => scopes.length > 1)
    .map(([word, scopes]) => `  ${word.padEnd(14)}${scopes.join(', ')}`),
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
    .action(async () => {
      const answer = await (await context.client()).get<{ tokens: Token[] }>('/v1/tokens')
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
    .action(async (name: string) => {
      await (await context.client()).send('DELETE', `/v1/tokens/${encodeURIComponent(name)}`)
      if (context.json) terminal.json({ revoked: name })
      else terminal.line(`Revoked ${name}.`)
    })
}

function expiry({ expiresAt, genuine }: Token, now: number): string {
  if (!genuine) return 'not genuine'
  if (expiresAt === null) return 'never'
  return Date.parse(expiresAt) <= now ? 'expired' : localTime(expiresAt).slice(0, 16)
}

/** Beside the names of the scopes, in 80 columns. */
function wrapped(text: string): string {
  return text.replace(/(.{1,62})(?: |$)/g, `$1\n${' '.repeat(16)}`).trimEnd()
}

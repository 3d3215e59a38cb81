import { durationText } from '../../shared/durations.ts'
import { type ErrorCode, GatewayError } from '../../shared/errors.ts'
import { EXIT, type ExitCode } from '../../shared/exit-codes.ts'
import { formatScopes, isScope, SCOPES, type Scope, withIncluded } from '../../shared/scopes.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { type Call, type Command, CommandError } from '../command.ts'

const USUALLY_VALID = '8h'

/** `tokens` lists them; `create` is the one place where a token's text leaves the gateway. */
export const tokens: Command = {
  name: 'tokens',
  summary: 'your tokens for the API: list them, make one (shown once), end one',
  usage: '[create [--scope S,...|all] [--expires 8h] [--name NAME] | revoke NAME]',
  words: { least: 0, most: 2 },
  options: { scope: { type: 'string' }, expires: { type: 'string' }, name: { type: 'string' } },
  async run(call) {
    const [verb = 'list', name] = call.words
    if (verb !== 'create' && Object.keys(call.options).some(option => option !== 'json'))
      throw wrong('--scope, --expires and --name belong to "tokens create".')
    if (verb === 'revoke') {
      if (name === undefined) throw wrong('"tokens revoke" needs the name of a token.')
      return revoke(call, name)
    }
    if (name !== undefined) throw wrong(`"tokens ${verb}" does not take another word.`)
    if (verb === 'create') return create(call)
    if (verb === 'list') return list(call)
    throw wrong('After "tokens" comes list, create or revoke.')
  },
}

async function create({ parts, person, login, options, out }: Call): Promise<ExitCode> {
  const expires = durationText.safeParse(options.expires ?? USUALLY_VALID)
  if (!expires.success) throw wrong('--expires is a number and s, m, h or d, for example 8h.')
  const wish = {
    scopes: scopesOf(String(options.scope ?? 'own')),
    validForMs: expires.data,
    session: login.id,
    ...(options.name === undefined ? {} : { name: String(options.name) }),
  }
  const { text, name, scopes, expiresAt } = await parts.personalAccess.create(person, wish).catch(toPerson)
  const document = {
    token: text.reveal(),
    ...{ name, user: person.user, scopes: [...scopes], expiresAt: new Date(expiresAt).toISOString() },
    api: await parts.apiAddress(),
  }
  await out.show(document, () => [document.token])
  if (!out.json)
    await out.note(`${name}: ${formatScopes(scopes)}, until ${document.expiresAt}. It cannot be shown again.`)
  return EXIT.ok
}

async function list({ parts, person, out }: Call): Promise<ExitCode> {
  const found = await parts.personalAccess.list(person.user)
  const document = found.map(token => ({
    name: token.name,
    scopes: [...token.scopes],
    proven: [...token.proven],
    madeFrom: token.madeFrom,
    createdAt: isoTime(token.createdAt),
    expiresAt: isoTime(parts.personalAccess.endOf(token)),
    firstUsedAt: token.firstUsedAt === undefined ? null : isoTime(token.firstUsedAt),
  }))
  await out.show({ tokens: document }, () =>
    out.table(
      [
        { title: 'TOKEN', value: token => token.name, shrinkTo: 10 },
        { title: 'SCOPE', value: token => formatScopes(token.scopes) },
        { title: 'MADE FROM', value: token => token.madeFrom, optional: 1 },
        { title: 'FIRST USED', value: token => token.firstUsedAt ?? 'never', optional: 2 },
        { title: 'EXPIRES', value: token => token.expiresAt },
      ],
      document,
      'You have no token. Make one with: tokens create',
    ),
  )
  return EXIT.ok
}

async function revoke({ parts, person, login, out }: Call, name: string): Promise<ExitCode> {
  const by = { actor: person.user, session: login.id }
  if (!(await parts.personalAccess.revoke(person.user, name, by)))
    throw new CommandError(EXIT.no, 'You have no token of that name.', '"tokens" lists those that you have.')
  await out.show({ revoked: name }, () => [`Revoked ${name}.`])
  return EXIT.ok
}

function scopesOf(text: string): ReadonlySet<Scope> | 'all' {
  if (text === 'all') return 'all'
  const words = text.split(',')
  const known = words.filter(isScope)
  if (known.length < words.length) throw wrong(`--scope is all, or a list of ${SCOPES.join(', ')}.`)
  return withIncluded(known)
}

const EXIT_OF: Partial<Record<ErrorCode, ExitCode>> = {
  BAD_REQUEST: EXIT.usage,
  FORBIDDEN: EXIT.notPermitted,
  CONFLICT: EXIT.no,
}

function toPerson(error: unknown): never {
  const exit = error instanceof GatewayError ? EXIT_OF[error.code] : undefined
  if (error instanceof GatewayError && exit !== undefined) throw new CommandError(exit, error.message)
  throw error
}

function wrong(message: string): CommandError {
  return new CommandError(EXIT.usage, message, `usage: tokens ${tokens.usage}`)
}

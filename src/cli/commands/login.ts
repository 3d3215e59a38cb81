/** `sallyport login`, `logout`, `whoami`: a personal token by ssh, kept for the commands that follow. */

import { z } from 'zod'
import type { Whoami } from '../../api/routes/own.ts'
import { isPersonalTokenText } from '../../identity/token-text.ts'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { formatScopes, type Scope } from '../../shared/scopes.ts'
import { createClient } from '../client.ts'
import { readUrl } from '../connection.ts'
import type { AddCommands, Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { readLogins, type StoredLogin, writeLogins } from '../files/logins.ts'
import { connectionOf } from '../login-connection.ts'
import { hostOf, runSsh, type SshDestination } from '../run-ssh.ts'
import { localTime } from '../terminal/time.ts'

interface Options {
  ssh: string
  port?: string
  scope: string
  expires: string
}

/** What `tokens create --json` answers. Who answers may be anybody: what is shown, stored or to be typed later has no other form. */
const madeSchema = z.object({
  token: z.string().refine(isPersonalTokenText),
  name: nameSchema,
  user: nameSchema,
  expiresAt: z.iso.datetime({ offset: true }),
  api: z.object({ url: z.string().nullable(), port: z.number(), certificate: z.string() }).nullable(),
})

type Made = z.output<typeof madeSchema>

export const addLogins: AddCommands = (program, context) => {
  const { terminal } = context

  program
    .command('login')
    .description('get a token of your own by ssh, and keep it for the commands that follow')
    .requiredOption('--ssh <user@gateway>', 'how ssh reaches the gateway; --url: where its API is, if elsewhere')
    .option('-p, --port <port>', "the gateway's SSH port, if ssh does not know it")
    .option('--scope <scopes>', 'what for: own, audit, … with commas between them; all: what your roles give', 'own')
    .option('--expires <duration>', 'how long it is valid: 30m, 8h, 7d', '8h')
    .argument('[options-of-ssh...]', 'after --, for example: -- -i ~/.ssh/work')
    .addHelpText(
      'after',
      `
It runs the system's ssh, which asks for your factors. The token lies in a file
that only you can read (mode 0600), sallyport/logins.json under XDG_CONFIG_HOME
or ~/.config; no keyring is used. \`sallyport logout\` ends it.`,
    )
    .action((options: string[], given: Options) => login(context, options, given))

  program
    .command('logout')
    .description('end that token, and forget it')
    .action(() => logout(context))

  program
    .command('whoami')
    .description('who you are to the gateway, and what you may do there')
    .action(async () => {
      const me = await (await context.client()).get<Whoami>('/v1/whoami')
      if (context.json) return terminal.json(me)
      terminal.facts([
        ['user', me.user],
        ['by', me.by],
        ['token', me.token ?? undefined],
        ['may', me.by === 'owner' ? 'everything' : formatScopes(me.scopes) || 'nothing'],
        [
          'withheld',
          me.withheld.length === 0
            ? undefined
            : `${formatScopes(me.withheld as Scope[])} (no role of yours gives it now)`,
        ],
        ['until', me.expiresAt === null ? undefined : localTime(me.expiresAt)],
      ])
    })
}

async function login(context: Context, options: string[], { ssh, port, scope, expires }: Options): Promise<void> {
  const { terminal } = context
  const { env } = terminal
  // They become words of a command line.
  for (const [option, text] of [
    ['--scope', scope],
    ['--expires', expires],
  ] as const)
    if (!/^[\w,-]+$/.test(text)) throw new CliError(EXIT.usage, `${option}: "${text}" is not understood.`)
  if (!/^[^\s@-][^\s@]*@[^\s@]+$/.test(ssh) || ssh.includes('+'))
    throw new CliError(EXIT.usage, `--ssh: "${ssh}" is not written as alice@gateway.`)
  // What cannot be read cannot be added to: before anybody is asked for factors.
  await readLogins(env)
  const to = { destination: ssh, port, options }
  const words = ['tokens', 'create', '--json', '--scope', scope, '--expires', expires]
  const made = readMade(await runSsh(to, words, env))
  const kept = await keep(context, made, to).catch(error => {
    const { message, exit, hint } = error as CliError
    const end = `The token is not kept: end it with \`ssh ${ssh} tokens revoke ${made.name}\`.`
    throw new CliError(exit ?? EXIT.broken, message, hint === undefined ? end : `${hint} ${end}`)
  })
  const { user, name, expiresAt } = made
  const { origin, scopes, path } = kept
  if (context.json) return terminal.json({ url: origin, user, token: name, scopes, expiresAt, file: path })
  terminal.line(`Logged in at ${origin} as ${user}, for ${formatScopes(scopes)}, until ${localTime(expiresAt)}.`)
  terminal.note(terminal.style('dim', `The token is in ${path}, which only you can read.`))
}

/** Tries the token out first: one that the API does not take, or that cannot get there, is of no use. */
async function keep(context: Context, made: Made, to: SshDestination) {
  const { env } = context.terminal
  const { user, name, token, expiresAt } = made
  const { url, certificate } = await whereIs(context, made.api, () => hostOf(to, env))
  const { origin } = url
  const stored: StoredLogin = { ...{ user, name, token, expiresAt, certificate }, ssh: to.destination }
  const me = await createClient(connectionOf(origin, stored)).get<Whoami>('/v1/whoami')
  // Else a gateway could have its users act at another one as somebody else.
  if (me.user !== user || me.token !== name || user !== userOf(to.destination))
    throw new CliError(EXIT.broken, `The gateway gave a token that is not ${userOf(to.destination)}'s at ${origin}.`)
  // Read again: another login may have ended while ssh asked.
  const known = await readLogins(env)
  const path = await writeLogins(env, { ...known, current: origin, logins: { ...known.logins, [origin]: stored } })
  const before = known.logins[origin]
  // The one before would be valid for nobody's use.
  if (before !== undefined) await end(origin, before).catch(() => undefined)
  return { origin, scopes: me.scopes, path }
}

/** Of `alice@gateway`, or `ssh://alice@gateway`. */
function userOf(destination: string): string {
  return destination.replace(/^ssh:\/\//, '').split('@')[0]!
}

function readMade(answer: string): Made {
  try {
    return madeSchema.parse(JSON.parse(answer))
  } catch {
    throw new CliError(EXIT.broken, 'The gateway did not answer with a token.', 'Is it a gateway of this version?')
  }
}

async function whereIs({ url: given, ca }: Pick<Context, 'url' | 'ca'>, api: Made['api'], host: () => Promise<string>) {
  if (api === null)
    throw new CliError(
      EXIT.no,
      'The API of this gateway is not served on TLS.',
      'Its operator switches it on: api.enabled.',
    )
  const certificate = (await ca()) ?? api.certificate
  const name = given ?? api.url
  if (name !== null && name !== undefined) return { url: readUrl(name), certificate }
  const address = await host()
  return { url: new URL(`https://${address.includes(':') ? `[${address}]` : address}:${api.port}`), certificate }
}

async function logout(context: Context): Promise<void> {
  const { terminal } = context
  const { env } = terminal
  const known = await readLogins(env)
  const origin = context.url === undefined ? known.current : readUrl(context.url).origin
  const login = origin === null ? undefined : known.logins[origin]
  if (origin === null || login === undefined) throw new CliError(EXIT.no, 'You are not logged in.')
  const { [origin]: _, ...logins } = known.logins
  const current = known.current === origin ? null : known.current
  await writeLogins(env, { ...known, current, logins })
  const problem = await end(origin, login).then(
    () => undefined,
    error => error as CliError,
  )
  // A token that is not known any more has ended.
  if (problem !== undefined && problem.exit !== EXIT.notPermitted) {
    const hint = `Until ${localTime(login.expiresAt)} it is valid: end it with \`ssh ${login.ssh} tokens revoke ${login.name}\`.`
    throw new CliError(problem.exit ?? EXIT.broken, `Forgotten here, but not ended: ${messageOf(problem)}`, hint)
  }
  if (context.json) terminal.json({ url: origin, user: login.user, ended: login.name })
  else terminal.line(`Logged out at ${origin}.`)
}

async function end(origin: string, login: StoredLogin): Promise<void> {
  await createClient(connectionOf(origin, login)).send('POST', '/v1/logout')
}

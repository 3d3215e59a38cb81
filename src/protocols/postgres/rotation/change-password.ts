/** Gives a role another password: in one transaction of a connection of its own, which says for certain whether it was committed. */

import type { AccountLogin, ChangeResult, CredentialChange } from '../../../session/connector.ts'
import type { Secret } from '../../../shared/secret.ts'
import { loginOf } from '../../../targets/target.ts'
import { secretsOf } from '../../../vault/lease.ts'
import type { PostgresTarget } from '../target.ts'
import type { TargetRefusal } from '../target-side/target-refusal.ts'
import { connectUpstream, ownParameters, type PostgresUpstream } from '../target-side/upstream.ts'
import { isWholeName, quotedName } from './quote.ts'
import { factsQuery, obstacle, readFacts, type VerifierKind, verifierKind } from './server-facts.ts'
import { type Answer, openSqlSession, type SqlSession } from './sql-session.ts'
import { md5Verifier, scramVerifier } from './verifier.ts'
import { verifyLogin } from './verify-login.ts'
import { refusalWords, wordsOf } from './words.ts'

/** The login included, for which there are ten seconds. */
const CHANGE_MS = 30_000

/**
 * Whatever the role's own settings say: it acts as itself, waits for no lock for long, and a commit that was answered is on the disk.
 * `idle_in_transaction_session_timeout` frees the row should the gateway be gone.
 */
const BEGIN = [
  'BEGIN READ WRITE',
  'SET LOCAL ROLE NONE',
  'SET LOCAL search_path TO pg_catalog, pg_temp',
  "SET LOCAL statement_timeout TO '10s'",
  "SET LOCAL lock_timeout TO '3s'",
  "SET LOCAL idle_in_transaction_session_timeout TO '20s'",
  "SELECT pg_catalog.set_config('synchronous_commit', 'local', true) WHERE pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'",
].join('; ')

/** What a check of passwords answers for one that it does not like: `passwordcheck`, and functions that raise. */
const DISLIKED = new Set(['22023', 'P0001'])
/** What one answers that wants to read the password itself. */
const WANTS_PLAIN_TEXT = /plain.?text|clear.?text|encrypted|hashed/i

export async function changePassword(change: CredentialChange, signal: AbortSignal): Promise<ChangeResult> {
  const { target, account, candidate, as } = change
  const role = loginOf(account)
  if (target.protocol !== 'postgres') return notChanged('the target is not a PostgreSQL target')
  if (candidate.kind !== 'password') return notChanged('a PostgreSQL role has a password, and not a private key')
  if (!isWholeName(role)) return notChanged("the role's name has more than 63 bytes, of which the server keeps 63")
  const login = as ?? (change.current && { account, material: change.current })
  if (login === undefined) {
    return notChanged('no password of the account is known to work, and no other account is named to change it')
  }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(CHANGE_MS)])
  const itself = loginOf(login.account) === role
  const secrets = [login.material, candidate, change.current]
    .flatMap(given => (given === undefined ? [] : secretsOf(given)))
    .concat(change.opened ?? [])
  const opened = await open(change, login, deadline)
  if ('error' in opened) {
    if (itself && (await isDone(change, deadline))) return { result: 'changed' }
    return notChanged(`the login as ${loginOf(login.account)}: ${wordsOf(opened.error, secrets)}`)
  }
  const session = openSqlSession(opened.upstream, secrets, deadline)
  try {
    const { processId } = opened.upstream.startup
    return await alter(session, { target, role, itself, password: candidate.password, processId })
  } finally {
    session.close()
  }
}

async function open(
  { target, dial }: CredentialChange,
  login: AccountLogin,
  signal: AbortSignal,
): Promise<{ upstream: PostgresUpstream } | { error: unknown }> {
  const parameters = (entry: PostgresTarget) => ownParameters(login, entry).set('client_encoding', 'UTF8')
  try {
    return { upstream: await connectUpstream({ ...login, target, dialer: dial() }, parameters, signal) }
  } catch (error) {
    return { error }
  }
}

/** Of an account that changes itself: the candidate may be in force since an earlier try. */
async function isDone(
  { target, account, dial, candidate, opened }: CredentialChange,
  signal: AbortSignal,
): Promise<boolean> {
  return (
    (await verifyLogin({ target, account, dialer: dial(), material: candidate, opened }, signal)).result === 'works'
  )
}

interface Alteration {
  readonly target: PostgresTarget
  readonly role: string
  /** The account changes itself. */
  readonly itself: boolean
  readonly password: Secret
  /** What the connection was told at its start. */
  readonly processId: number
}

async function alter(session: SqlSession, alteration: Alteration): Promise<ChangeResult> {
  const { target, role, itself, password, processId } = alteration
  const asked = await session.ask(factsQuery(role))
  if (asked.kind !== 'done') return notChanged(said(asked))
  const facts = readFacts(asked)
  const kind = verifierKind(target, facts)
  const why = obstacle(facts, { role, itself, processId }) ?? (kind === undefined ? NO_VERIFIER : undefined)
  if (kind === undefined || why !== undefined) return notChanged(why ?? NO_VERIFIER)
  const verifier = await verifierOf(role, password, kind).catch(wordsOf)
  if (typeof verifier === 'string') return notChanged(verifier)
  const begun = await session.ask(BEGIN)
  if (begun.kind !== 'done') return notChanged(said(begun))
  const altered = await session.ask(statement(role, verifier))
  if (altered.kind === 'refused') return refusedChange(altered.refusal)
  if (altered.kind === 'cut') return notChanged(said(altered))
  if (altered.tag !== 'ALTER ROLE' || !altered.inTransaction) {
    return { result: 'uncertain', words: 'the server did not answer as one that alters a role in a transaction' }
  }
  return committed(await session.ask('COMMIT'))
}

const NO_VERIFIER =
  'the server knows no SCRAM (it is older than PostgreSQL 10), or the entry of the target allows none, and no md5: authentication'

/** Throws where too many are computed already. */
async function verifierOf(role: string, password: Secret, kind: VerifierKind): Promise<Buffer> {
  return kind.kind === 'md5' ? md5Verifier(role, password) : scramVerifier(password, kind.iterations)
}

/** Erases the verifier. */
function statement(role: string, verifier: Buffer): Buffer {
  const sql = Buffer.concat([Buffer.from(`ALTER ROLE ${quotedName(role)} PASSWORD '`), verifier, Buffer.from("'")])
  verifier.fill(0)
  return sql
}

function refusedChange(refusal: TargetRefusal): ChangeResult {
  const words = refusalWords(refusal)
  if (WANTS_PLAIN_TEXT.test(refusal.words ?? '')) {
    return notChanged(
      `${words}: the server wants to read the password itself, which the gateway sends in no statement; have it take verifiers (credcheck.encrypted_password_allowed)`,
    )
  }
  return DISLIKED.has(refusal.sqlstate) ? { result: 'candidate-refused', words } : notChanged(words)
}

/** What became of the transaction, of which only the commit's answer tells. */
function committed(answer: Answer): ChangeResult {
  switch (answer.kind) {
    case 'done':
      return answer.tag === 'COMMIT' ? { result: 'changed' } : notChanged('the server rolled the change back')
    case 'refused':
      return notChanged(said(answer))
    case 'cut':
      return { result: 'uncertain', words: `the answer to the commit did not come: ${said(answer)}` }
  }
}

function said({ refusal }: Exclude<Answer, { kind: 'done' }>): string {
  return refusal === undefined ? 'the server ended the connection, or did not answer in time' : refusalWords(refusal)
}

function notChanged(words: string): ChangeResult {
  return { result: 'not-changed', words }
}

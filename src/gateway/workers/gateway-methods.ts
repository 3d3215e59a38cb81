/** What a worker may have its gateway do: each request of the table in `requests.ts`, carried out where the vault's key is. */

import type { TypedAsk } from '../../access-requests/choose-offer.ts'
import type { GivenLess } from '../../access-requests/lessen.ts'
import type { DecideAnswer, OwnRequests, RequestPage, RequestView } from '../../access-requests/own-requests.ts'
import type { AuditAppender } from '../../audit/event.ts'
import type { OwnCheckOuts, TakeAnswer } from '../../check-out/own-check-outs.ts'
import type { Revealed, RevealWish } from '../../check-out/reveal.ts'
import type { NoSlot } from '../../connections/connection-limits.ts'
import type { RefusedConnection } from '../../connections/refused-connections.ts'
import type { PersonalToken } from '../../identity/personal-tokens.ts'
import type { PrincipalFacts } from '../../identity/principal.ts'
import type { Source } from '../../identity/proof.ts'
import type { User } from '../../identity/user.ts'
import type { Choice, Choices } from '../../notifications/own-choices.ts'
import type { GrantTerms } from '../../policy/grant.ts'
import type { LoginTerms } from '../../policy/login.ts'
import type { Reachable } from '../../policy/reachable.ts'
import type { OwnProposals, ProposalAnswer } from '../../proposals/own-proposals.ts'
import { makeRecordingKeys, type RecordingKeys } from '../../recording/format/recording-keys.ts'
import { isSealOf } from '../../recording/format/seal.ts'
import type { Shown } from '../../self-service/command.ts'
import type { HeldSessions } from '../../session/broker/create-broker.ts'
import type { TokenWish } from '../../session/personal-access.ts'
import type { AtTarget, LoginClient } from '../../session/protocol.ts'
import type { Ending, SessionRow } from '../../session/records/session-store.ts'
import type { FoundInside, OwnKeys } from '../../session/served-protocol.ts'
import type { DecidedAnew } from '../../session/state.ts'
import { type ErrorCode, GatewayError, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { AccountAddress } from '../../shared/names.ts'
import { Secret } from '../../shared/secret.ts'
import type { Target } from '../../targets/target.ts'
import { checkOutsOf, proposalsOf, requestsOf } from '../own-of-login.ts'
import type { GatewayParts } from '../parts.ts'
import type { ServedProtocols } from '../protocols.ts'
import { type HandedCredential, handOver } from './handed-credential.ts'
import { createLentCodes } from './lent-codes.ts'
import { createWatches, type Watches } from './watches.ts'
import type { WorkerCluster } from './worker-cluster.ts'

/** What a client said of itself before it proved anything. */
export interface Claim extends Pick<LoginClient, 'protocol' | 'source' | 'login' | 'outer'> {
  readonly database?: string | undefined
}

export type ExtendMessage = Parameters<OwnRequests['extend']>[1]

export type DecisionMessage =
  | { readonly is: 'approve'; readonly less: GivenLess; readonly reason?: string | undefined }
  | { readonly is: 'deny'; readonly reason?: string | undefined }

export interface ProposalMessage {
  readonly is: 'approve' | 'deny'
  readonly reason?: string | undefined
}

export type EndMessage = { readonly is: 'cancel' } | { readonly is: 'revoke'; readonly reason?: string | undefined }

export type CheckOutWishMessage = Parameters<OwnCheckOuts['take']>[1]

/** What is shown of a credential: in clear to a terminal, or as `age` has encrypted it. */
export type RevealedMessage = Omit<Revealed, 'shown'> &
  ({ readonly handed: HandedCredential } | { readonly age: string })

export interface Told {
  readonly code: ErrorCode
  readonly message: string
  readonly detail?: string | undefined
}

export interface GatewayMethods extends WorkerCluster {
  /** Resolves when it is decided. */
  admit(session: string, claim: Claim): Promise<GrantTerms | Refusal>
  awaitModerator(session: string): Promise<Refusal | undefined>
  admitLogin(session: string, claim: Claim): Promise<{ principal: PrincipalFacts; terms: LoginTerms } | Refusal>
  /** There will be no more proofs for it. `keeps`: what its person has asked for is to stay. */
  loginOver(session: string, keeps?: boolean): void
  knowsPublicKey(user: string, blob: Buffer): Promise<boolean>
  stillAllowed(session: string): Promise<DecidedAnew>
  loginStillAllowed(session: string): Promise<boolean>
  lease(
    session: string,
    details: Record<string, string>,
    receiver: Buffer,
  ): Promise<{ id: string; version: number; handed: HandedCredential } | Refusal>
  findHop(session: string, name: string): Promise<Target | undefined>
  lendForHop(session: string, hop: AccountAddress, receiver: Buffer): Promise<HandedCredential>
  /** The next one-time code of an account whose credential was lent to the session, while it logs in. */
  oneTimeCode(session: string, account: AccountAddress): Promise<Buffer>
  recordingKeys(session: string): RecordingKeys
  /** The signature of the seal of its recording (`isSealOf`). */
  signSeal(session: string, bytes: Buffer): Buffer
  hopFailed(session: string, hop: AccountAddress, error: Told): Promise<void>
  refused(session: string, refusal: Told): Promise<void>
  activate(session: string, atTarget: AtTarget): Promise<boolean>
  channelDenied(session: string, what: string, why: string): Promise<void>
  end(session: string, ending: Pick<Ending, 'reason' | 'sealed' | 'tampered' | 'closed'>): Promise<void>
  /** Nothing more comes of it. */
  release(session: string): void
  person(session: string): Promise<PrincipalFacts | undefined>
  look(session: string, address: { account?: string | undefined; target: string }): Promise<Shown>
  reachable(session: string, names?: string[], withOffered?: boolean): Promise<Reachable[]>
  findInside(session: string, host: string, port: number): Promise<FoundInside | Refusal>
  favourites(session: string): Promise<ReadonlySet<string>>
  toggleFavourite(session: string, address: AccountAddress): Promise<boolean>
  sessions(session: string, query: { limit: number; state?: 'live' | 'ended' | undefined }): Promise<SessionRow[]>
  user(session: string): Promise<User | undefined>
  notificationChoices(session: string): Promise<Choices>
  chooseNotification(session: string, choice: Choice): Promise<void>
  createToken(
    session: string,
    wish: TokenWish,
  ): Promise<{ text: Buffer; name: string; scopes: TokenWish['scopes']; expiresAt: number }>
  tokens(session: string): Promise<PersonalToken[]>
  revokeToken(session: string, name: string): Promise<boolean>
  takeCheckOut(session: string, address: AccountAddress, wish: CheckOutWishMessage): Promise<TakeAnswer>
  checkIn(session: string, address: AccountAddress): ReturnType<OwnCheckOuts['checkIn']>
  extendCheckOut(session: string, address: AccountAddress, forMs?: number): ReturnType<OwnCheckOuts['extend']>
  checkOuts(session: string): ReturnType<OwnCheckOuts['list']>
  leaveQueue(session: string, address: AccountAddress): Promise<boolean>
  watchable(session: string): ReturnType<Watches['list']>
  /** `watch`: an id of this one time, of the worker's choice. */
  watch(session: string, watched: string, watch: string): ReturnType<Watches['begin']>
  watchNext(session: string, watch: string): ReturnType<Watches['next']>
  endWatched(session: string, watch: string): Promise<void>
  leaveWatched(session: string, watch: string): void
  askAccess(session: string, wish: TypedAsk): ReturnType<OwnRequests['ask']>
  requestTemplates(session: string): ReturnType<OwnRequests['templates']>
  requests(session: string, view: RequestView, page: RequestPage): ReturnType<OwnRequests['list']>
  showRequest(session: string, id: string): ReturnType<OwnRequests['show']>
  extendRequest(session: string, id: string, wish: ExtendMessage): ReturnType<OwnRequests['extend']>
  decideRequest(session: string, id: string, decision: DecisionMessage, code?: Buffer): Promise<DecideAnswer>
  endRequest(session: string, id: string, how: EndMessage): ReturnType<OwnRequests['cancel']>
  proposals(session: string, ...list: Parameters<OwnProposals['list']>): ReturnType<OwnProposals['list']>
  showProposal(session: string, id: string, from: number): ReturnType<OwnProposals['show']>
  decideProposal(session: string, id: string, decision: ProposalMessage, code?: Buffer): Promise<ProposalAnswer>
  withdrawProposal(session: string, id: string): ReturnType<OwnProposals['withdraw']>
  proveCode(session: string, code: Buffer): Promise<boolean>
  revealCheckOut(session: string, wish: RevealWish, code: Buffer, receiver: Buffer): Promise<RevealedMessage>
  /** Resolves when what was asked for is in the audit log. */
  selfService(
    session: string,
    kind: 'self-service.opened' | 'self-service.command',
    data: Record<string, string>,
  ): Promise<void>
  /** Gives a connection, which comes from there, its slot. Resolves with why there is none. */
  acquireSlot(connection: number, source: Source): Promise<NoSlot | undefined>
  /** The same for a connection inside of one that has its slot. */
  acquireInnerSlot(connection: number): Promise<NoSlot | undefined>
  connectionRefused(refused: RefusedConnection): Promise<void>
}

export interface GatewayMethodsParts {
  readonly parts: GatewayParts
  readonly audit: AuditAppender
  readonly broker: HeldSessions
  readonly served: ServedProtocols
  readonly ownKeys: Readonly<Record<string, OwnKeys>>
  readonly cluster: WorkerCluster
  /** The client of a login, for as long as it proves. Throws `FORBIDDEN` for a source that is no connection of this worker. */
  readonly clientOf: (session: string, claim: Claim) => LoginClient & { admitted(): void }
  readonly loginOver: GatewayMethods['loginOver']
  readonly released: (session: string) => void
  readonly acquireSlot: GatewayMethods['acquireSlot']
  readonly acquireInnerSlot: GatewayMethods['acquireInnerSlot']
  /** Whether the worker may say that of a connection, which it had, and of a session that nothing has come of. */
  readonly mayReport: (refused: RefusedConnection) => Promise<boolean>
}

/** For one worker. */
export function createGatewayMethods(options: GatewayMethodsParts): GatewayMethods {
  const { parts, audit, broker, served, ownKeys, cluster, clientOf, loginOver, released } = options
  const { access, favourites, personalAccess, recordings, sessions, targets, users, vault } = parts

  const codes = createLentCodes()
  const checkOuts = (session: string) => checkOutsOf(parts, broker, session)
  const requests = (session: string) => requestsOf(parts, broker, session)
  const proposals = (session: string) => proposalsOf(parts, broker, session)
  const watches = createWatches(parts, personOf)

  /** A session that there is already, of whichever worker, does not begin again: its events and its end are its own. */
  async function newClient(session: string, claim: Claim) {
    const client = clientOf(session, claim)
    if (await parts.sessionRecords.isKnown(session))
      throw new GatewayError('CONFLICT', 'There is a session of this id already.')
    return client
  }

  async function personOf(session: string) {
    const person = await broker.login(session).person()
    if (person !== undefined) return person
    throw new GatewayError('ACCESS_DENIED', 'Your access was withdrawn.')
  }

  return {
    ...cluster,

    async admit(session, claim) {
      const client = await newClient(session, claim)
      const grant = await broker.admit(session, client)
      if (isRefusal(grant)) return told(grant)
      client.admitted()
      return grant.terms
    },
    async admitLogin(session, claim) {
      const client = await newClient(session, claim)
      const admitted = await broker.admitLogin(session, client)
      if (isRefusal(admitted)) return told(admitted)
      client.admitted()
      const { principal, terms } = admitted
      return { principal: principal.facts, terms }
    },
    loginOver,
    knowsPublicKey: (user, blob) => parts.authenticator.knowsPublicKey(user, blob),
    async awaitModerator(session) {
      const refusal = await broker.awaitModerator({ session })
      return refusal && told(refusal)
    },
    stillAllowed: session => broker.stillAllowed(session),
    loginStillAllowed: session => broker.loginStillAllowed(session),

    async lease(session, details, receiver) {
      const lease = await broker.lease({ session }, details)
      if (isRefusal(lease)) return told(lease)
      const { id, version, address } = lease
      return { id, version, handed: codes.handOver(session, address, lease, receiver) }
    },
    findHop: (session, name) => broker.findHop({ session }, name),
    async lendForHop(session, { account, target }, receiver) {
      const lent = await broker.lendForHop({ session }, { account: { name: account }, target: { name: target } })
      return codes.handOver(session, { account, target }, lent, receiver)
    },
    oneTimeCode: (session, address) => codes.next(session, address),
    recordingKeys: session => makeRecordingKeys(session, vault),
    signSeal(session, bytes) {
      if (isSealOf(session, bytes)) return parts.signer.sign(bytes)
      throw new GatewayError('FORBIDDEN', 'These are not the bytes of a seal of this session.')
    },

    hopFailed(session, { account, target }, { code, message, detail }) {
      const options = detail === undefined ? {} : { cause: new Error(detail) }
      const hop = { account: { name: account }, target: { name: target } }
      return broker.hopFailed({ session }, hop, new GatewayError(code, message, options))
    },
    refused: (session, { code, message, detail }) => broker.refused({ session }, refuse(code, message, detail)),
    activate(session, atTarget) {
      codes.forget(session)
      return broker.activate({ session }, atTarget)
    },
    channelDenied: (session, what, why) => broker.channelDenied({ session }, what, why),
    end(session, { reason, sealed, tampered, closed }) {
      codes.forget(session)
      // Which file is a session's own is not for the worker to say.
      const file = recordings.fileOf({ session })
      return broker.end(
        { session },
        { reason, sealed: sealed && { ...sealed, file }, tampered: tampered && { ...tampered, file }, closed },
      )
    },
    release(session) {
      codes.forget(session)
      loginOver(session)
      watches.released(session)
      broker.forget(session)
      released(session)
    },

    person: async session => (await broker.person(session))?.facts,
    async look(session, { target, account }) {
      const decision = await access.look(await personOf(session), {
        target,
        ...(account === undefined ? {} : { account }),
      })
      return shown(decision)
    },
    reachable: async (session, names, withOffered) => access.reachable(await personOf(session), names, withOffered),
    async findInside(session, host, port) {
      const login = broker.login(session)
      const find = served.of(login.protocol).findInside
      if (find === undefined) throw new GatewayError('INTERNAL', 'Nothing is opened inside of such a login.')
      const own = ownKeys[login.protocol] ?? {}
      const refused = (what: string, why: string) => void broker.channelDenied({ session }, what, why)
      const { hostAuthority } = vault
      const asked = { mayOpen: login.mayOpen, person: login.person, refused }
      return find({ targets, access, hostAuthority, ownKeys: own, clock: parts.clock }, asked, host, port)
    },
    favourites: async session => favourites.of(broker.login(session).user),
    toggleFavourite: async (session, address) => favourites.toggle(broker.login(session).user, address),
    async sessions(session, { limit, state }) {
      return sessions.list({ user: broker.login(session).user, limit, ...(state === undefined ? {} : { state }) })
    },
    user: async session => users.get((await personOf(session)).user),
    notificationChoices: async session => parts.ownChoices.of((await personOf(session)).user),
    chooseNotification: async (session, choice) => parts.ownChoices.choose((await personOf(session)).user, choice),
    async createToken(session, wish) {
      const { text, ...made } = await personalAccess.create(await personOf(session), { ...wish, session })
      return { ...made, text: text.revealBytes() }
    },
    tokens: async session => personalAccess.list(broker.login(session).user),
    async revokeToken(session, name) {
      const { user } = broker.login(session)
      return personalAccess.revoke(user, name, { actor: user, session })
    },
    askAccess: (session, wish) => requests(session).ask(wish),
    requestTemplates: session => requests(session).templates(),
    requests: (session, view, page) => requests(session).list(view, page),
    showRequest: (session, id) => requests(session).show(id),
    extendRequest: (session, id, wish) => requests(session).extend(id, wish),
    decideRequest(session, id, decision, code) {
      const secret = code && new Secret(code)
      const { reason } = decision
      return decision.is === 'deny'
        ? requests(session).deny(id, reason, secret)
        : requests(session).approve(id, { less: decision.less, reason }, secret)
    },
    endRequest: (session, id, how) =>
      how.is === 'cancel' ? requests(session).cancel(id) : requests(session).revoke(id, how.reason),
    proposals: (session, view, page) => proposals(session).list(view, page),
    showProposal: (session, id, from) => proposals(session).show(id, { from }),
    decideProposal: (session, id, { is, reason }, code) => proposals(session)[is](id, reason, code && new Secret(code)),
    withdrawProposal: (session, id) => proposals(session).withdraw(id),
    takeCheckOut: (session, address, wish) => checkOuts(session).take(address, wish),
    checkIn: (session, address) => checkOuts(session).checkIn(address),
    extendCheckOut: (session, address, forMs) => checkOuts(session).extend(address, forMs),
    checkOuts: session => checkOuts(session).list(),
    watchable: session => watches.list(session),
    watch: (session, watched, watch) => watches.begin(session, watched, watch),
    watchNext: (session, watch) => watches.next(session, watch),
    endWatched: (session, watch) => watches.end(session, watch),
    leaveWatched: (session, watch) => watches.leave(session, watch),
    leaveQueue: (session, address) => checkOuts(session).leaveQueue(address),
    proveCode: (session, code) => checkOuts(session).proveCode(new Secret(code)),
    async revealCheckOut(session, wish, code, receiver) {
      const { shown, ...facts } = await checkOuts(session).reveal(wish, new Secret(code))
      if (shown.as === 'age') return { ...facts, age: shown.text }
      try {
        return { ...facts, handed: handOver({ kind: 'password', password: shown.text }, receiver) }
      } finally {
        shown.text.erase()
      }
    },
    selfService: async (session, kind, data) =>
      audit.append({ kind, actor: broker.login(session).user, session, data }),

    acquireSlot: options.acquireSlot,
    acquireInnerSlot: options.acquireInnerSlot,
    async connectionRefused(refused) {
      if (!(await options.mayReport(refused)))
        throw new GatewayError('FORBIDDEN', 'There was no such connection, or what came of it is known.')
      const { session, ...data } = refused
      await audit.append({
        kind: 'connection.refused',
        actor: 'unknown',
        ...(session === undefined ? {} : { session }),
        data,
      })
    },
  }
}

/** What the person may be told; why is the gateway's to know. */
function told({ code, message, advice }: Refusal): Refusal {
  return { ...refuse(code, message), ...(advice === undefined ? {} : { advice }) }
}

function shown(decision: Shown): Shown {
  if (!decision.granted) {
    const { message, advice } = decision
    return { granted: false, message, ...(advice === undefined ? {} : { advice }) }
  }
  const { account, target, database, channels, endsAt, idleMs, recordInput, recordExecInput } = decision
  return {
    granted: true,
    account: { name: account.name, level: account.level },
    target: { name: target.name, protocol: target.protocol },
    ...{ database, channels, endsAt, idleMs, recordInput, recordExecInput },
  }
}

/** The broker of sessions as a worker has it: its gateway, asked by messages. What it mints there is received here. */

import { receivedPrincipal } from '../../identity/principal.ts'
import { receivedGrant } from '../../policy/grant.ts'
import type { SessionBroker } from '../../session/broker/broker.ts'
import { KEEPS_REQUEST, type LoginClient } from '../../session/protocol.ts'
import { onceAborted } from '../../session/session-end.ts'
import { isRefusal, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { AccountAddress } from '../../shared/names.ts'
import type { Remote } from '../../shared/rpc.ts'
import { Secret } from '../../shared/secret.ts'
import { type CredentialMaterial, eraseMaterial, receivedLease } from '../../vault/lease.ts'
import type { Claim, GatewayMethods } from './gateway-methods.ts'
import { type CredentialReceiver, createReceiver, type HandedCredential } from './handed-credential.ts'
import type { WorkerMethods } from './messages.ts'
import { messageOfProof } from './proof-message.ts'
import { MOST_CLAIMED } from './requests.ts'

/** What is said for the audit log alone. */
const MOST_SAID = 4096

export interface RemoteBroker {
  readonly broker: SessionBroker
  /** What the gateway asks of those that log in. */
  readonly methods: Pick<WorkerMethods, 'nextProof' | 'askFor' | 'brought' | 'ask' | 'tell'>
}

export function createRemoteBroker(gateway: Remote<GatewayMethods>, log: Log): RemoteBroker {
  const clients = new Map<string, LoginClient>()

  function received(
    session: string,
    address: AccountAddress,
    receiver: CredentialReceiver,
    handed: HandedCredential,
  ): CredentialMaterial {
    const material = receiver.open(handed)
    if (!handed.codes) return material
    return { ...material, nextCode: async () => new Secret(await gateway.call('oneTimeCode', session, address)) }
  }

  /** While it is being decided, the gateway asks the client. */
  async function admitting<T>(session: string, client: LoginClient, decide: (claim: Claim) => Promise<T>): Promise<T> {
    const { protocol, source, login, database, outer, loginOver } = client
    clients.set(session, client)
    onceAborted(loginOver, () => {
      if (clients.has(session)) gateway.notify('loginOver', session, loginOver.reason === KEEPS_REQUEST)
    })
    try {
      const { address, port } = source
      return await decide({
        // Longer than any name is: it is refused, and audited, as it is then.
        ...{ protocol, source: { address, port }, login: login.slice(0, MOST_CLAIMED) },
        ...(database === undefined ? {} : { database: database.slice(0, MOST_CLAIMED) }),
        ...(outer === undefined ? {} : { outer }),
      })
    } finally {
      clients.delete(session)
    }
  }

  return {
    methods: {
      async nextProof(session, first) {
        const client = clients.get(session)
        if (client === undefined) return { answered: false }
        const proof = await client.nextProof(first)
        return { answered: client.answered, ...(proof === undefined ? {} : { proof: messageOfProof(proof) }) }
      },
      askFor: (session, next, partial) => clients.get(session)?.askFor(next, partial),
      brought: async session => (await clients.get(session)?.brought()) ?? { attended: false },
      ask: async (session, question) => clients.get(session)?.ask(question),
      tell: (session, line) => clients.get(session)?.tell(line),
    },

    broker: {
      async admit(session, client) {
        const terms = await admitting(session, client, claim => gateway.call('admit', session, claim))
        return isRefusal(terms) ? terms : receivedGrant(terms)
      },
      async admitLogin(session, client) {
        const admitted = await admitting(session, client, claim => gateway.call('admitLogin', session, claim))
        if (isRefusal(admitted)) return admitted
        return { principal: receivedPrincipal(admitted.principal), terms: admitted.terms }
      },
      awaitModerator: async ({ session }) => (await gateway.call('awaitModerator', session)) ?? undefined,
      stillAllowed: session => gateway.call('stillAllowed', session),
      loginStillAllowed: session => gateway.call('loginStillAllowed', session),
      async person(session) {
        const facts = await gateway.call('person', session)
        return facts && receivedPrincipal(facts)
      },

      async lease(grant, details) {
        const receiver = createReceiver()
        const lent = await gateway.call('lease', grant.session, details, receiver.publicKey)
        if (isRefusal(lent)) return lent
        const { session, account, target } = grant
        const address = { account: account.name, target: target.name }
        return receivedLease(lent.id, grant, lent.version, received(session, address, receiver, lent.handed))
      },
      findHop: ({ session }, name) => gateway.call('findHop', session, name),
      async lendForHop({ session }, { account, target }) {
        const receiver = createReceiver()
        const address = { account: account.name, target: target.name }
        const handed = await gateway.call('lendForHop', session, address, receiver.publicKey)
        const material = received(session, address, receiver, handed)
        return { material, erase: () => eraseMaterial(material) }
      },

      hopFailed({ session }, { account, target }, { code, message, cause }) {
        const address = { account: account.name, target: target.name }
        const detail = cause === undefined ? {} : { detail: cut(messageOf(cause)) }
        return gateway.call('hopFailed', session, address, { code, message: cut(message), ...detail })
      },
      refused({ session }, { code, message, detail }) {
        const told = detail === undefined ? {} : { detail: cut(detail) }
        return gateway.call('refused', session, { code, message: cut(message), ...told })
      },
      activate: ({ session }, atTarget) => gateway.call('activate', session, atTarget),
      channelDenied: ({ session }, what, why) => gateway.call('channelDenied', session, cut(what), cut(why)),
      async end({ session }, { reason, sealed, tampered, closed }) {
        const ending = {
          reason,
          ...(sealed === undefined ? {} : { sealed: { file: sealed.file, hash: sealed.hash, bytes: sealed.bytes } }),
          ...(tampered === undefined ? {} : { tampered: { file: tampered.file, why: cut(tampered.why) } }),
          ...(closed === undefined ? {} : { closed }),
        }
        await gateway
          .call('end', session, ending)
          .catch(error => log.error({ err: error, session }, 'the gateway did not take the end of a session'))
      },
      proveCode: (session, code) => gateway.call('proveCode', session, code.revealBytes()),
      forget: session => gateway.notify('release', session),
    },
  }
}

function cut(text: string): string {
  return text.slice(0, MOST_SAID)
}

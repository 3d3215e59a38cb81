/** Targets, as they were applied, and learning the host keys of one by an explicit wish. */

import { z } from 'zod'
import { protocolOf } from '../../protocols/registered.ts'
import type { Dialer } from '../../session/dialer.ts'
import { GatewayError } from '../../shared/errors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import type { AccountAddress } from '../../shared/names.ts'
import { fingerprint } from '../../shared/ssh-encoding/fingerprint.ts'
import { changedParts, fingerprintOf as fingerprintOfIdentity } from '../../targets/identity.ts'
import { type Target, targetSchema } from '../../targets/target.ts'
import { auditedChange } from '../audited.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, namePageSchema, pageOf } from './route.ts'

export type { Target }

const params = z.object({ name: nameSchema })
const hostKey = z
  .string()
  .regex(/^[a-z0-9@.-]{1,64} [A-Za-z0-9+/=]{1,8192}$/, 'a host key is written as ssh-ed25519 AAAA…')
const scanSchema = z.object({
  host: z.string(),
  port: z.number(),
  keys: z.array(
    z.object({
      key: z.string(),
      type: z.string(),
      /** As `ssh-keygen -l` prints it. */
      fingerprint: z.string(),
      pinned: z.boolean(),
    }),
  ),
  /** Pinned, but not shown by the host now. */
  missing: z.array(z.string()),
})
export type Scan = z.output<typeof scanSchema>

const loginsSchema = z.object({
  logins: z.array(
    z.object({
      account: z.string(),
      /** As the entry's `authentication` names it: `scram-sha-256`, `md5`, `password`, `none`; else in words. */
      asks: z.string(),
      allowed: z.boolean(),
    }),
  ),
})
export type Logins = z.output<typeof loginsSchema>

export function targets(
  app: ApiRoutes,
  { targets, audit, served, live, vault, dialTarget, proposals }: ApiParts,
): void {
  const tags = ['targets']

  app.get(
    '/v1/targets',
    {
      schema: {
        summary: 'Targets: all of them, or a page',
        tags,
        querystring: namePageSchema,
        response: { 200: z.object({ targets: z.array(targetSchema) }) },
      },
    },
    async ({ query }) => ({ targets: await pageOf(targets, query) }),
  )

  app.get(
    '/v1/targets/:name',
    { schema: { summary: 'One target', tags, params, response: { 200: targetSchema } } },
    async ({ params: { name } }) => existing(name),
  )

  app.post(
    '/v1/targets/:name/scan',
    {
      schema: { summary: 'Asks the host for its keys; pins nothing', tags, params, response: { 200: scanSchema } },
    },
    async ({ params: { name }, caller }) => {
      const target = await existingWithHostKeys(name)
      const { protocol, host, port, hostKeys } = target
      const keys = await withDialer(target, caller.actor, dialer => served(protocol).scanHostKeys!(target, dialer))
      const pinned = new Set(hostKeys.map(withoutComment))
      return {
        host,
        port,
        keys: keys.map(key => ({
          key,
          type: key.split(' ')[0]!,
          fingerprint: fingerprintOf(key),
          pinned: pinned.has(withoutComment(key)),
        })),
        missing: [...pinned].filter(key => !keys.some(shown => withoutComment(shown) === key)),
      }
    },
  )

  app.post(
    '/v1/targets/:name/logins',
    {
      schema: {
        summary: 'Asks a database what it would ask of each account at login, and answers nothing',
        tags,
        params,
        response: { 200: loginsSchema },
      },
    },
    async ({ params: { name }, caller }) => {
      const target = await existing(name)
      const { askLogins } = served(target.protocol)
      if (askLogins !== undefined) {
        return { logins: await withDialer(target, caller.actor, dialer => askLogins(target, dialer)) }
      }
      const { knownBy } = protocolOf(target.protocol).words
      throw new GatewayError('BAD_REQUEST', `${name} is no database: ${knownBy}.`)
    },
  )

  app.put(
    '/v1/targets/:name/host-keys',
    {
      schema: {
        summary: 'Pins these host keys in place of the ones before',
        tags,
        params,
        body: z.strictObject({ hostKeys: z.array(hostKey).min(1).max(16) }),
        response: { 200: targetSchema },
      },
    },
    async ({ params: { name }, body: { hostKeys }, caller }) => {
      if (proposals.needsTwo({ changes: [{ kind: 'target', name, action: 'update', differences: [] }] }))
        throw new GatewayError(
          'FORBIDDEN',
          'A change of a target needs a second person: write the keys as hostKeys into its file, and apply it.',
        )
      const target = await existingWithHostKeys(name)
      const changed = { ...target, hostKeys }
      const data = { target: name, hostKeys: hostKeys.map(fingerprintOf), before: target.hostKeys.map(fingerprintOf) }
      await auditedChange(audit, { kind: 'resources.applied', actor: caller.actor, data }, change =>
        change(on => targets.put(changed, on)),
      )
      for (const waiting of await vault.followTargets([name])) {
        if (caller.scopes.has('confirm')) await confirmKeys(waiting, caller.actor)
      }
      await live.accessChanged()
      return changed
    },
  )

  /** Who has that right has looked at these keys just now: where nothing else is new, that is a confirmation. */
  async function confirmKeys(address: AccountAddress, actor: string): Promise<void> {
    const { version, confirmed, now, unconfirmed: why } = (await vault.standing(address)) ?? {}
    if (confirmed === undefined || now === undefined || changedParts(now, confirmed) !== 'hostKeys') return
    const fingerprint = fingerprintOfIdentity(now)
    const data = { ...address, version, why, before: confirmed, after: now, fingerprint }
    await auditedChange(audit, { kind: 'credential.confirmed', actor, data }, change =>
      vault.confirmCredential(address, fingerprint, change),
    )
  }

  async function withDialer<T>(target: Target, actor: string, ask: (dialer: Dialer) => Promise<T>): Promise<T> {
    const dialer = dialTarget(target, actor)
    try {
      return await ask(dialer)
    } finally {
      dialer.close()
    }
  }

  async function existing(name: string): Promise<Target> {
    const target = await targets.get(name)
    if (target === undefined) throw notFound(`There is no target ${name}.`)
    return target
  }

  async function existingWithHostKeys(name: string): Promise<Extract<Target, { hostKeys: string[] }>> {
    const target = await existing(name)
    const { target: facts, words } = protocolOf(target.protocol)
    if (facts.asks !== 'host-keys') {
      throw new GatewayError('BAD_REQUEST', `${name} is a ${target.protocol} target: ${words.knownBy}.`)
    }
    return target as Extract<Target, { hostKeys: string[] }>
  }
}

function withoutComment(key: string): string {
  return key.split(/\s+/).slice(0, 2).join(' ')
}

function fingerprintOf(key: string): string {
  return fingerprint(Buffer.from(key.split(/\s+/)[1] ?? '', 'base64'))
}

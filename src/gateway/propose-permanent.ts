/** What becomes of an approved request for good: a proposed change of the rules, by a role of its own that gives that account and nothing else. */

import type { RequestedAccess } from '../access-requests/request.ts'
import { type Role, roleSchema } from '../policy/role.ts'
import { proposeResources } from '../resources/apply.ts'
import type { PlacedResource } from '../resources/parse.ts'
import type { JobHandler } from '../schedule/job.ts'
import { GatewayError } from '../shared/errors.ts'
import type { GatewayParts } from './parts.ts'

const PROPOSE = 'access-request.propose'

/** Until what is on `started` is closed: planned in the transaction of the approval, so that it comes to it whatever happens. */
export function planPermanent(
  { requests, schedule, storeClock }: Pick<GatewayParts, 'requests' | 'schedule' | 'storeClock'>,
  started: AsyncDisposableStack,
): void {
  const forget = requests.onTransition(async ({ what, request }, on) => {
    if (what !== 'approved' || request.kind !== 'permanent') return
    await schedule.plan({ kind: PROPOSE, key: request.id, dueAt: storeClock.now() }, on)
  })
  started.defer(async () => forget())
}

type Parts = Pick<GatewayParts, 'requests' | 'proposals' | 'roles' | 'users' | 'database' | 'clock' | 'connectors'>

export function permanentHandler(parts: Parts): Record<string, JobHandler> {
  return {
    [PROPOSE]: {
      limit: 1,
      async run({ key }) {
        await proposePermanent(parts, key)
        return undefined
      },
    },
  }
}

/** Once for each request. */
export async function proposePermanent(parts: Parts, id: string): Promise<void> {
  const { requests, proposals, roles, users } = parts
  const request = await requests.rows.get(id)
  if (request === undefined || (await proposals.rows.ofRequest(id)) !== undefined) return
  const [role, user] = await Promise.all([roles.get(request.role), users.get(request.user)])
  if (role === undefined || user === undefined || user.disabled || request.state.given === undefined) return
  const own = roleFor(role, request)
  const described = [
    placed({ kind: 'role', value: own }),
    placed({ kind: 'user', value: { ...user, roles: [...user.roles, own.name] } }),
  ]
  const planned = await proposeResources(described, parts)
  const proposer = { is: 'request', user: user.name, request: id } as const
  await proposals.make(planned, proposer, { reason: request.wish.reason })
}

/** On the terms of the role that offers it. */
function roleFor(role: Role, { id, user, wish, state }: RequestedAccess): Role {
  const given = state.given ?? wish
  const { onRequest: _, api: __, ...terms } = role
  const [target, account] = [given.targets.names?.[0], given.accounts.names?.[0]]
  if (target === undefined || account === undefined)
    throw new GatewayError('INTERNAL', `The request ${id} for good is for no single account.`)
  return roleSchema.parse({
    ...terms,
    name: `permanent-${id.slice('req_'.length)}`,
    description: `${account}@${target} for ${user}, by the request ${id}`,
    targets: { names: [target] },
    accounts: { names: [account] },
    channels: role.channels.filter(channel => given.channels.includes(channel)),
    ...(given.databases === undefined ? {} : { databases: [...given.databases] }),
  })
}

function placed(resource: Pick<PlacedResource, 'kind' | 'value'>): PlacedResource {
  const at: PlacedResource['at'] = (_path, message) => ({
    ...{ file: `${resource.kind} ${resource.value.name}`, line: 1, column: 1 },
    message,
  })
  return { ...resource, at, written: new Set(Object.keys(resource.value)) } as PlacedResource
}

/** Short words for tests of policy: a role, a target, a principal, and the facts of a request, with everything else usual. */

import { mintPrincipal } from '../../src/identity/principal.ts'
import type { ApprovedAccess } from '../../src/policy/approved.ts'
import type { AuthorizeFacts } from '../../src/policy/authorize.ts'
import { type Role, type RoleInput, roleSchema } from '../../src/policy/role.ts'
import { channelNames, type ProtocolName } from '../../src/protocols/registered.ts'
import type { Factor } from '../../src/shared/factors.ts'
import { type Target, type TargetInput, targetSchema } from '../../src/targets/target.ts'

/** A role `ops` for the account root of web-01, unless told otherwise. */
export function role(input: Partial<RoleInput> = {}): Role {
  return roleSchema.parse({ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: ['root'] }, ...input })
}

/** The SSH target `web-01` with the accounts root (admin) and www (basic), unless told otherwise. */
export function target(input: Partial<TargetInput> = {}): Target {
  return targetSchema.parse({
    name: 'web-01',
    protocol: 'ssh',
    host: '192.0.2.1',
    labels: { env: 'production' },
    accounts: [{ name: 'root', level: 'admin' }, { name: 'www' }],
    ...input,
  })
}

export const NOW = Date.parse('2026-11-18T12:00:00Z')

/** The request `req_1` of the role ops for root@web-01, for two hours from now, unless told otherwise. */
export function approved(input: Partial<ApprovedAccess> = {}): ApprovedAccess {
  return {
    ...{ request: 'req_1', role: 'ops', offer: 'root', channels: channelNames() },
    ...{ targets: { names: ['web-01'] }, accounts: { names: ['root'] } },
    ...{ startsAt: NOW, endsAt: NOW + 7_200_000 },
    ...input,
  }
}

interface LoginRequest {
  login?: string
  protocol?: ProtocolName
  roles?: Role[]
  approved?: ApprovedAccess[]
  heldAtLogin?: string[]
  target?: Target | undefined
  proven?: Factor[]
  from?: string
  now?: number
}

/** alice asks for `root@web-01` on a Wednesday at noon, with key and code proven. */
export function facts(wish: LoginRequest = {}): AuthorizeFacts {
  const { login = 'root@web-01', protocol = 'ssh', roles = [role()], proven = ['publickey', 'totp'] } = wish
  const { from = '198.51.100.7', now = NOW } = wish
  const [name, account] = login.split('@').reverse() as [string, string?]
  return {
    principal: mintPrincipal({
      user: 'alice',
      roles: wish.heldAtLogin ?? roles.map(one => one.name),
      proven: new Set(proven),
      sourceAddress: from,
    }),
    session: 'ses_1',
    request: {
      protocol,
      ...(name === '' ? {} : { target: name }),
      ...(account === undefined ? {} : { account }),
    },
    target: 'target' in wish ? wish.target : target(),
    roles,
    ...(wish.approved === undefined ? {} : { approved: wish.approved }),
    defaults: [
      ['publickey', 'totp'],
      ['password', 'totp'],
    ],
    sourceAddress: from,
    now,
  }
}
